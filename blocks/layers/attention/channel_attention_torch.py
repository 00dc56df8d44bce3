"""Attention among channels, in groups."""

from collections.abc import Mapping
from typing import final

import torch.nn.functional as F
from torch import Tensor, nn


@final
class ChannelAttention(nn.Module):
    """Self-attention among the channels of each group: (N, C, H, W) -> (N, C, H, W). Submodules `qkv` and `proj`.

    A channel's token is its whole map. Keys ask the values, and the answer mixes the queries, as in the authors' code;
    under another naming of the three projections this is the formula of the paper.
    """

    def __init__(self, parts: Mapping[str, nn.Module], groups: int) -> None:
        super().__init__()
        self.groups = groups
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        size = channels // self.groups
        qkv = self.get_submodule("qkv")(x.permute(0, 2, 3, 1).reshape(batch, height * width, channels))
        q, k, v = qkv.reshape(batch, height * width, 3, self.groups, size).permute(2, 0, 3, 4, 1).unbind(0)
        # Copied, since its transposed view would keep all of qkv for backward.
        out = F.scaled_dot_product_attention(k, v, q.contiguous(), scale=size**-0.5)
        out = self.get_submodule("proj")(out.permute(0, 3, 1, 2).reshape(batch, height * width, channels))
        return out.transpose(1, 2).reshape(batch, channels, height, width)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
