"""Patch merging of Swin."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Downsample
from blocks.layers.basic.linear import Linear
from blocks.layers.basic.norm import layer_norm
from blocks.layers.basic.space_to_depth import SpaceToDepth
from blocks.layers.combine import chain
from blocks.layers.layer import Layer


@final
class PatchMerging(Downsample):
    """The channels of neighbouring positions one after the other, layer norm, linear layer without bias.

    Source: Swin (Liu et al. 2021, arXiv 2103.14030), section 3.1: groups of 2x2.
    """

    type: Literal["patch_merging"] = "patch_merging"
    stride: int = Field(
        default=2, ge=1, le=8, strict=True, description="side of the groups: the reduction of the map's sides"
    )

    def layers(self, width_in: int, width_out: int) -> Layer:
        positions = self.stride**2
        merged = positions * width_in
        return chain(
            merge=SpaceToDepth(self.stride),
            norm=layer_norm(merged, 1e-5, parts=(positions,)),
            reduction=Linear(merged, width_out, bias=False, on_map=True, parts_in=(positions,)),
        )
