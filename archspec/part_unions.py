"""Pydantic types of the parts, chosen by `type`: one union per kind, of whatever is installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Union, cast

from pydantic import BaseModel, Discriminator, Tag
from pydantic_core import PydanticCustomError

from archspec.errors import FieldError
from archspec.paths import Place, place_of
from blocks.catalog import find_part, parts, tag
from blocks.component import Block, Downsample, Exchange, Head, MapsHead, Stem

MAX_BLOCKS = 1024
"""Blocks of a whole spec; its canonical form, which lists them all, must stay below what a document may hold."""


def _type_of(value: Any) -> Any:
    """The `type` of a part, which picks the class that validates it."""
    if isinstance(value, dict):
        value = cast("dict[Any, Any]", value).get("type")
        part = find_part(value)
        return tag(part) if part else value if isinstance(value, str) else None
    return getattr(value, "type", None)


def _union(*kinds: type[BaseModel]) -> Any:
    """The union of all parts of some kinds, chosen by `type`."""
    members = tuple(Annotated[part, Tag(tag(part))] for part in parts() if issubclass(part, kinds))
    return Annotated[Union[members], Discriminator(_type_of)]  # noqa: UP007  (a union of however many there are)


def broken(place: Place, rule: str) -> PydanticCustomError:
    """A rule broken at `place` below the model that is being validated; see `archspec.diagnosis`."""
    return PydanticCustomError("field", "{rule}", {"rule": rule, "place": place})


if TYPE_CHECKING:
    AnyStem = Stem
    AnyBlock = Block
    AnyDownsample = Downsample
    AnyExchange = Exchange
    AnyHead = Head | MapsHead
else:
    AnyStem, AnyBlock, AnyDownsample, AnyExchange = map(_union, (Stem, Block, Downsample, Exchange))
    AnyHead = _union(Head, MapsHead)


def check_blocks(blocks: tuple[Block, ...], width: int) -> None:
    """Let every block check whether it fits maps of `width` channels; the place begins with `blocks`."""
    for index, block in enumerate(blocks):
        if index and block == blocks[index - 1]:
            continue
        try:
            block.check(width)
        except FieldError as error:
            raise broken(("blocks", index, *place_of(error)), error.rule) from None


def check_total(blocks: Sequence[int], *field: str) -> None:
    """Check how many blocks there are in all stages together; the largest stage is named, at one of its fields."""
    if sum(blocks) > MAX_BLOCKS:
        rule = f"makes {sum(blocks)} blocks in all; a spec holds at most {MAX_BLOCKS}"
        raise broken(("stages", blocks.index(max(blocks)), *field), rule)


def check_maps_head(head: MapsHead, widths: tuple[int, ...]) -> None:
    """Let a head that reads several maps check whether it fits those among maps of `widths` channels that it reads."""
    try:
        head.check(tuple(widths[number] for number in head.reads(len(widths))))
    except FieldError as error:
        raise broken(("head", *place_of(error)), error.rule) from None
    except ValueError as error:
        raise broken(("head",), str(error)) from None
