"""Attention inside windows that are shifted in every other block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from blocks.layers.basic.linear import Linear
from blocks.layers.combine import Parts
from blocks.layers.construction import Construction, call
from blocks.layers.layer import FLOAT_BYTES, Layer, Meter, Partition, Storage, Value


@final
@dataclass(frozen=True, slots=True)
class ShiftedWindowAttention(Layer):
    """Self-attention inside windows, with a bias per relative position: (C, H, W) -> (C, H, W).

    A map that is no multiple of the window is padded with zeros at the bottom and right, which attention sees. With
    `shift` it is then rolled up and left by half a window; pairs that only the roll has joined are masked. A side that
    one window covers is not shifted, and there the window shrinks to the map. Cost, on the n positions of the padded
    map with windows of m: the projections, and two matmuls 2·C·n·m; bias, mask, roll and softmax are free in MACs.

    Source: Liu et al. 2021 (arXiv 2103.14030), section 3.2. Padding before the roll follows the authors' detection
    code: as in the paper, the mask then keeps apart what is not adjacent. timm rolls first, so that its results differ
    where a map both needs padding and is shifted (at no stage of the published models at 224).
    """

    width: int
    heads: int
    window: int = 7
    shift: bool = False
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

    @property
    def fit(self) -> str:
        return "shrink"

    def children(self) -> Parts:
        c, heads = self.width, self.heads
        return (("qkv", Linear(c, 3 * c, parts_out=(3, heads))), ("proj", Linear(c, c, parts_in=(heads,))))

    def trace(self, x: Value, meter: Meter) -> Value:
        parts = dict(self.children())
        c, height, width = x.shape
        rows, columns = min(self.window, height), min(self.window, width)
        padded = (c, height + -height % rows, width + -width % columns)
        area, positions = rows * columns, padded[1] * padded[2]
        shifted = self.shift and self.window > 1 and max(height, width) > self.window
        # A copy, unless the windows lie one after the other in memory already.
        in_order = not shifted and padded == x.shape and (width == columns or rows == 1)
        qkv = meter.enter("qkv", parts["qkv"], x if in_order else Value.new(padded))
        scores = self.heads * positions * area
        meter.count(
            "scaled_dot_product_attention",
            x,
            params=(2 * self.window - 1) ** 2 * self.heads,
            macs=2 * c * positions * area,
            activations=scores + c * positions,
            # A single position needs no copy to set its values apart.
            keep=(qkv if positions == 1 else Value.new(padded),),
            # Scaled queries and keys, and the weights.
            extra_bytes=(2 * c * positions + scores) * FLOAT_BYTES,
        )
        meter.enter("proj", parts["proj"], Value.new(padded))
        return Value(x.shape, Storage(c * positions))

    def construction(self) -> Construction:
        parts = dict(self.children())
        return call(
            "blocks.layers.attention.shifted_window_attention_torch:ShiftedWindowAttention",
            parts,
            self.heads,
            self.window,
            shift=self.shift,
        )

    def tails(self) -> tuple[str, ...]:
        return ("proj",)

    def partitions(self) -> dict[str, tuple[Partition, ...]]:
        return {"relative_position_bias_table": (None, ())}
