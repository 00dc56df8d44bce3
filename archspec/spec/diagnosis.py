"""Diagnosis of what the schema refuses: one line with file, line, field and rule."""

from __future__ import annotations

import re
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from archspec.documents.paths import NOTHING, Place, get, place_of, suggest
from archspec.documents.reader import Document
from archspec.documents.wording import either, plural, show
from archspec.errors import FieldError, SpecError
from archspec.spec.diagnosis_parallel import candidates, in_pattern
from archspec.spec.forms import COLUMNS, STAGE_FIELDS
from blocks.catalog import find, find_part, parts, tag
from blocks.component import Block, Downsample, Exchange, Head, MapsHead, Stem

_RULES = {
    "missing": "is required",
    "greater_than": "must be greater than {gt:g}, not {value}",
    "greater_than_equal": "must be at least {ge:g}, not {value}",
    "less_than": "must be less than {lt:g}, not {value}",
    "less_than_equal": "must be at most {le:g}, not {value}",
    "finite_number": "must be a finite number, not {value}",
    "literal_error": "must be {expected}, not {value}",
    "string_too_long": "must be at most {max_length} characters long",
    "string_pattern_mismatch": "must match {pattern}, not {value}",
    "int_parsing_size": "must be a smaller number, not {value}",
}
_TYPES: dict[str, tuple[type, str]] = {
    "int": (int, "a whole number"),
    "float": (float, "a number"),
    "string": (str, "text"),
    "bool": (bool, "true or false"),
    "tuple": (tuple, "a list"),
    "list": (list, "a list"),
    "dict": (dict, "a mapping"),
    "model": (dict, "a mapping"),
}
"""What an error type such as `int_type` or `int_parsing` asks for, by its first word."""


_SCALARS = frozenset({"str", "int", "float", "bool", "none"})
_SCALAR_PROBLEMS = frozenset(
    {"value_error", *(f"{kind}_{what}" for kind in ("string", "int", "float", "bool") for what in ("type", "parsing"))}
)
_UNION_TAG = re.compile(r"function-[a-z]+\[.*\]|(tuple|list|dict)\[.*\]")
"""Tags that pydantic puts into a location behind a union, and nobody into a file as a key."""


def explain(error: ValidationError, document: Document, known: dict[Place, set[str]] | None = None) -> SpecError:
    """The first problem of `error` as a `SpecError` with file, line and field.

    Args:
        error: what pydantic refused.
        document: where the data came from.
        known: the field names that are known at a place, for hints on misspelt keys.
    """
    found = [(written_place(place, document), rule, kind) for place, rule, kind in _problems(error, known or {})]
    # Misspelt keys first, since they often cause the missing ones; then in the order of the document.
    place, rule, _ = min(found, key=lambda one: (one[2] != "extra_forbidden", document.line(one[0]) or 0))
    return document.refuse(place, rule)


def explain_config(error: ValidationError, document: Document, known: dict[Place, set[str]]) -> SpecError:
    """As `explain`, for a configuration with parts that are read by themselves: their errors say the field inside."""
    first = error.errors(include_url=False)[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, FieldError):
        return document.refuse((*first["loc"], *place_of(cause)), cause.rule)
    return explain(error, document, known)


def known_fields(model: type[BaseModel]) -> dict[Place, set[str]]:
    """The fields of a configuration and of the parts that its fields hold, as `explain` takes them."""
    known: dict[Place, set[str]] = {(): set(model.model_fields)}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            known[name,] = {inner.alias or key for key, inner in field.annotation.model_fields.items()}
    return known


def first_problem(error: ValidationError) -> tuple[Place, str]:
    """The place of the first problem of `error` in canonical form, and its rule."""
    place, rule, _ = _problems(error, {})[0]
    return place, rule


def _problems(error: ValidationError, known: dict[Place, set[str]]) -> list[tuple[Place, str, str]]:
    """Canonical place, rule and pydantic's type of each problem."""
    found: list[tuple[Place, str, str]] = []
    unions: dict[Place, list[ErrorDetails]] = {}
    for problem in error.errors(include_url=False):
        context: dict[str, Any] = problem.get("ctx") or {}
        place = _strip_tags(problem["loc"])
        plain = _strip_union(place, problem["type"])
        if plain != place:
            unions.setdefault(plain, []).append(problem)
        if problem["type"] == "field":
            plain = (*plain, *context.get("place", ()))
        found.append((plain, _rule(problem, plain, context, known), problem["type"]))
    for place, problems in unions.items():
        asked = [problem for problem in problems if _is_of_type(problem["type"])]
        if len(asked) < len(problems):  # one type of the union fits and breaks a rule of its own
            found = [one for one in found if one[0] != place or not _is_of_type(one[2])]
        else:
            found = [(one[0], _union_rule(asked), one[2]) if one[0] == place else one for one in found]
    # A list whose only entry is broken is also reported as too short: the inner problem is the cause.
    places = {place for place, _, _ in found}
    return [one for one in found if not any(one[0] == other[: len(one[0])] for other in places - {one[0]})]


def written_place(place: Place, document: Document) -> Place:
    """The place where the user wrote what canonically stands at `place`: in row form, in column form, or around it."""
    data = document.data
    return next((candidate for candidate in _candidates(place, data) if get(data, candidate) is not NOTHING), place)


def _candidates(place: Place, data: Any) -> list[Place]:
    match place:
        case ("stages", int(), "branches", *_):
            return candidates(place, data)
        case ("stages", int(index), "blocks", int(block), *rest):
            out = [place]
            for entry in (("stages", index, "block"), ("blocks", index)):
                out += in_pattern(data, entry, block, rest)
            if rest:
                out += [("stages", index, *rest), (_column(rest[0]), index, *rest[1:])]
            return [*out, ("stages", index, "block", block), ("stages", index, "block"), ("blocks", index)]
        case ("stages", int(index), key, *rest):
            other = ("stages", index, "block") if key == "blocks" else place
            return [place, other, (_column(key), index, *rest), (_column(key), index), ("stages", index, key)]
        case ("stages", int(index)):
            return [place, ("blocks", index)]
        case _:
            return [place]


def _column(key: str | int) -> str | int:
    return next((column for column, field in COLUMNS.items() if field == key), key)


KINDS: dict[str, tuple[type[BaseModel], ...]] = {
    "stem": (Stem,),
    "block": (Block,),
    "downsample": (Downsample,),
    "exchange": (Exchange,),
    "head": (Head, MapsHead),
}
"""The kinds of parts by the noun that names them."""
PART_FIELDS = ("stem", "downsample", "blocks", "fuse_before", "fuse", "head")
"""The fields that hold parts."""


def _strip_tags(loc: tuple[int | str, ...]) -> Place:
    """Pydantic's location without the tag that the union of a part's kind inserts behind the part."""
    place = ("stages", *loc[1:]) if loc[:1] == ("branched",) else loc
    for index, step in enumerate(place):
        if step in PART_FIELDS:
            end = index + 1 + (step == "blocks")  # each of which stands under its number
            return place[:end] + place[end + 1 :]
    return place[:-2] if place[-1:] == ("[key]",) else place


def _strip_union(place: Place, kind: str) -> Place:
    """A location without the tags that a union of types inserts behind the value."""
    plain = tuple(step for step in place if not _UNION_TAG.fullmatch(str(step)))
    return plain[:-1] if plain and plain[-1] in _SCALARS and kind in _SCALAR_PROBLEMS else plain


def _is_of_type(kind: str) -> bool:
    return kind.endswith(("_type", "_parsing"))


def _union_rule(problems: list[ErrorDetails]) -> str:
    """All types of a union of which none fits, as one rule."""
    names = [_TYPES[kind][1] for problem in problems if (kind := problem["type"].split("_")[0]) in _TYPES]
    return f"must be {either(dict.fromkeys(names))}, not {show(problems[0]['input'])}"


def _rule(problem: ErrorDetails, place: Place, context: dict[str, Any], known: dict[Place, set[str]]) -> str:
    kind, value = problem["type"], problem.get("input")
    if kind == "extra_forbidden":
        return _unknown_field(problem["loc"], place, known)
    if kind.startswith("union_tag"):
        return _unknown_part(place, value)
    if kind == "invalid_key":
        return f"a field must be text, not {show(place[-1])}"
    if kind in ("too_short", "too_long"):
        least, most = context.get("min_length"), context.get("max_length")
        bound = f"at least {plural(least, 'entry')}" if kind == "too_short" and least else f"at most {most} entries"
        return f"must have {bound}, not {context.get('actual_length')}"
    if kind == "value_error":
        return str(context.get("error", problem["msg"]))
    if kind in _RULES:
        return _RULES[kind].format(value=show(value), **context)
    wanted, name = _TYPES.get(kind.split("_")[0], (None, ""))
    return f"must be {name}, not {show(value, wanted)}{_dashes(place, wanted, value)}" if wanted else problem["msg"]


def _dashes(place: Place, wanted: type, value: Any) -> str:
    """A hint where dashes make a list of what is none, or are missing before what should be one."""
    if wanted is dict and isinstance(value, list) and place[:1] == ("stages",) and isinstance(place[-1], int):
        return ": is there a dash too many?"
    return ": each stage begins with a dash" if place == ("stages",) and isinstance(value, dict) else ""


def _unknown_field(loc: tuple[int | str, ...], place: Place, known: dict[Place, set[str]]) -> str:
    key = str(place[-1])
    part = find_part(loc[-2]) if len(loc) > len(place) else None
    if part is not None:
        return f"{tag(part)} has no option {show(key)}{suggest(key, set(part.model_fields) - {'type'})}"
    names = known.get(tuple("*" if isinstance(step, int) else step for step in place[:-1]), set())
    options = {option for block in find(Block) for option in block.model_fields} - {"type"}
    if "stages" in names and key in options.union(STAGE_FIELDS):
        return "unknown field: it belongs into the stages"
    return f"unknown field{suggest(key, names)}"


def _unknown_part(place: Place, value: Any) -> str:
    where = "exchange" if str(place[-1]).startswith("fuse") else str(place[-1])
    noun = where if where in KINDS else "block"
    known = [tag(part) for part in parts() if issubclass(part, KINDS[noun])]
    choices = either(known)
    name: Any = cast("dict[Any, Any]", value).get("type", NOTHING) if isinstance(value, dict) else value
    if name is NOTHING and show(value) == show({}):
        return f"needs a type: {choices}"
    name = value if name is NOTHING else name
    if not isinstance(name, str):
        return f"must name a {noun} ({choices}){'' if noun in ('stem', 'block') else ' or be null'}, not {show(name)}"
    other = find_part(name)
    if other is not None:
        base = next(base for base, kinds in KINDS.items() if issubclass(other, kinds))
        return f"{name} is a {base}, not a {noun}: must be {choices}"
    near = suggest(name, known)
    return f"unknown {noun} {show(name)}{near or f': must be {choices}'}"
