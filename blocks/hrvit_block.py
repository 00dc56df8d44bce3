"""The block of HRViT."""

from typing import ClassVar, Literal, final

from pydantic import Field

from archspec.errors import FieldError
from blocks.component import Block
from blocks.layers.attention.striped_attention import StripedAttention
from blocks.layers.basic.activation import gelu
from blocks.layers.basic.conv import dwconv
from blocks.layers.basic.linear import Linear
from blocks.layers.basic.norm import BatchNorm, layer_norm
from blocks.layers.combine import add, chain, residual
from blocks.layers.layer import Layer
from blocks.layers.split import split
from blocks.layers.units.kronecker import Kronecker, kronecker_shape

EPS = 1e-5


@final
class HRViTBlock(Block):
    """Cross-shaped attention beside a diversity-enhanced shortcut, then a mixed-kernel feed-forward.

    The shortcut, a Kronecker-style projection, sees what the layer norm sees, not what it gives.

    Source: HRViT section 3.2, Figure 4; the layer's details follow its published description and code.
    """

    added: ClassVar[frozenset[str]] = frozenset({"window_fit"})
    type: Literal["hrvit_block"] = "hrvit_block"
    head_dim: int = Field(
        default=32,
        gt=0,
        le=1024,
        strict=True,
        description="width of a head, at most half the width, which it must divide",
    )
    window: int = Field(
        default=1, ge=1, le=64, strict=True, description="rows or columns of a stripe; a map must be as high or as wide"
    )
    expansion: float = Field(
        default=4, gt=0, le=16, strict=True, description="hidden width over width of the feed-forward"
    )
    window_fit: Literal["refuse", "pad"] = Field(
        default="refuse",
        description="what to do with a map that fills no window: refuse it, or pad it, as the original does",
    )

    def check(self, width: int) -> None:
        if width % 2:
            raise ValueError(f"width {width} must be even: one half attends in rows, the other in columns")
        if width // 2 % self._head_dim(width):
            raise FieldError("head_dim", f"{self.head_dim} must divide {width // 2}, half the width {width}")
        kronecker_shape(width)
        if self._hidden(width) % 2 or self._hidden(width) == 0:
            hidden = f"{self.expansion:g} times width {width} gives {self._hidden(width)} hidden channels"
            raise FieldError("expansion", f"{hidden}, which must be even and at least 2: half go through each kernel")

    def layers(self, width: int) -> Layer:
        half = self._hidden(width) // 2
        attention = chain(
            norm=layer_norm(width, EPS),
            attention=StripedAttention(width, width // self._head_dim(width), self.window, self.window_fit != "refuse"),
            norm2=BatchNorm(width, zero=True),
        )
        mixed = add(attention=attention, shortcut=Kronecker(*kronecker_shape(width)))
        ffn = chain(
            norm=layer_norm(width, EPS),
            fc1=Linear(width, 2 * half, on_map=True, parts_out=(2,)),
            mix=split((half, half), dwconv3=dwconv(half, 3), dwconv5=dwconv(half, 5)),
            act=gelu(),
            fc2=Linear(2 * half, width, on_map=True, parts_in=(2,)),
        )
        return chain(mha=residual(mixed, self.drop_path), ffn=residual(ffn, self.drop_path))

    def _head_dim(self, width: int) -> int:
        return min(self.head_dim, width // 2)

    def _hidden(self, width: int) -> int:
        return int(self.expansion * width)
