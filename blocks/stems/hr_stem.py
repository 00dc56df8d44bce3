"""High-resolution stem."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Stem, Width
from blocks.layers.basic.activation import gelu
from blocks.layers.basic.conv import conv, dwconv
from blocks.layers.basic.norm import batch_norm
from blocks.layers.combine import add, chain, seq
from blocks.layers.layer import Layer


@final
class HRStem(Stem):
    """Two branches after a strided convolution, to a quarter of the image's size.

    Source: HIRI-ViT section 4.1, Figure 3 (c). Where norms and activations stand inside the branches, and that all
    convolutions have biases, is inferred.
    """

    type: Literal["hr_stem"] = "hr_stem"
    width: Width = Field(default=32, description="channels after the first convolution")
    hidden: Width | None = Field(
        default=None, description="channels after the 3x3 convolution of the low-resolution branch; null is `width`"
    )

    def layers(self, width_in: int, width_out: int) -> Layer:
        s, hidden = self.width, self.hidden or self.width
        high = seq(dwconv(s, 3), batch_norm(s), conv(s, width_out, 3, stride=2))
        low = seq(
            *(conv(s, s, 3, stride=2), batch_norm(s), gelu()),
            *(conv(s, hidden, 3), batch_norm(hidden), gelu()),
            conv(hidden, width_out),
        )
        entry = seq(conv(width_in, s, 3, stride=2), batch_norm(s), gelu())
        return chain(entry=entry, mix=add(high=high, low=low), norm=batch_norm(width_out))
