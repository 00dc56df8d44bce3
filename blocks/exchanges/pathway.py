"""The exchange unit of a network of two pathways: a trunk that is tapped, and light branches beside it."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Exchange
from blocks.layers.basic.conv import conv
from blocks.layers.basic.norm import NormKind, norm
from blocks.layers.combine import Parts, Sequence, chain
from blocks.layers.layer import Layer
from blocks.layers.maps import FusedMap, Gather, MapsReader
from blocks.layers.units.local_difference import LocalDifference
from blocks.layers.units.pathway import Tapped


@final
class Pathway(Exchange):
    """Local differences of the trunk, added to every branch beside it, and, on demand, the branches added to the trunk.

    A tap is the trunk's local difference, a 1x1 convolution without bias and a norm, resized bilinearly to the branch's
    size; the way back is the same without the difference. Branches may have any sizes, equal ones among them. A branch
    that is born comes from the last map by a 3x3 convolution of stride 2 and a norm per halving.

    Params, of a trunk of C channels and branches of c_i: Σ(C·c_i + 2c_i), and with `back` Σ(C·c_i + 2C) more.

    Source: inferred, every layer: RSSeg's abstract has a "decoupled two-pathway network in which another pathway
    enhances and passes down local-patch discrepancy complementary to global representations of transformers".
    """

    type: Literal["pathway"] = "pathway"
    trunk: Literal["first", "last"] = Field(default="first", description="which of the arriving branches is tapped")
    kernel: Literal[3, 5, 7] = Field(
        default=3, description="side of the neighbourhood from whose mean a position differs"
    )
    back: bool = Field(default=False, description="whether the branches are added to the trunk too")
    norm: NormKind = Field(default="bn", description="norm after each convolution")

    def layers(self, widths_in: tuple[int, ...], widths_out: tuple[int, ...]) -> Gather:
        last = len(widths_in) - 1
        trunk = 0 if self.trunk == "first" else last
        outputs: list[MapsReader] = []
        for number, width in enumerate(widths_out):
            if number > last:
                outputs.append(FusedMap(((last, self._birth(widths_in[last], width, number - last)),)))
            elif number != trunk:
                outputs.append(Tapped(number, ((trunk, self._tap(widths_in[trunk], width)),)))
            elif self.back and last:
                others = (other for other in range(last + 1) if other != trunk)
                outputs.append(
                    Tapped(trunk, tuple((other, self._project(widths_in[other], width)) for other in others))
                )
            else:
                outputs.append(FusedMap(((trunk, None),)))
        return Gather(tuple(outputs))

    def reads(self, arriving: int, leaving: int) -> tuple[tuple[int, ...], ...]:
        """Numbers of the maps that each output is made of: trunk and branch, or the last one where it is born."""
        last = arriving - 1
        trunk = 0 if self.trunk == "first" else last
        made_of = [tuple(sorted({trunk, number})) if number <= last else (last,) for number in range(leaving)]
        if self.back:
            made_of[trunk] = tuple(range(arriving))
        return tuple(made_of)

    def _tap(self, width_in: int, width_out: int) -> Layer:
        return Sequence((("difference", LocalDifference(self.kernel)), *self._project(width_in, width_out).parts))

    def _project(self, width_in: int, width_out: int) -> Sequence:
        return chain(conv=conv(width_in, width_out, bias=False), norm=norm(self.norm, width_out))

    def _birth(self, width_in: int, width_out: int, halvings: int) -> Layer:
        parts: Parts = ()
        for step in range(halvings):
            down = conv(width_out if step else width_in, width_out, 3, 2, bias=False)
            parts += ((f"conv{step + 1}", down), (f"norm{step + 1}", norm(self.norm, width_out)))
        return Sequence(parts)
