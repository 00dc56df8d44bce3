"""Detection head: RetinaNet."""

from typing import Literal, final

from pydantic import Field

from blocks.component import MapsHead, Width
from blocks.layers.basic.conv import conv
from blocks.layers.basic.norm import NormKind
from blocks.layers.detection.detection import SharedHead, detector, neck, tower
from blocks.layers.maps import MapsLayer


@final
class RetinaNet(MapsHead):
    """A feature pyramid with two further levels, and two towers that all levels share: raw maps per level.

    Reads the maps of strides 8, 16 and 32 (`maps: [1, 2, 3]` of four) and gives (anchors·classes, H, W) of each of P3
    to P7, then (anchors·4, H, W) of each. P6 is a 3x3 convolution of stride 2 on the last map read, P7 one on P6,
    without an activation between them. Anchors, their assignment and suppression are a detection library's.

    Params, of n maps of c_i channels with F = `width`, A anchors and K classes: Σ(c_i·F + F) + n(9F² + F) +
    9·c_n·F + F + 9F² + F, and for the head 8(9F² + F) + A(K + 4)(9F + 1).

    Source: RetinaNet section 4; FPN section 3.
    """

    type: Literal["retinanet"] = "retinanet"
    classes: int = Field(default=80, gt=0, le=100_000, strict=True, description="number of classes")
    width: Width = Field(default=256, description="channels of the pyramid and of the towers")
    anchors: int = Field(default=9, gt=0, le=1000, strict=True, description="anchors per position")
    depth: int = Field(default=4, ge=1, le=64, strict=True, description="3x3 convolutions in each tower")
    extra: int = Field(default=2, ge=0, le=8, strict=True, description="levels beyond the maps that it reads")
    input_norm: NormKind | None = Field(
        default=None, description="norm of each map that it reads, as Swin has for dense tasks; null for none"
    )

    def layers(self, widths: tuple[int, ...]) -> MapsLayer:
        f = self.width
        head = SharedHead(
            (("cls", tower(self.depth, f)), ("box", tower(self.depth, f))),
            (("cls", "cls", conv(f, self.anchors * self.classes, 3)), ("box", "box", conv(f, self.anchors * 4, 3))),
            len(widths) + self.extra,
        )
        return detector(neck(widths, f, self.extra, "conv_on_input", self.input_norm), head)
