"""Pydantic types of the parts, chosen by `type`: one per kind, for whatever is installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import BaseModel, PlainValidator, SerializeAsAny, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, PydanticKnownError

from archspec.documents.paths import Place, place_of
from archspec.errors import FieldError
from blocks.catalog import find_part, tag
from blocks.component import Block, Downsample, Exchange, Head, MapsHead, Stem

MAX_BLOCKS = 1024
"""Blocks of a whole spec; its canonical form, which lists them all, must stay below what a document may hold."""


def _chosen(*kinds: type[BaseModel]) -> Any:
    """A part of some kinds: its `type` picks the class that validates it, the only one that is imported.

    Errors are those of a union of all parts, with the tag before the place inside the part; see
    `archspec.spec.diagnosis`.
    """

    def validate(value: Any) -> Any:
        named = cast("dict[Any, Any]", value).get("type") if isinstance(value, dict) else getattr(value, "type", None)
        part = find_part(named)
        if part is None or not issubclass(part, kinds):
            raise PydanticCustomError("union_tag_invalid", "no such part")
        try:
            return part.model_validate(value)
        except ValidationError as error:
            raise _inside(tag(part), error) from None

    return Annotated[SerializeAsAny[kinds[0]], PlainValidator(validate)]


def _inside(name: str, error: ValidationError) -> ValidationError:
    """The problems of a part, each with the part's tag before its place."""
    problems: list[InitErrorDetails] = []
    for one in error.errors(include_url=False):
        context = one.get("ctx", {})
        try:
            PydanticKnownError(one["type"], context)  # pyright: ignore[reportArgumentType]  (it may be a part's own)
            kind = one["type"]
        except KeyError:
            kind = PydanticCustomError("custom", "{message}", {"message": one["msg"]})
        problems.append({"loc": (name, *one["loc"]), "type": kind, "input": one["input"], "ctx": context})
    return ValidationError.from_exception_data(error.title, problems)


def broken(place: Place, rule: str) -> PydanticCustomError:
    """A rule broken at `place` below the model that is being validated; see `archspec.spec.diagnosis`."""
    return PydanticCustomError("field", "{rule}", {"rule": rule, "place": place})


if TYPE_CHECKING:
    AnyStem = Stem
    AnyBlock = Block
    AnyDownsample = Downsample
    AnyExchange = Exchange
    AnyHead = Head | MapsHead
else:
    AnyStem, AnyBlock, AnyDownsample, AnyExchange = map(_chosen, (Stem, Block, Downsample, Exchange))
    AnyHead = _chosen(Head, MapsHead)


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
