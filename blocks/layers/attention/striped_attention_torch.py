"""Cross-shaped attention: half of the channels in stripes of rows, half in stripes of columns."""

from collections.abc import Mapping
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.layers.attention.attention_torch import tokens_of
from blocks.layers.basic.windows_torch import crop, pad

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
        size, rows = (q.shape[1], q.shape[2]), -q.shape[1] % self.window
        mask = self._mask(q, rows) if rows else None
        q, v = (pad(tensor, (self.window, 1)) for tensor in (q, v))
        keys = self._stripes(v)
        out = F.scaled_dot_product_attention(self._stripes(q), keys, keys, attn_mask=mask)
        return crop(out.transpose(1, 2).reshape(q.shape), size)

    def _stripes(self, x: Tensor) -> Tensor:
        """(N, H, W, c) -> (N·stripes, heads / 2, window·W, 2·c / heads); stripes must fill the height."""
        width, channels = x.shape[2:]
        heads = self.heads // 2
        return x.reshape(-1, self.window * width, heads, channels // heads).transpose(1, 2)

    def _mask(self, x: Tensor, rows: int) -> Tensor:
        """What is added to the logits where `rows` of padding follow: (N·stripes, 1, 1, window·W).

        The rows of queries that are padding would be masked too, but these queries are cropped.
        """
        batch, height, width, _ = x.shape
        keys = F.pad(x.new_zeros(batch, height * width), (0, rows * width), value=MASKED)
        return keys.view(-1, 1, 1, self.window * width)

    def extra_repr(self) -> str:
        return f"heads={self.heads}, window={self.window}"


def _turned(x: Tensor) -> Tensor:
    """(N, H, W, c) -> (N, W, H, c), always in memory of its own."""
    return x.transpose(1, 2).clone(memory_format=torch.contiguous_format)
