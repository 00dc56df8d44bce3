"""Classification head of networks with parallel branches."""

from itertools import pairwise
from typing import Literal, final

from pydantic import Field

from blocks.component import MapsHead, Width
from blocks.layers.accumulate import Accumulate
from blocks.layers.basic.activation import relu
from blocks.layers.basic.conv import conv, dwconv
from blocks.layers.basic.dropout import Dropout
from blocks.layers.basic.linear import Linear
from blocks.layers.basic.norm import batch_norm
from blocks.layers.basic.pool import GlobalPool
from blocks.layers.combine import chain
from blocks.layers.layer import Layer
from blocks.layers.maps import MapsReader
from blocks.layers.segmentation.pyramid import Pipeline
from blocks.layers.units.conv_norm_relu import conv_norm_relu
from blocks.layers.units.residual_unit import bottleneck_unit

EXPANSION = 4
"""Width over inner width of the bottlenecks."""


@final
class HRClassifier(MapsHead):
    """A bottleneck on each map, accumulated from fine to coarse; 1x1 convolution, global average, linear.

    Source: HRNet section 3.3 (HRNetV2-C, `dense`), also HRViT's; HRFormer's is `separable`. Their inner widths are 32,
    64, 128 and 256 in every size of model. Each map must be half as large as the one before.
    """

    type: Literal["hr_classifier"] = "hr_classifier"
    variant: Literal["dense", "separable"] = Field(
        default="dense", description="3x3 convolutions dense, or depthwise with 1x1 ones"
    )
    planes: int = Field(
        default=32,
        gt=0,
        le=1024,
        strict=True,
        description="inner width of the first bottleneck; each next has twice as much",
    )
    hidden: Width = Field(default=2048, description="width of the last 1x1 convolution")
    classes: int = Field(default=1000, gt=0, le=1_000_000, strict=True, description="number of classes")
    dropout: float = Field(default=0, ge=0, lt=1, strict=True, description="rate of dropout before the linear layer")

    def layers(self, widths: tuple[int, ...]) -> MapsReader:
        planes = [self.planes * 2**index for index in range(len(widths))]
        outs = [EXPANSION * inner for inner in planes]
        branches = tuple(
            bottleneck_unit(width, out, inner, depthwise=self.variant == "separable")
            for width, out, inner in zip(widths, outs, planes, strict=True)
        )
        downs = tuple(self._down(a, b) for a, b in pairwise(outs))
        tail = dict(conv_norm_relu(outs[-1], self.hidden, bias=True).parts)
        tail["pool"] = GlobalPool()
        if self.dropout:
            tail["dropout"] = Dropout(self.dropout)
        tail["fc"] = Linear(self.hidden, self.classes)
        return Pipeline((("accumulate", Accumulate(branches, downs)), *tail.items()))

    def _down(self, width_in: int, width_out: int) -> Layer:
        if self.variant == "dense":
            return conv_norm_relu(width_in, width_out, 3, 2, bias=True)
        return chain(
            dwconv=dwconv(width_in, 3, stride=2),
            norm1=batch_norm(width_in),
            conv=conv(width_in, width_out),
            norm2=batch_norm(width_out),
            act=relu(),
        )
