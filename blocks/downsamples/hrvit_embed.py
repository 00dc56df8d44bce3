"""HRViT's patch embedding of a branch."""

from typing import Literal, final

from blocks.component import Downsample
from blocks.layers.basic.conv import conv, dwconv
from blocks.layers.basic.norm import layer_norm
from blocks.layers.combine import chain
from blocks.layers.layer import Layer


@final
class HRViTEmbed(Downsample):
    """1x1 convolution, depthwise 3x3 convolution and layer norm, at stride 1: the start of each branch of a stage.

    Source: HRViT section 3.4 and its public description.
    """

    type: Literal["hrvit_embed"] = "hrvit_embed"

    def layers(self, width_in: int, width_out: int) -> Layer:
        return chain(conv=conv(width_in, width_out), dwconv=dwconv(width_out, 3), norm=layer_norm(width_out, 1e-5))
