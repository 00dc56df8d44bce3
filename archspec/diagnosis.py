"""Turns what the schema refuses into one line with file, line, field and rule."""

from __future__ import annotations

from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from archspec.document import Document
from archspec.errors import SpecError
from archspec.forms import COLUMNS
from archspec.paths import Place, format_path, parse_path, suggest
from blocks.catalog import parts, tag

_RULES = {
    "missing": "field {key} is required",
    "greater_than": "must be greater than {gt}, not {value}",
    "greater_than_equal": "must be at least {ge}, not {value}",
    "less_than": "must be less than {lt}, not {value}",
    "less_than_equal": "must be at most {le}, not {value}",
    "int_type": "must be a whole number, not {value}",
    "int_parsing": "must be a whole number, not {value}",
    "int_from_float": "must be a whole number, not {value}",
    "float_type": "must be a number, not {value}",
    "float_parsing": "must be a number, not {value}",
    "finite_number": "must be a finite number, not {value}",
    "string_type": "must be text, not {value}",
    "bool_type": "must be true or false, not {value}",
    "bool_parsing": "must be true or false, not {value}",
    "literal_error": "must be {expected}, not {value}",
    "tuple_type": "must be a list, not {value}",
    "list_type": "must be a list, not {value}",
    "dict_type": "must be a mapping, not {value}",
    "model_type": "must be a mapping, not {value}",
    "model_attributes_type": "must be a mapping, not {value}",
    "too_short": "must have at least {min_length} entries, not {actual_length}",
    "too_long": "must have at most {max_length} entries, not {actual_length}",
}


def explain(error: ValidationError, document: Document, known: dict[Place, set[str]] | None = None) -> SpecError:
    """The first problem of `error` as a `SpecError` with file, line and field.

    Args:
        error: what pydantic refused.
        document: where the data came from.
        known: the field names that are known at a place, for hints on misspelt keys.
    """
    problems = sorted(error.errors(include_url=False), key=_rank)
    problem = problems[0]
    context = cast("dict[str, Any]", problem.get("ctx") or {})
    place = _strip_tags(problem["loc"])
    if problem["type"] == "field" and context.get("field"):
        place = (*place, *parse_path(context["field"]))
    rule = _rule(problem, place, context, known or {})
    if problem["type"] == "missing":
        place = place[:-1]
    place = written_place(place, document)
    return SpecError(rule, field=format_path(place), source=document.source, line=document.line(place))


def written_place(place: Place, document: Document) -> Place:
    """Where the user wrote what canonically stands at `place`: in row form, in column form, or around it."""
    for candidate in _candidates(place):
        if candidate in document.lines:
            return candidate
    return place


def _candidates(place: Place) -> list[Place]:
    if len(place) < 3 or place[0] != "stages" or not isinstance(place[1], int):
        return [place]
    index, key, rest = place[1], place[2], place[3:]
    columns = {row: column for column, row in COLUMNS.items()}
    out = [place]
    if key == "blocks" and rest:
        tail = rest[1:]
        out += [("stages", index, "block", *rest), ("stages", index, "block", *tail)] if tail else []
        out += [("stages", index, *tail)] if tail else [("stages", index, "block", *rest)]
        if tail:
            out.append((columns.get(str(tail[0]), str(tail[0])), index))
        out += [("stages", index, "block"), ("blocks", index, *rest), ("blocks", index)]
    out.append((columns.get(str(key), str(key)), index, *rest))
    out.append((columns.get(str(key), str(key)), index))
    out += [("stages", index), ("widths", index)]
    return out


def _rank(problem: ErrorDetails) -> tuple[int, int]:
    """Misspelt keys first, since they often cause the missing ones; then in the order of the document."""
    return (0 if problem["type"] == "extra_forbidden" else 1, 0)


def _strip_tags(loc: tuple[int | str, ...]) -> Place:
    """Pydantic's location without the tags that its unions insert."""
    tags = {tag(part) for part in parts()}
    keep: list[int | str] = []
    for step in loc:
        after_part = bool(keep) and (isinstance(keep[-1], int) or keep[-1] in ("stem", "head", "downsample"))
        if not (after_part and step in tags):
            keep.append(step)
    return tuple(keep)


def _rule(problem: ErrorDetails, place: Place, context: dict[str, Any], known: dict[Place, set[str]]) -> str:
    kind, value = problem["type"], problem.get("input")
    if kind == "extra_forbidden":
        names = known.get(tuple("*" if isinstance(step, int) else step for step in place[:-1]), set())
        return f"unknown field{suggest(str(place[-1]), names | _part_fields(problem))}"
    if kind == "value_error":
        return str(context.get("error", problem["msg"]))
    template = _RULES.get(kind)
    if template is None:
        return problem["msg"]
    key = place[-1] if place else ""
    return template.format(**{"value": _show(value), "key": key, **context})


def _part_fields(problem: ErrorDetails) -> set[str]:
    for part in parts():
        if tag(part) in problem["loc"][-2:]:
            return set(part.model_fields)
    return set()


def _show(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
