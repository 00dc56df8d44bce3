"""Pose head: a heatmap per joint."""

from typing import Literal, final

from pydantic import Field

from archspec.errors import FieldError
from blocks.component import MapsHead
from blocks.layers.basic.conv import conv
from blocks.layers.maps import MapsReader
from blocks.layers.segmentation.pyramid import OnMap


@final
class PoseHeatmap(MapsHead):
    """A 1x1 convolution on one map, the finest unless `maps` names another: -> (joints, H, W).

    In a pyramid it must be the last one. Of parallel branches, the last exchange unit makes no other map than this.

    Params, of c channels: (c + 1)·joints. Source: HRNet for pose estimation, section 3.
    """

    type: Literal["pose_heatmap"] = "pose_heatmap"
    joints: int = Field(default=17, gt=0, le=10_000, strict=True, description="number of joints")

    def reads(self, count: int) -> tuple[int, ...]:
        return (0,) if self.maps is None else super().reads(count)

    def check(self, widths: tuple[int, ...]) -> None:
        if len(widths) > 1:
            raise FieldError("maps", f"must hold one map, since a heatmap is made of one, not {len(widths)}")

    def layers(self, widths: tuple[int, ...]) -> MapsReader:
        return OnMap(conv(widths[0], self.joints))
