"""ResNet's deep stem."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Stem, Width
from blocks.layers.basic.activation import relu
from blocks.layers.basic.conv import conv
from blocks.layers.basic.norm import batch_norm
from blocks.layers.basic.pool import MaxPool
from blocks.layers.combine import seq
from blocks.layers.layer import Layer


@final
class ResNetDeepStem(Stem):
    """Three 3x3 convolutions, each with batch norm and ReLU, in place of ResNet's 7x7: to a quarter of the size.

    The first one is strided and makes half of the stem's channels, the second one keeps them; 3x3 max pooling at the
    end. Source: ResNet-C in arXiv 1812.01187 (section 4.1), the form of ResNet in segmentation.
    """

    type: Literal["resnet_deep_stem"] = "resnet_deep_stem"
    width_out: Width | None = Field(
        default=64, description="channels of the stem's map; null for those of the first stage"
    )

    def channels_out(self, width: int) -> int:
        return self.width_out or width

    def layers(self, width_in: int, width_out: int) -> Layer:
        inner = max(1, width_out // 2)
        return seq(
            *(conv(width_in, inner, 3, 2, bias=False), batch_norm(inner), relu()),
            *(conv(inner, inner, 3, bias=False), batch_norm(inner), relu()),
            *(conv(inner, width_out, 3, bias=False), batch_norm(width_out), relu()),
            MaxPool(),
        )
