"""Segmentation head: unified perceptual parsing."""

from typing import Annotated, Literal, final

from pydantic import Field

from archspec.errors import FieldError
from blocks.component import MapsHead, Width
from blocks.layers.combine import chain
from blocks.layers.layer import Layer
from blocks.layers.maps import MapsReader
from blocks.layers.segmentation.pyramid import FeaturePyramid, Merge, Pipeline, PyramidPool, WithAuxiliary
from blocks.layers.segmentation.segmentation import classify, fully_convolutional
from blocks.layers.units.conv_norm_relu import conv_norm_relu


@final
class UPerNet(MapsHead):
    """Pyramid pooling on the last map, a feature pyramid, all its maps at the size of the first: -> (classes, H, W).

    The auxiliary head on the last map but one counts in params and runs in training only.

    Params, of L maps of c_i channels with D = `width`, P pools, A = `auxiliary` and K classes:
    P(c_L·D + 2D) + 9(c_L + P·D)D + 2D + Σ_{i<L}(c_i·D + 2D) + (L - 1)(9D² + 2D) + 9L·D² + 2D + (D + 1)K, and for the
    auxiliary head 9·c_{L-1}·A + 2A + (A + 1)K.

    Source: UPerNet section 3.2; widths, norms and auxiliary head are those of the published rows of Swin and HRViT.
    """

    type: Literal["upernet"] = "upernet"
    classes: int = Field(default=150, gt=0, le=100_000, strict=True, description="number of classes")
    width: Width = Field(default=512, description="channels of the pyramid's maps")
    pools: tuple[Annotated[int, Field(strict=True)], ...] = Field(
        default=(1, 2, 3, 6), min_length=1, max_length=8, strict=False, description="cells per side of the pooled maps"
    )
    auxiliary: Width | None = Field(default=256, description="channels of the auxiliary head; null for none")
    dropout: float = Field(
        default=0.1, ge=0, lt=1, strict=True, description="rate of dropout of whole channels before the classifiers"
    )

    def check(self, widths: tuple[int, ...]) -> None:
        if not all(0 < size <= 64 for size in self.pools):
            raise FieldError("pools", f"must be cells per side from 1 to 64, not {list(self.pools)}")
        if self.auxiliary is not None and len(widths) < 2:
            raise FieldError("auxiliary", "reads the last map but one, but the head reads one map: must be null")

    def layers(self, widths: tuple[int, ...]) -> MapsReader:
        *finer, last = widths
        d, count = self.width, len(widths)
        top = chain(
            pool=PyramidPool(last, d, self.pools),
            bottleneck=conv_norm_relu(last + len(self.pools) * d, d, 3, parts_in=None),
        )
        laterals: tuple[Layer, ...] = (*(conv_norm_relu(width, d) for width in finer), top)
        outputs = (*(conv_norm_relu(d, d, 3) for _ in finer), None)
        main = Pipeline(
            (
                ("pyramid", FeaturePyramid(laterals, outputs, "bilinear")),
                ("merge", Merge(count, "cat")),
                ("fuse", conv_norm_relu(count * d, d, 3)),
                *classify(d, self.classes, self.dropout),
            )
        )
        if self.auxiliary is None:
            return main
        auxiliary = fully_convolutional(widths[-2], self.auxiliary, self.classes, self.dropout)
        return WithAuxiliary(main, auxiliary, count - 2)
