"""Classification head."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Head, Width
from blocks.layers.basic.activation import gelu
from blocks.layers.basic.conv import conv
from blocks.layers.basic.linear import Linear
from blocks.layers.basic.norm import NormKind, batch_norm, norm
from blocks.layers.basic.pool import GlobalPool
from blocks.layers.combine import Sequence
from blocks.layers.layer import Layer


@final
class Classifier(Head):
    """Norm, optional 1x1 convolution with batch norm and GELU, global average pool, linear: (C, H, W) -> (classes,).

    Source: inferred; the detector tables of HIRI-ViT fix the size of its head.
    """

    type: Literal["classifier"] = "classifier"
    classes: int = Field(default=1000, gt=0, le=1_000_000, strict=True, description="number of classes")
    hidden: Width | None = Field(default=None, description="width of a 1x1 convolution before pooling; null for none")
    norm: NormKind = Field(default="ln", description="norm of the last map")

    def layers(self, width: int) -> Layer:
        parts: dict[str, Layer] = {"norm": norm(self.norm, width)}
        if self.hidden:
            hidden = self.hidden
            parts |= {"expand": conv(width, hidden), "norm2": batch_norm(hidden), "act": gelu()}
        parts |= {"pool": GlobalPool(), "fc": Linear(self.hidden or width, self.classes)}
        return Sequence(tuple(parts.items()))
