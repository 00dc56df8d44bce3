"""Multi-head self-attention over the positions of a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from blocks.layers.basic.conv import Conv
from blocks.layers.basic.linear import Linear
from blocks.layers.basic.norm import LayerNorm
from blocks.layers.combine import Parts
from blocks.layers.construction import Construction, call
from blocks.layers.layer import FLOAT_BYTES, Layer, Meter, Storage, Value


@final
@dataclass(frozen=True, slots=True)
class Attention(Layer):
    """Scaled dot-product attention among all positions: (C, H, W) -> (C, H, W).

    With `reduction` r > 1 the keys and values come from a map shrunk by a convolution of kernel and stride r and
    a layer norm (spatial-reduction attention). Cost: the projections, and the two matmuls 2·C·n·m of n queries
    with m keys; softmax is free in MACs.

    Attributes:
        width: channels; divisible by `heads`.
        heads: attention heads.
        reduction: r; 1 attends to every position.
        separate: queries apart from keys and values without a reduction too, as PVTv2's weights have them; otherwise
            all three come from one projection there.
        eps: of the reduction's layer norm.
    """

    width: int
    heads: int
    reduction: int = 1
    separate: bool = False
    eps: float = 1e-6

    @property
    def kind(self) -> str:
        return "attention"

    @property
    def _fused(self) -> bool:
        return self.reduction == 1 and not self.separate

    def children(self) -> Parts:
        c = self.width
        proj = Linear(c, c, parts_in=(self.heads,))
        if self._fused:
            return (("qkv", Linear(c, 3 * c, parts_out=(3, self.heads))), ("proj", proj))
        reduce: Parts = ()
        if self.reduction > 1:
            shrink = Conv(c, c, self.reduction, self.reduction, padding=0)
            reduce = (("reduce", shrink), ("norm", LayerNorm(c, self.eps)))
        q, kv = Linear(c, c, parts_out=(self.heads,)), Linear(c, 2 * c, parts_out=(2, self.heads))
        return (("q", q), *reduce, ("kv", kv), ("proj", proj))

    def trace(self, x: Value, meter: Meter) -> Value:
        parts = dict(self.children())
        if self._fused:
            qkv = meter.enter("qkv", parts["qkv"], x)
            keep, keys = (qkv,), x.shape[1] * x.shape[2]
        else:
            q = meter.enter("q", parts["q"], x)
            small = x
            for name in ("reduce", "norm"):
                small = meter.enter(name, parts[name], small) if name in parts else small
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

    def construction(self) -> Construction:
        return call("blocks.layers.attention.attention_torch:Attention", dict(self.children()), self.heads)

    def tails(self) -> tuple[str, ...]:
        return ("proj",)
