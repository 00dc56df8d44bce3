"""Classification head that pools first."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Head
from blocks.layers.combine import Sequence
from blocks.layers.layer import Layer
from blocks.layers.linear import Linear
from blocks.layers.norm import layer_norm
from blocks.layers.pool import GlobalPool


@final
class PooledClassifier(Head):
    """Global average pool, optional layer norm, linear: (C, H, W) -> (classes,).

    Source: ResNet (arXiv 1512.03385) section 3.3; with the norm, ConvNeXt (arXiv 2201.03545), whose paper leaves the
    order to its code.
    """

    type: Literal["pooled_classifier"] = "pooled_classifier"
    classes: int = Field(1000, gt=0, le=1_000_000, strict=True, description="number of classes")
    norm: Literal["ln"] | None = Field(None, description="norm of the pooled vector; null for none")

    def layers(self, width: int) -> Layer:
        parts: dict[str, Layer] = {"pool": GlobalPool()}
        if self.norm:
            parts["norm"] = layer_norm(width)
        return Sequence((*parts.items(), ("fc", Linear(width, self.classes))))
