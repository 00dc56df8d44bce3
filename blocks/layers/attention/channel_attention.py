"""Attention among the channels of a map, in groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from blocks.layers.basic.linear import Linear
from blocks.layers.combine import Parts
from blocks.layers.construction import Construction, call
from blocks.layers.layer import FLOAT_BYTES, Layer, Meter, Value


@final
@dataclass(frozen=True, slots=True)
class ChannelAttention(Layer):
    """Self-attention among the channels of each group, whose tokens are whole maps: (C, H, W) -> (C, H, W).

    Cost, with groups of d channels on n positions: the projections, and two matmuls 2·C·d·n. It is linear in the
    positions. The scale is 1 / sqrt(d).

    Source: DaViT (Ding et al. 2022, arXiv 2204.03645), section "Channel Group Attention".
    """

    width: int
    groups: int

    @property
    def kind(self) -> str:
        return "attention"

    def children(self) -> Parts:
        c, groups = self.width, self.groups
        return (("qkv", Linear(c, 3 * c, parts_out=(3, groups))), ("proj", Linear(c, c, parts_in=(groups,))))

    def trace(self, x: Value, meter: Meter) -> Value:
        parts = dict(self.children())
        qkv = meter.enter("qkv", parts["qkv"], x)
        c, positions, size = self.width, x.shape[1] * x.shape[2], self.width // self.groups
        meter.count(
            "scaled_dot_product_attention",
            x,
            macs=2 * c * size * positions,
            activations=c * size + c * positions,
            # A single position needs no copy to set its part of qkv apart.
            keep=(qkv if positions == 1 else Value.new(x.shape),),
            # The two scaled operands of the first matmul, and its softmax.
            extra_bytes=(2 * c * positions + c * size) * FLOAT_BYTES,
        )
        return meter.enter("proj", parts["proj"], Value.new(x.shape))

    def construction(self) -> Construction:
        return call(
            "blocks.layers.attention.channel_attention_torch:ChannelAttention", dict(self.children()), self.groups
        )

    def tails(self) -> tuple[str, ...]:
        return ("proj",)
