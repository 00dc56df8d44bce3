"""Detection head: adaptive training sample selection."""

from typing import Literal, final

from pydantic import Field

from blocks.component import MapsHead, Width
from blocks.layers.basic.norm import NormKind
from blocks.layers.detection.dense_towers import dense_towers
from blocks.layers.detection.detection import detector, expect_divisor, neck
from blocks.layers.maps import MapsLayer


@final
class ATSS(MapsHead):
    """A feature pyramid with two further levels, and towers with one anchor per position: raw maps per level.

    Reads the maps of strides 8, 16 and 32 (`maps: [1, 2, 3]` of four) and gives, of each of P3 to P7, (classes, H, W),
    then of each (4, H, W), then of each the centerness (1, H, W), which the box tower predicts. P6 and P7 are 3x3
    convolutions of stride 2 on P5 and P6. What the name says, the choice of samples, is a detection library's.

    Params, of n maps of c_i channels with F = `width` and K classes: Σ(c_i·F + F) + (n + 2)(9F² + F), and for the head
    8(9F² + 2F) + (K + 5)(9F + 1) + n + 2.

    Source: ATSS section 4; its towers are FCOS's (section 3.1 there).
    """

    type: Literal["atss"] = "atss"
    classes: int = Field(default=80, gt=0, le=100_000, strict=True, description="number of classes")
    width: Width = Field(default=256, description="channels of the pyramid and of the towers")
    groups: int = Field(default=32, gt=0, le=1024, strict=True, description="groups of the towers' group norms")
    depth: int = Field(default=4, ge=1, le=64, strict=True, description="3x3 convolutions in each tower")
    extra: int = Field(default=2, ge=0, le=8, strict=True, description="levels beyond the maps that it reads")
    input_norm: NormKind | None = Field(
        default=None, description="norm of each map that it reads, as Swin has for dense tasks; null for none"
    )

    def check(self, widths: tuple[int, ...]) -> None:
        expect_divisor(self.width, "groups", self.groups)

    def layers(self, widths: tuple[int, ...]) -> MapsLayer:
        predictions = {"cls": ("cls", self.classes), "box": ("box", 4), "centerness": ("box", 1)}
        head = dense_towers(self.width, self.depth, self.groups, predictions, len(widths) + self.extra)
        return detector(neck(widths, self.width, self.extra, "conv_on_output", self.input_norm), head)
