"""Basic residual block that changes width and size."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Downsample
from blocks.layers.layer import Layer
from blocks.layers.units.residual_unit import basic_unit


@final
class BasicDown(Downsample):
    """The first basic block of a stage: its first convolution is strided, its shortcut a 1x1 convolution.

    Source: ResNet section 3.3, shortcut option B; identity where neither width nor size changes.
    """

    type: Literal["basic_down"] = "basic_down"
    stride: int = Field(default=2, ge=1, le=8, strict=True, description="reduction of the map's sides")

    def layers(self, width_in: int, width_out: int) -> Layer:
        return basic_unit(width_in, width_out, self.stride)
