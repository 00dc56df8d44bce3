"""Basic residual block."""

from typing import Literal, final

from blocks.component import Block
from blocks.layers.layer import Layer
from blocks.layers.units.residual_unit import basic_unit


@final
class Basic(Block):
    """Two 3x3 convolutions with batch norm around a shortcut, ReLU after the sum.

    Source: ResNet section 4.1 (ResNet-18, 34); HRNet's stages 2 to 4. `basic_down` changes width and size.
    """

    type: Literal["basic"] = "basic"

    def layers(self, width: int) -> Layer:
        return basic_unit(width, width, drop_path=self.drop_path)
