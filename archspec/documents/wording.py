"""Wording of values and choices in a message."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from archspec.documents.reader import parse_scalar

LONGEST = 40


def show(value: Any, wanted: type | None = None) -> str:
    """`value` as a user would write it, short, with a hint where it nearly is of the type `wanted`."""
    if isinstance(value, dict):
        hole = next((key for key in ("choice", "range") if key in value), None)
        return f"a {hole}, which only a search space may hold" if hole else "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = _written(value)
    text = text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
    return f"{text}{_hint(value, wanted)}"


def either(words: Iterable[str]) -> str:
    """`a, b or c`."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def plural(count: int, noun: str) -> str:
    """`1 block`, `2 blocks`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun[:-1]}ies" if noun.endswith("y") else f"{count} {noun}s"


def listed(words: Iterable[str]) -> str:
    """`a, b and c`."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def unlike_devices(counts: Mapping[str, int], noun: str = "trial") -> str:
    """The end of a line on times that were taken on several models of devices: which, and what to do about it.

    Args:
        counts: of times on each model; 0 where that is not known.
        noun: what each of them is of.
    """
    models = [f"{model} ({plural(count, noun)})" if count else model for model, count in counts.items()]
    return (
        f"on {len(models)} models of devices, {listed(models)}: milliseconds of one do not compare with those of "
        "another. `latency_on` has all taken on one kind of node, and `latency_ratio`, the time beside the reference's "
        "on the same device, compares better"
    )


def quality(label: str) -> str:
    """Name in a sentence of the quality of that label: `accuracy`, or its own name where it is none (`mIoU`)."""
    return "accuracy" if label.endswith("accuracy") else label


def short(number: float) -> str:
    """A number with three decimals and a unit prefix: 5.059 G."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= limit:
            return f"{number / limit:,.3f} {unit}"
    return f"{number:,.0f}"


def size(shape: Sequence[int]) -> str:
    """(320, 14, 14) as 320×14×14."""
    return "×".join(map(str, shape))


def memory(number: int) -> str:
    """A number of bytes: 171.355 MB."""
    return f"{number / 1e6:,.3f} MB" if number >= 1e5 else f"{number:,} B"


def _written(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value - value != 0:
        return ".nan" if value != value else ".inf" if value > 0 else "-.inf"
    return repr(value)


def _hint(value: Any, wanted: type | None) -> str:
    if isinstance(value, str):
        meant = _WORDS.get(value.lower()) if wanted is bool else parse_scalar(value)
        if wanted is bool and meant is not None:
            return f" (did you mean {_written(meant)}?)"
        if wanted in (int, float) and isinstance(meant, int | float) and not isinstance(meant, bool):
            return " (remove the quotes)"
    if wanted is int and isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f" (did you mean {int(value)}?)"
    return ""


_WORDS = {"yes": True, "on": True, "y": True, "no": False, "off": False, "n": False, "true": True, "false": False}
"""Words that YAML 1.1 took for booleans."""
