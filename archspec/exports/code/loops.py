"""Loops over calls that repeat, alike or with the next rates of the schedule of stochastic depth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

from archspec.exports.code.term import CodeTerm, code

MAX_PERIOD = 4
RATE = "drop_path"
"""Name of the parameter that differs from block to block by the schedule."""


@final
@dataclass(frozen=True, slots=True)
class Run:
    """Calls in groups that repeat.

    Attributes:
        group: the calls of one round.
        times: rounds.
        start: place in the schedule of the first call's rate, which rises by one from call to call; None where the
            rounds are alike.
    """

    group: tuple[CodeTerm, ...]
    times: int = 1
    start: int | None = None


def fold(parts: tuple[CodeTerm, ...], rates: tuple[float, ...]) -> Iterator[Run]:
    """The longest runs of `parts` from the first on; what does not repeat is a run of one.

    Args:
        parts: terms in a row.
        rates: the schedule of stochastic depth.
    """
    while parts:
        run = max((_run(parts, period, rates) for period in range(1, MAX_PERIOD + 1)), key=_length)
        yield run if run.times > 1 else Run(parts[:1])
        parts = parts[_length(run) :]


def rated(part: CodeTerm, rates: tuple[float, ...]) -> CodeTerm:
    """A call whose rate is written by its place in the schedule, where it stands there."""
    rate = rate_of(part)
    return part if rate is None or rate not in rates else with_rate(part, f"rates[{rates.index(rate)}]")


def rate_of(part: CodeTerm) -> float | None:
    """The rate that a call is given."""
    if part.kind != "call" or RATE not in part.label:
        return None
    value = part.parts[part.label.index(RATE) - 1].value
    return value if isinstance(value, float) else None


def with_rate(part: CodeTerm, text: str) -> CodeTerm:
    """A call that is given another rate."""
    at = part.label.index(RATE)
    return CodeTerm(part.kind, part.label, (*part.parts[: at - 1], code(text), *part.parts[at:]))


def _length(run: Run) -> int:
    """Terms in a run; of a group that does not repeat the first alone."""
    return len(run.group) * run.times if run.times > 1 else 1


def _run(parts: tuple[CodeTerm, ...], period: int, rates: tuple[float, ...]) -> Run:
    """The run of groups of `period` with which `parts` begin."""
    group = parts[:period]
    if len(group) < period or any(part.kind not in ("call", "sequential") for part in group):
        return Run(group[:1])
    alike = _count(parts, period, lambda index: parts[index] == group[index % period])
    first = rate_of(group[0])
    if alike > 1 or first is None or first not in rates:
        return Run(group, alike)
    start = rates.index(first)

    def rises(index: int) -> bool:
        rate, like = rate_of(parts[index]), group[index % period]
        at = start + index
        return (
            rate is not None and at < len(rates) and rate == rates[at] and with_rate(parts[index], "") == _blank(like)
        )

    return Run(group, _count(parts, period, rises), start)


def _blank(part: CodeTerm) -> CodeTerm:
    return with_rate(part, "") if rate_of(part) is not None else part


def _count(parts: tuple[CodeTerm, ...], period: int, fits: Callable[[int], bool]) -> int:
    """How many whole groups from the first on fit."""
    index = 0
    while index < len(parts) and fits(index):
        index += 1
    return max(index // period, 1)
