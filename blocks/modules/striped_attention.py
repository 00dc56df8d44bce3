"""Cross-shaped attention: half of the channels in stripes of rows, half in stripes of columns."""

from collections.abc import Mapping
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.modules.attention import tokens_of

MASKED = -100.0
"""Added to the logits of keys that are padding."""


@final
class StripedAttention(nn.Module):
    """Self-attention in stripes with one tensor as keys and values: (N, C, H, W) -> (N, C, H, W).

    Submodules `qv`, `local`, `act` and `proj`.
    """

    def __init__(self, parts: Mapping[str, nn.Module], heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        q, v = self.get_submodule("qv")(tokens_of(x)).chunk(2, -1)
        q, v = (tensor.view(x.shape[0], *x.shape[2:], channels) for tensor in (q, v))
        row_q, column_q = q.chunk(2, -1)
        row_v, column_v = v.chunk(2, -1)
        rows = self._attend(row_q, row_v)
        columns = self._attend(_turned(column_q), _turned(column_v)).transpose(1, 2)
        out = torch.cat((rows, columns), -1).permute(0, 3, 1, 2)
        out = out + self.get_submodule("local")(v.permute(0, 3, 1, 2))
        out = self.get_submodule("proj")(tokens_of(self.get_submodule("act")(out)))
        return out.transpose(1, 2).reshape(x.shape)

    def _attend(self, q: Tensor, v: Tensor) -> Tensor:
        """Attention inside stripes of `window` rows, on maps (N, H, W, c) with keys v."""
        batch, height, width, channels = q.shape
        pad = -height % self.window
        mask = self._mask(q, pad) if pad else None
        q, v = self._stripes(q, pad), self._stripes(v, pad)
        out = F.scaled_dot_product_attention(q, v, v, attn_mask=mask)
        out = out.transpose(1, 2).reshape(batch, height + pad, width, channels)
        # Slicing only where needed keeps the traced graph free of no-op slices.
        return out[:, :height] if pad else out

    def _stripes(self, x: Tensor, pad: int) -> Tensor:
        """(N, H, W, c) -> (N·stripes, heads / 2, window·W, 2·c / heads), with `pad` rows of zeros at the end."""
        if pad:
            x = F.pad(x, (0, 0, 0, 0, 0, pad))
        width, channels = x.shape[2:]
        heads = self.heads // 2
        return x.reshape(-1, self.window * width, heads, channels // heads).transpose(1, 2)

    def _mask(self, x: Tensor, pad: int) -> Tensor:
        """What is added to the logits: (N·stripes, 1, 1, window·W).

        The rows of queries that are padding would be masked too, but these queries are cropped.
        """
        batch, height, width, _ = x.shape
        keys = F.pad(x.new_zeros(batch, height * width), (0, pad * width), value=MASKED)
        return keys.view(-1, 1, 1, self.window * width)

    def extra_repr(self) -> str:
        return f"heads={self.heads}, window={self.window}"


def _turned(x: Tensor) -> Tensor:
    """(N, H, W, c) -> (N, W, H, c), always in memory of its own."""
    return x.transpose(1, 2).clone(memory_format=torch.contiguous_format)
