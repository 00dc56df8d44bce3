"""Detection head: Mask R-CNN."""

from typing import Literal, final

from pydantic import Field

from blocks.component import MapsHead, Width
from blocks.layers.basic.norm import NormKind
from blocks.layers.detection.detection import detector, neck
from blocks.layers.detection.regions import RegionHead, TwoStage, box_head, mask_head, proposal_network
from blocks.layers.maps import MapsLayer


@final
class MaskRCNN(MapsHead):
    """A feature pyramid, a region proposal network on its levels and a pooled one, box and mask heads on regions.

    Reads the maps of strides 4 to 32 and gives, of each of P2 to P6, objectness (anchors, H, W), then box offsets
    (4·anchors, H, W) of each, then of `rois` regions scores (rois, K + 1) and offsets (rois, 4K), and of `mask_rois`
    regions mask logits (mask_rois, K, 28, 28). Costs are stated for so many regions. Choosing them, by anchors,
    assignment and suppression, is a detection library's, which calls the submodules `rpn`, `box` and `mask` (the `head`
    of the last two takes what RoIAlign gives); here they are the cells of a grid over the image, so that the network
    runs, and what it says about them means nothing.

    Params, of n maps of c_i channels with F = `width` and K classes: Σ(c_i·F + F) + n(9F² + F), and at the
    defaults 593,935 for the proposals, 14,306,705 for boxes, 2,643,280 for masks.

    Source: Mask R-CNN section 3; FPN sections 4.1 and 4.2. The number of regions is that behind published costs.
    """

    type: Literal["mask_rcnn"] = "mask_rcnn"
    classes: int = Field(default=80, gt=0, le=100_000, strict=True, description="number of classes")
    width: Width = Field(default=256, description="channels of the pyramid and of the heads' convolutions")
    anchors: int = Field(default=3, gt=0, le=1000, strict=True, description="anchors per position of a level")
    hidden: Width = Field(default=1024, description="width of the box head's two linear layers")
    rois: int = Field(default=1000, ge=1, le=100_000, strict=True, description="regions that the box head reads")
    mask_rois: int = Field(default=100, ge=1, le=100_000, strict=True, description="regions that the mask head reads")
    box_size: int = Field(default=7, ge=1, le=64, strict=True, description="cells per side of the box head's regions")
    mask_size: int = Field(
        default=14, ge=1, le=64, strict=True, description="cells per side of the mask head's regions"
    )
    input_norm: NormKind | None = Field(
        default=None, description="norm of each map that it reads, as Swin has for dense tasks; null for none"
    )

    def layers(self, widths: tuple[int, ...]) -> MapsLayer:
        f, count = self.width, len(widths)
        box = box_head(f, 0, 2, self.hidden, self.classes, self.box_size)
        heads = (
            ("box", RegionHead(self.rois, self.box_size, box)),
            ("mask", RegionHead(self.mask_rois, self.mask_size, mask_head(f, 4, self.classes))),
        )
        head = TwoStage(proposal_network(f, self.anchors, count + 1), heads, count)
        return detector(neck(widths, f, 1, "pool", self.input_norm), head)
