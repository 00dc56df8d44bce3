"""Layer norm as the last entry of a stage's blocks."""

from typing import ClassVar, Literal, final

from blocks.component import Block
from blocks.layers.basic.norm import layer_norm
from blocks.layers.layer import Layer


@final
class LN(Block):
    """Layer norm alone, for stages whose map is normalised at their end; stochastic depth does not touch it.

    Source: PVTv2's public weights hold one after each stage, which arXiv 2106.13797 does not mention.
    """

    drops: ClassVar[bool] = False
    type: Literal["LN"] = "LN"

    def layers(self, width: int) -> Layer:
        return layer_norm(width)
