"""Multi-head self-attention inside the windows of a map, with a learnable bias per relative position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from blocks.layers.basic.linear import Linear
from blocks.layers.combine import Parts
from blocks.layers.construction import Construction, call
from blocks.layers.layer import FLOAT_BYTES, Layer, Meter, Partition, Storage, Value


@final
@dataclass(frozen=True, slots=True)
class WindowAttention(Layer):
    """Attention inside windows that neither overlap nor shift: (C, H, W) -> (C, H, W).

    A map that the windows do not tile is padded with zeros on all sides, the odd row or column at the end, and cropped
    afterwards; nothing is masked. Queries, keys and values are projected one by one, on the padded map.

    Cost, with N' padded positions: 4·C²·N' of the projections, and the two matmuls 2·C·window²·N'; the bias is
    (2·window - 1)²·heads parameters, added for free. Since the bias learns, PyTorch's CPU kernel keeps scaled queries
    and keys, values and the softmax for backward.

    Source: HRFormer section 3.1; how it pads follows its published code. See `shifted_window_attention` for Swin's.
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
        c, heads = self.width, (self.heads,)
        projections = tuple((name, Linear(c, c, parts_out=heads)) for name in ("q", "k", "v"))
        return (*projections, ("proj", Linear(c, c, parts_in=heads)))

    def trace(self, x: Value, meter: Meter) -> Value:
        parts = dict(self.children())
        channels, height, width = x.shape
        grid = Value.new((channels, height + -height % self.window, width + -width % self.window))
        for name in ("q", "k", "v"):
            value = meter.enter(name, parts[name], grid)
        elements, pairs = grid.storage.elements, self.heads * self.window**2 * grid.shape[1] * grid.shape[2]
        meter.count(
            "scaled_dot_product_attention",
            x,
            params=(2 * self.window - 1) ** 2 * self.heads,
            macs=2 * elements * self.window**2,
            activations=pairs + elements,
            keep=(value,),
            extra_bytes=(2 * elements + pairs) * FLOAT_BYTES,
        )
        out = meter.enter("proj", parts["proj"], Value.new(grid.shape))
        return meter.count("crop", Value(x.shape, Storage(out.storage.elements)))

    def construction(self) -> Construction:
        return call(
            "blocks.layers.attention.window_attention_torch:WindowAttention",
            dict(self.children()),
            self.heads,
            self.window,
        )

    def tails(self) -> tuple[str, ...]:
        return ("proj",)

    def partitions(self) -> dict[str, tuple[Partition, ...]]:
        return {"relative_position_bias_table": (None, ())}
