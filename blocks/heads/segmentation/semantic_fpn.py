"""Segmentation head: panoptic feature pyramid's semantic branch."""

from typing import Literal, final

from pydantic import Field

from blocks.component import MapsHead, Width
from blocks.layers.basic.conv import conv
from blocks.layers.basic.resize import Enlarge
from blocks.layers.combine import Sequence
from blocks.layers.layer import Layer
from blocks.layers.maps import Branches, MapsReader
from blocks.layers.segmentation.pyramid import FeaturePyramid, Merge, Pipeline
from blocks.layers.segmentation.segmentation import classify
from blocks.layers.units.conv_norm_relu import conv_norm_relu


@final
class SemanticFPN(MapsHead):
    """A feature pyramid, each of whose maps is brought to the size of the first step by step; their sum is classified.

    Map i goes through max(i, 1) 3x3 convolutions with batch norm and ReLU, each followed by bilinear doubling but for
    map 0, so that maps should halve from one to the next; what differs in size at the end is resized. The output is
    (classes, H, W).

    Params, of four maps of c_i channels with F = `pyramid`, C = `width` and K classes:
    Σ(c_i·F + F) + 4(9F² + F) + 4(9F·C + 2C) + 3(9C² + 2C) + (C + 1)K.

    Source: Panoptic Feature Pyramid Networks section 3.1, Figure 3.
    """

    type: Literal["semantic_fpn"] = "semantic_fpn"
    classes: int = Field(default=150, gt=0, le=100_000, strict=True, description="number of classes")
    pyramid: Width = Field(
        default=256, description="channels of the feature pyramid, which has neither norms nor activations"
    )
    width: Width = Field(
        default=128, description="channels of the branches that bring each map to the size of the first"
    )
    dropout: float = Field(
        default=0.1, ge=0, lt=1, strict=True, description="rate of dropout of whole channels before the classifier"
    )

    def layers(self, widths: tuple[int, ...]) -> MapsReader:
        f = self.pyramid
        laterals = tuple(conv(width, f) for width in widths)
        outputs = tuple(conv(f, f, 3) for _ in widths)
        return Pipeline(
            (
                ("pyramid", FeaturePyramid(laterals, outputs, "nearest")),
                ("scale", Branches(tuple(self._scale(index) for index in range(len(widths))))),
                ("merge", Merge(len(widths), "add")),
                *classify(self.width, self.classes, self.dropout),
            )
        )

    def _scale(self, index: int) -> Layer:
        parts: dict[str, Layer] = {}
        for step in range(max(index, 1)):
            parts[f"step{step + 1}"] = conv_norm_relu(self.width if step else self.pyramid, self.width, 3)
            if index:
                parts[f"up{step + 1}"] = Enlarge(2)
        return Sequence(tuple(parts.items()))
