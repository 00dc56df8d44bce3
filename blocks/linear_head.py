"""Linear classification head."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Head
from blocks.layers.combine import chain
from blocks.layers.layer import Layer
from blocks.layers.linear import Linear
from blocks.layers.norm import layer_norm
from blocks.layers.pool import GlobalPool


@final
class LinearHead(Head):
    """Layer norm and global average pool, in either order, and a linear layer: (C, H, W) -> (classes,).

    Source: Swin (arXiv 2103.14030), section 3.3, normalises every position; DaViT (arXiv 2204.03645), in its code,
    the pooled vector.
    """

    type: Literal["linear_head"] = "linear_head"
    classes: int = Field(1000, gt=0, le=1_000_000, strict=True, description="number of classes")
    pool_first: bool = Field(False, description="normalise the pooled vector instead of every position")

    def layers(self, width: int) -> Layer:
        norm, pool = layer_norm(width, 1e-5), GlobalPool()
        fc = Linear(width, self.classes)
        return chain(pool=pool, norm=norm, fc=fc) if self.pool_first else chain(norm=norm, pool=pool, fc=fc)
