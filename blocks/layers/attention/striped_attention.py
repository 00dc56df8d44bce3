"""Cross-shaped attention: half of the channels in stripes of rows, half in stripes of columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from blocks.layers.basic.activation import Activation
from blocks.layers.basic.conv import dwconv
from blocks.layers.basic.linear import Linear
from blocks.layers.combine import Parts, chain
from blocks.layers.construction import Construction, call
from blocks.layers.layer import FLOAT_BYTES, Layer, Meter, Value


@final
@dataclass(frozen=True, slots=True)
class StripedAttention(Layer):
    """Cross-shaped window attention whose values are its keys: (C, H, W) -> (C, H, W), C even.

    Queries and values are one projection. The first half of their channels attends inside stripes of `window` rows,
    the second inside stripes of `window` columns, each in half of the heads. A last stripe that the map does not
    fill is padded with zeros at the bottom or right, whose logits get -100. Beside the attention the values pass
    Hardswish and a depthwise 3x3; the sum passes Hardswish and a projection.

    Cost: 3·C²·H·W of the projections, 9·C·H·W of the convolution, and the two matmuls of both halves,
    ceil(H/w)·C·(w·W)² + ceil(W/w)·C·(w·H)².

    Source: HRViT section 3.2, its attention with shared keys and values, parallel path and Hardswish; padding and mask
    follow its published code.

    Attributes:
        width: channels.
        heads: heads of both halves together; even.
        window: rows or columns of a stripe.
        small_maps: take maps smaller than a stripe, which are padded.
    """

    width: int
    heads: int
    window: int
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
        c = self.width
        halves = (2, self.heads // 2)
        local = chain(act=Activation("hardswish"), conv=dwconv(c, 3, parts=halves))
        qv, proj = Linear(c, 2 * c, parts_out=(2, *halves)), Linear(c, c, parts_in=halves)
        return (("qv", qv), ("local", local), ("act", Activation("hardswish")), ("proj", proj))

    def trace(self, x: Value, meter: Meter) -> Value:
        parts = dict(self.children())
        channels, height, width = x.shape
        qv = meter.enter("qv", parts["qv"], x)
        macs, activations, extra = (sum(terms) for terms in zip(self._rows(x), self._columns(x), strict=True))
        meter.count(
            "scaled_dot_product_attention", x, macs=macs, activations=activations, keep=(qv,), extra_bytes=extra
        )
        meter.enter("local", parts["local"], qv.view((channels, height, width)))
        out = meter.count("add", Value.new(x.shape))
        out = meter.enter("act", parts["act"], out)
        return meter.enter("proj", parts["proj"], out)

    def _rows(self, x: Value) -> tuple[int, int, int]:
        """MACs, activations, and bytes that the half in rows keeps beside the projection that it sees."""
        _, height, width = x.shape
        macs, activations, positions = self._half(height, width)
        numbers = (self.width + self.heads) // 2 * positions
        if height % self.window:
            # Padded copies of queries and values, and the mask.
            numbers += (self.width + 1) * positions
        return macs, activations, numbers * FLOAT_BYTES

    def _columns(self, x: Value) -> tuple[int, int, int]:
        """The same of the half in columns, which always copies queries and values, to turn them."""
        _, height, width = x.shape
        macs, activations, positions = self._half(width, height)
        numbers = ((self.width + self.heads) // 2 + self.width + bool(width % self.window)) * positions
        return macs, activations, numbers * FLOAT_BYTES

    def _half(self, across: int, along: int) -> tuple[int, int, int]:
        """MACs, activations and positions of stripes that cut the side `across`."""
        stripes, length = -(-across // self.window), self.window * along
        pairs = stripes * length**2
        return self.width * pairs, self.heads // 2 * pairs + self.width // 2 * stripes * length, stripes * length

    def construction(self) -> Construction:
        return call(
            "blocks.layers.attention.striped_attention_torch:StripedAttention",
            dict(self.children()),
            self.heads,
            self.window,
        )

    def tails(self) -> tuple[str, ...]:
        return ("proj",)
