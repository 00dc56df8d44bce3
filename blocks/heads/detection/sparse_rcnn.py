"""Detection head: Sparse R-CNN."""

from typing import Literal, final

from pydantic import Field

from blocks.component import MapsHead, Width
from blocks.layers.basic.norm import NormKind
from blocks.layers.detection.detection import detector, expect_divisor, neck
from blocks.layers.detection.proposals import ProposalStage, ProposalStages
from blocks.layers.maps import MapsLayer


@final
class SparseRCNN(MapsHead):
    """A feature pyramid, and learned proposals whose boxes six stages refine: no anchors and no suppression.

    Reads the maps of strides 4 to 32 and gives class logits (proposals, K) and boxes (proposals, 4) of every stage, the
    last of which are the answer: centre, width and height as fractions of the image. Regions are read at the centres of
    their cells, not interpolated as by RoIAlign (see `RegionSample`). Matching boxes with objects is for a detection
    library.

    Params beside the pyramid's Σ(c_i·F + F) + n(9F² + F), at the defaults: 79,490,472.

    Source: Sparse R-CNN section 3.
    """

    type: Literal["sparse_rcnn"] = "sparse_rcnn"
    classes: int = Field(default=80, gt=0, le=100_000, strict=True, description="number of classes")
    width: Width = Field(default=256, description="channels of the pyramid and of the proposals")
    proposals: int = Field(default=300, ge=1, le=100_000, strict=True, description="number of learned boxes")
    stages: int = Field(default=6, ge=1, le=12, strict=True, description="stages, each with weights of its own")
    heads: int = Field(default=8, ge=1, le=1024, strict=True, description="heads of the attention among proposals")
    dynamic: Width = Field(default=64, description="inner channels of the convolutions that proposals make")
    hidden: Width = Field(default=2048, description="hidden width of the feed-forward layers")
    size: int = Field(default=7, ge=1, le=64, strict=True, description="cells per side of a region")
    input_norm: NormKind | None = Field(
        default=None, description="norm of each map that it reads, as Swin has for dense tasks; null for none"
    )

    def check(self, widths: tuple[int, ...]) -> None:
        expect_divisor(self.width, "heads", self.heads)

    def layers(self, widths: tuple[int, ...]) -> MapsLayer:
        stage = ProposalStage(self.width, self.heads, self.dynamic, self.hidden, self.size, self.classes)
        stages = ProposalStages(self.proposals, self.stages, stage)
        return detector(neck(widths, self.width, 0, "pool", self.input_norm), stages)
