"""Block that separates the positions of a map by a gate."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Block
from blocks.layers.basic.activation import gelu
from blocks.layers.basic.conv import conv, dwconv
from blocks.layers.basic.norm import NormKind, norm
from blocks.layers.combine import chain, residual
from blocks.layers.layer import Layer
from blocks.layers.units.spatial_gate import GatedSplit, Sigmoid


@final
class SpatialGate(Block):
    """A gate per position splits every feature: one share is seen with its neighbours, the other on its own.

    Params, of C channels with a gate of side k: 2C² + (k² + 14)C + 1.

    Source: inferred, every layer: RSSeg's abstract names a "spatially adaptive separation module" and no more.
    """

    type: Literal["spatial_gate"] = "spatial_gate"
    kernel: Literal[1, 3, 5, 7] = Field(default=3, description="side of the window that the gate of a position sees")
    norm: NormKind = Field(default="bn", description="norm at the input")

    def layers(self, width: int) -> Layer:
        gate = chain(conv=conv(width, 1, self.kernel), sigmoid=Sigmoid())
        body = chain(
            norm=norm(self.norm, width),
            split=GatedSplit(gate, first=dwconv(width, 3), second=conv(width, width)),
            act=gelu(),
            proj=conv(width, width),
        )
        return residual(body, self.drop_path)
