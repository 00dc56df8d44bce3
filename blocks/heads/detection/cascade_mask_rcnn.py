"""Detection head: Cascade Mask R-CNN."""

from typing import Literal, final

from pydantic import Field

from blocks.component import MapsHead, Width
from blocks.layers.basic.norm import NormKind
from blocks.layers.detection.detection import detector, neck
from blocks.layers.detection.regions import RegionHead, TwoStage, box_head, mask_head, proposal_network
from blocks.layers.maps import MapsLayer


@final
class CascadeMaskRCNN(MapsHead):
    """A feature pyramid, a region proposal network, and stages that each have a box and a mask head.

    Reads the maps of strides 4 to 32 and gives what Mask R-CNN's head gives, with scores, offsets and mask logits stage
    by stage. Every box head has four 3x3 convolutions with batch norm and a linear layer, and offsets per class. A
    stage's regions are the boxes that the stage before refined, `rois` for boxes and `mask_rois` for masks. Refining
    and choosing them is a detection library's, which calls `rpn`, `box1`, `mask1`, ... itself (see `TwoStage`); here
    every stage reads the cells of a grid over the image, and what it says about them means nothing.

    Params, of n maps of c_i channels with F = `width`: Σ(c_i·F + F) + n(9F² + F), and at the defaults 593,935 for the
    proposals and in each stage 15,618,449 for boxes and 2,643,280 for masks.

    Source: Cascade R-CNN sections 4 and 5; box head and offsets per class as in Swin's and PVTv2's published detectors,
    inferred from their params. The number of regions is that behind published costs.
    """

    type: Literal["cascade_mask_rcnn"] = "cascade_mask_rcnn"
    classes: int = Field(default=80, gt=0, le=100_000, strict=True, description="number of classes")
    width: Width = Field(default=256, description="channels of the pyramid and of the heads' convolutions")
    anchors: int = Field(default=3, gt=0, le=1000, strict=True, description="anchors per position of a level")
    stages: int = Field(default=3, ge=1, le=4, strict=True, description="box and mask heads, one after the other")
    hidden: Width = Field(default=1024, description="width of the box heads' linear layer")
    rois: int = Field(default=1000, ge=1, le=100_000, strict=True, description="regions that each box head reads")
    mask_rois: int = Field(default=100, ge=1, le=100_000, strict=True, description="regions that each mask head reads")
    box_size: int = Field(default=7, ge=1, le=64, strict=True, description="cells per side of the box heads' regions")
    mask_size: int = Field(
        default=14, ge=1, le=64, strict=True, description="cells per side of the mask heads' regions"
    )
    input_norm: NormKind | None = Field(
        default=None, description="norm of each map that it reads, as Swin has for dense tasks; null for none"
    )

    def layers(self, widths: tuple[int, ...]) -> MapsLayer:
        f, count = self.width, len(widths)
        box = RegionHead(self.rois, self.box_size, box_head(f, 4, 1, self.hidden, self.classes, self.box_size))
        mask = RegionHead(self.mask_rois, self.mask_size, mask_head(f, 4, self.classes))
        heads = tuple(pair for n in range(1, self.stages + 1) for pair in ((f"box{n}", box), (f"mask{n}", mask)))
        head = TwoStage(proposal_network(f, self.anchors, count + 1), heads, count)
        return detector(neck(widths, f, 1, "pool", self.input_norm), head)
