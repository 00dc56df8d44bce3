"""Bottleneck residual block that changes width and size."""

from typing import ClassVar, Literal, final

from pydantic import Field

from blocks.component import Downsample
from blocks.layers.layer import Layer
from blocks.layers.units.residual_unit import Projection, bottleneck_unit


@final
class BottleneckDown(Downsample):
    """The first bottleneck of a stage: its 3x3 convolution is strided, its shortcut a 1x1 convolution.

    Source: ResNet section 3.3, shortcut option B; the stride at the 3x3 convolution follows common practice (ResNet
    v1.5), not the paper. At stride 1 it only widens, as at the start of ResNet-50's first stage and of HRNet's.
    `shortcut: pool` is ResNet-D's (arXiv 1812.01187, section 4.1): as many params, another network.
    """

    added: ClassVar[frozenset[str]] = frozenset({"shortcut"})
    type: Literal["bottleneck_down"] = "bottleneck_down"
    stride: int = Field(default=2, ge=1, le=8, strict=True, description="reduction of the map's sides")
    reduction: int = Field(
        default=4, ge=1, le=64, strict=True, description="width over the inner width, which is rounded down"
    )
    shortcut: Projection = Field(
        default="conv",
        description="strided 1x1 convolution, or average pool and a 1x1 convolution at stride 1 (ResNet-D)",
    )

    def layers(self, width_in: int, width_out: int) -> Layer:
        return bottleneck_unit(
            width_in, width_out, max(1, width_out // self.reduction), self.stride, shortcut=self.shortcut
        )
