"""Multi-head self-attention over the positions of a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from blocks.layers.combine import Parts
from blocks.layers.conv import Conv
from blocks.layers.layer import FLOAT_BYTES, Layer, Meter, Storage, Value
from blocks.layers.linear import Linear
from blocks.layers.norm import LayerNorm

if TYPE_CHECKING:
    from torch import nn


@final
@dataclass(frozen=True, slots=True)
class Attention(Layer):
    """Scaled dot-product attention among all positions: (C, H, W) -> (C, H, W).

    With `reduction` r > 1 the keys and values come from a map shrunk by a convolution of kernel and stride r and
    a layer norm (spatial-reduction attention). Cost: the projections, and the two matmuls 2·C·n·m of n queries
    with m keys; softmax is free in MACs.
    """

    width: int
    heads: int
    reduction: int = 1

    @property
    def kind(self) -> str:
        return "attention"

    def children(self) -> Parts:
        c = self.width
        if self.reduction == 1:
            return (("qkv", Linear(c, 3 * c)), ("proj", Linear(c, c)))
        reduce = Conv(c, c, self.reduction, self.reduction, padding=0)
        return (
            ("q", Linear(c, c)),
            ("reduce", reduce),
            ("norm", LayerNorm(c)),
            ("kv", Linear(c, 2 * c)),
            ("proj", Linear(c, c)),
        )

    def trace(self, x: Value, meter: Meter) -> Value:
        parts = dict(self.children())
        if self.reduction == 1:
            qkv = meter.enter("qkv", parts["qkv"], x)
            keep, keys = (qkv,), x.shape[1] * x.shape[2]
        else:
            q = meter.enter("q", parts["q"], x)
            small = meter.enter("reduce", parts["reduce"], x)
            small = meter.enter("norm", parts["norm"], small)
            kv = meter.enter("kv", parts["kv"], small)
            keep, keys = (q, kv), kv.shape[1] * kv.shape[2]
        queries = x.shape[1] * x.shape[2]
        out = Value(x.shape, Storage(self.width * queries))
        meter.count(
            "scaled_dot_product_attention",
            out,
            macs=2 * self.width * queries * keys,
            activations=self.heads * queries * keys + self.width * queries,
            keep=(*keep, out),
            extra_bytes=self.heads * queries * FLOAT_BYTES,
        )
        return meter.enter("proj", parts["proj"], out)

    def module(self) -> nn.Module:
        from blocks.modules.attention import Attention as AttentionModule

        return AttentionModule({name: part.module() for name, part in self.children()}, self.heads)

    def tails(self) -> tuple[str, ...]:
        return ("proj",)
