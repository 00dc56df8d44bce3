"""Attention inside fixed windows, without positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from blocks.layers.basic.linear import Linear
from blocks.layers.combine import Parts
from blocks.layers.construction import Construction, call
from blocks.layers.layer import FLOAT_BYTES, Layer, Meter, Storage, Value


@final
@dataclass(frozen=True, slots=True)
class PlainWindowAttention(Layer):
    """Self-attention inside windows, neither shifted nor biased: (C, H, W) -> (C, H, W).

    A map that is no multiple of the window is padded with zeros at the bottom and right, which attention sees; a map
    smaller than the window becomes one whole window. Cost, on the n positions of the padded map with windows of m: the
    projections, and two matmuls 2·C·n·m.

    Source: DaViT (Ding et al. 2022, arXiv 2204.03645), section "Spatial Window Attention"; the
    padding is that of the authors' code.
    """

    width: int
    heads: int
    window: int = 7
    small_maps: bool = False

    @property
    def kind(self) -> str:
        return "attention"

    @property
    def period(self) -> int:
        return self.window

    @property
    def oversize(self) -> bool:
        return self.small_maps

    def children(self) -> Parts:
        c, heads = self.width, self.heads
        return (("qkv", Linear(c, 3 * c, parts_out=(3, heads))), ("proj", Linear(c, c, parts_in=(heads,))))

    def trace(self, x: Value, meter: Meter) -> Value:
        parts = dict(self.children())
        c, height, width = x.shape
        padded = (c, height + -height % self.window, width + -width % self.window)
        area, positions = self.window**2, padded[1] * padded[2]
        # A copy, unless the windows lie one after the other in memory already.
        in_order = padded == x.shape and (width == self.window or self.window == 1)
        qkv = meter.enter("qkv", parts["qkv"], x if in_order else Value.new(padded))
        out = Value.new(padded)
        scores = self.heads * positions * area
        meter.count(
            "scaled_dot_product_attention",
            x,
            macs=2 * c * positions * area,
            activations=scores + c * positions,
            keep=(qkv, out),
            extra_bytes=self.heads * positions * FLOAT_BYTES,
        )
        meter.enter("proj", parts["proj"], out)
        return Value(x.shape, Storage(c * positions))

    def construction(self) -> Construction:
        return call(
            "blocks.layers.attention.plain_window_attention_torch:PlainWindowAttention",
            dict(self.children()),
            self.heads,
            self.window,
        )

    def tails(self) -> tuple[str, ...]:
        return ("proj",)
