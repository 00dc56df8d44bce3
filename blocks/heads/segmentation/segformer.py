"""Segmentation head: SegFormer's decoder of linear layers."""

from typing import Literal, final

from pydantic import Field

from blocks.component import MapsHead, Width
from blocks.layers.basic.conv import conv
from blocks.layers.basic.linear import Linear
from blocks.layers.layer import Layer
from blocks.layers.maps import Branches, MapsReader
from blocks.layers.segmentation.pyramid import Merge, Pipeline
from blocks.layers.segmentation.segmentation import classify
from blocks.layers.units.conv_norm_relu import conv_norm_relu


@final
class SegFormer(MapsHead):
    """Every map brought to one width and to the size of the first, concatenated, fused, classified: -> (classes, H, W).

    Forms of what brings a map to one width: `conv`, a 1x1 convolution (HRViT); `mlp`, the same sums as a linear layer
    on tokens, whose weights are a matrix (SegFormer). Neither has norm or activation after it.

    Params, of L maps of c_i channels with D = `width` and K classes: Σ(c_i·D + D) + L·D² + 2D + (D + 1)K in both forms.

    Source: SegFormer section 3.2 and equation 4; the norm and ReLU after fusing, and `conv`, from HRViT's segmentation.
    """

    type: Literal["segformer"] = "segformer"
    classes: int = Field(default=150, gt=0, le=100_000, strict=True, description="number of classes")
    width: Width = Field(default=256, description="channels of each map before they are concatenated, and after")
    form: Literal["conv", "mlp"] = Field(
        default="conv", description="1x1 convolution, or linear layer on tokens, on each map"
    )
    dropout: float = Field(
        default=0.1, ge=0, lt=1, strict=True, description="rate of dropout of whole channels before the classifier"
    )

    def layers(self, widths: tuple[int, ...]) -> MapsReader:
        return Pipeline(
            (
                ("project", Branches(tuple(self._projection(width) for width in widths))),
                ("merge", Merge(len(widths), "cat")),
                ("fuse", conv_norm_relu(len(widths) * self.width, self.width)),
                *classify(self.width, self.classes, self.dropout),
            )
        )

    def _projection(self, width: int) -> Layer:
        if self.form == "conv":
            return conv(width, self.width)
        return Linear(width, self.width, on_map=True)
