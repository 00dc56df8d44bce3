"""Linear classification head on the pooled map."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Head
from blocks.layers.basic.linear import Linear
from blocks.layers.basic.norm import layer_norm
from blocks.layers.basic.pool import GlobalPool
from blocks.layers.combine import Sequence
from blocks.layers.layer import Layer


@final
class PooledClassifier(Head):
    """Global average pool and linear layer, with an optional layer norm before or after the pool: -> (classes,).

    Source: ResNet (arXiv 1512.03385) section 3.3 and PVTv2 have no norm; Swin (arXiv 2103.14030) section 3.3
    normalises every position; ConvNeXt (arXiv 2201.03545) and DaViT (arXiv 2204.03645) the pooled vector, which their
    papers leave to the code. Swin's and DaViT's code adds 1e-5 to the variance.
    """

    type: Literal["pooled_classifier"] = "pooled_classifier"
    classes: int = Field(default=1000, gt=0, le=1_000_000, strict=True, description="number of classes")
    norm_at: Literal["map", "vector"] | None = Field(
        default=None, description="layer norm at every position of the map, or of the pooled vector; null for none"
    )
    eps: float = Field(default=1e-6, gt=0, le=0.1, strict=True, description="what the layer norm adds to the variance")

    def layers(self, width: int) -> Layer:
        norm, pool = ("norm", layer_norm(width, self.eps)), ("pool", GlobalPool())
        parts = {None: (pool,), "map": (norm, pool), "vector": (pool, norm)}[self.norm_at]
        return Sequence((*parts, ("fc", Linear(width, self.classes))))
