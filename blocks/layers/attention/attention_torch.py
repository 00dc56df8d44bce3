"""Multi-head self-attention over the positions of a map."""

from collections.abc import Mapping
from typing import final

import torch.nn.functional as F
from torch import Tensor, nn


@final
class Attention(nn.Module):
    """Self-attention: (N, C, H, W) -> (N, C, H, W).

    Submodules `qkv` and `proj`, or `q`, `kv` and `proj`; with spatial reduction also `reduce` and `norm`.
    """

    def __init__(self, parts: Mapping[str, nn.Module], heads: int) -> None:
        super().__init__()
        self.heads = heads
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        queries = tokens_of(x)
        if hasattr(self, "qkv"):
            q, k, v = split_heads(self.get_submodule("qkv")(queries), self.heads, 3)
        else:
            (q,) = split_heads(self.get_submodule("q")(queries), self.heads, 1)
            k, v = split_heads(self.get_submodule("kv")(self._reduce(queries, x)), self.heads, 2)
        out = F.scaled_dot_product_attention(q, k, v)
        out = self.get_submodule("proj")(out.transpose(1, 2).reshape(batch, height * width, channels))
        return out.transpose(1, 2).reshape(batch, channels, height, width)

    def _reduce(self, tokens: Tensor, x: Tensor) -> Tensor:
        """The tokens (N, L, C) of `x` -> those of the reduced map, or the same ones."""
        if not hasattr(self, "reduce"):
            return tokens
        # Seen through the tokens, so that autograd keeps one copy of the input and not two.
        small = tokens.transpose(1, 2).reshape(x.shape)
        return tokens_of(self.get_submodule("norm")(self.get_submodule("reduce")(small)))

    def extra_repr(self) -> str:
        return f"heads={self.heads}"


def tokens_of(x: Tensor) -> Tensor:
    """The positions of a map, row by row, and contiguous: (N, C, H, W) -> (N, H·W, C)."""
    return x.flatten(2).transpose(1, 2).contiguous()


def split_heads(tokens: Tensor, heads: int, count: int, length: int | None = None) -> tuple[Tensor, ...]:
    """Projections that stand side by side, head by head, of all tokens or of each run of `length` of them.

    (N, L, count·C) -> `count` tensors (N·L / length, heads, length, C / heads).
    """
    length = tokens.shape[1] if length is None else length
    parts = tokens.reshape(-1, length, count, heads, tokens.shape[2] // count // heads)
    return parts.permute(2, 0, 3, 1, 4).unbind(0)
