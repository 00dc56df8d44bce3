"""Basic residual block that changes width and size."""

from typing import ClassVar, Literal, final

from pydantic import Field

from blocks.component import Downsample
from blocks.layers.layer import Layer
from blocks.layers.units.residual_unit import Projection, basic_unit


@final
class BasicDown(Downsample):
    """The first basic block of a stage: its first convolution is strided, its shortcut a 1x1 convolution.

    Source: ResNet section 3.3, shortcut option B; identity where neither width nor size changes. `shortcut: pool` is
    ResNet-D's (arXiv 1812.01187, section 4.1).
    """

    added: ClassVar[frozenset[str]] = frozenset({"shortcut"})
    type: Literal["basic_down"] = "basic_down"
    stride: int = Field(default=2, ge=1, le=8, strict=True, description="reduction of the map's sides")
    shortcut: Projection = Field(
        default="conv",
        description="strided 1x1 convolution, or average pool and a 1x1 convolution at stride 1 (ResNet-D)",
    )

    def layers(self, width_in: int, width_out: int) -> Layer:
        return basic_unit(width_in, width_out, self.stride, shortcut=self.shortcut)
