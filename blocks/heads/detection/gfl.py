"""Detection head: generalized focal loss."""

from typing import Literal, final

from pydantic import Field

from blocks.component import MapsHead, Width
from blocks.layers.basic.norm import NormKind
from blocks.layers.detection.dense_towers import dense_towers
from blocks.layers.detection.detection import detector, expect_divisor, neck
from blocks.layers.maps import MapsLayer


@final
class GFL(MapsHead):
    """A feature pyramid with two further levels, and towers that predict a distribution per box side: raw maps.

    Reads the maps of strides 8, 16 and 32 (`maps: [1, 2, 3]` of four) and gives, of each of P3 to P7, (classes, H, W),
    whose scores stand for quality too, then of each (4·bins, H, W), logits of each side's distance. P6 and P7 are 3x3
    convolutions of stride 2 on P5 and P6. Losses, assignment and decoding are a detection library's.

    Params, of n maps of c_i channels with F = `width`, B bins and K classes: Σ(c_i·F + F) + (n + 2)(9F² + F), and for
    the head 8(9F² + 2F) + (K + 4B)(9F + 1) + n + 2.

    Source: Generalized Focal Loss section 3 (distances 0 to 16); its towers are ATSS's.
    """

    type: Literal["gfl"] = "gfl"
    classes: int = Field(default=80, gt=0, le=100_000, strict=True, description="number of classes")
    width: Width = Field(default=256, description="channels of the pyramid and of the towers")
    bins: int = Field(default=17, gt=0, le=1000, strict=True, description="values of the distribution of each box side")
    groups: int = Field(default=32, gt=0, le=1024, strict=True, description="groups of the towers' group norms")
    depth: int = Field(default=4, ge=1, le=64, strict=True, description="3x3 convolutions in each tower")
    extra: int = Field(default=2, ge=0, le=8, strict=True, description="levels beyond the maps that it reads")
    input_norm: NormKind | None = Field(
        default=None, description="norm of each map that it reads, as Swin has for dense tasks; null for none"
    )

    def check(self, widths: tuple[int, ...]) -> None:
        expect_divisor(self.width, "groups", self.groups)

    def layers(self, widths: tuple[int, ...]) -> MapsLayer:
        predictions = {"cls": ("cls", self.classes), "box": ("box", 4 * self.bins)}
        head = dense_towers(self.width, self.depth, self.groups, predictions, len(widths) + self.extra)
        return detector(neck(widths, self.width, self.extra, "conv_on_output", self.input_norm), head)
