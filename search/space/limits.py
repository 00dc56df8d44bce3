"""Limits on cost as people write them: `<= 5G @ 448`, `4..5G`, `{macs@224: ">= 3M"}`; and back to text.

A number may carry a suffix: k, M, G or T (powers of 1000), and for bytes also B, kB, MB, ... and KiB, MiB, ... (powers
of 1024). Numbers are read exactly; as costs are whole, a fraction rounds into the limit. Only additive metrics of
`archspec.cost.metrics` can be limited.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast, final

from archspec.cost.metrics import AMBIGUOUS, Metric, additive_names, find_metric, known_metrics
from archspec.cost.tables import MetricAt
from archspec.documents.paths import PlaceError, suggest
from archspec.documents.wording import either, show
from archspec.errors import FieldError
from archspec.spec.schema import MAX_RESOLUTION

DECIMAL = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
BYTES = {f"{prefix}B": value for prefix, value in DECIMAL.items()} | {
    f"{prefix}iB": 1024 ** (power + 1) for power, prefix in enumerate("KMGT")
}
MAX_COST = 2**63 - 1
MAX_TEXT = 200

FORMS = "write '<= 5G', '>= 3M' or '4..5G', with @ and a resolution behind it if need be"

_NUMBER = r"(-?)([0-9][0-9_]{0,40}(?:\.[0-9]{1,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,2})?\s*([A-Za-zµ%]*)"
_BOUND = re.compile(rf"\s*(<=|>=|<|>|≤|≥)\s*{_NUMBER}\s*")
_RANGE = re.compile(rf"\s*{_NUMBER}\s*\.\.\s*{_NUMBER}\s*")
_KEY = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_-]*)\s*(?:@\s*([^@]*?))?\s*")
_ENTRY = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_-]*\s*(?:@\s*[0-9]+)?)\s*[:=]?\s*(?=[-<>≤≥.0-9])(.*)", re.DOTALL)


@final
@dataclass(frozen=True, slots=True)
class Limit:
    """A metric and the integers it may take, both ends included; None is open."""

    metric: MetricAt
    low: int | None
    high: int | None

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise ValueError(f"{self.metric}: a limit needs a low or a high end")

    def holds(self, cost: int) -> bool:
        """Whether `cost` is inside."""
        return (self.low is None or cost >= self.low) and (self.high is None or cost <= self.high)

    def __str__(self) -> str:
        return f"{self.metric.name} {format_limit(self)}"


Box = tuple[Limit, ...]
"""Limits that must all hold; at most one per metric."""


def parse_budget(raw: Any, own: Iterable[Metric] = ()) -> Box:
    """The limits in `{metric[@resolution]: limit, ...}`, in that order.

    Args:
        raw: plain data.
        own: metrics of an evaluator, to say of them too why they cannot be limited.

    Raises:
        FieldError: the entry that breaks a rule.
    """
    if not isinstance(raw, Mapping):
        raise FieldError("", f"must map metrics to limits, such as {{macs: '<= 5G @ 448'}}, not {raw!r:.40}")
    limits: list[Limit] = []
    for key, value in cast("Mapping[Any, Any]", raw).items():
        try:
            limits.append(_limit(_metric(key, own), value))
        except ValueError as error:
            raise PlaceError((key if isinstance(key, str | int) else repr(key),), str(error)) from None
    return join(limits)


def parse_limits(texts: Iterable[str]) -> Box:
    """The limits that a command line gives: `<= 5G @ 448` (MACs), `params <= 35M`, `macs@224: 4..5G`.

    Raises:
        FieldError: the text that breaks a rule.
    """
    limits: list[Limit] = []
    for text in texts:
        try:
            match = _ENTRY.fullmatch(text[:MAX_TEXT])
            limits.append(_limit(_metric(match[1] if match else "macs"), match[2] if match else text))
        except ValueError as error:
            rule = str(error)
            raise FieldError("", rule if rule.startswith(show(text.strip())) else f"{text!r:.60}: {rule}") from None
    return join(limits)


def join(limits: Iterable[Limit]) -> Box:
    """`limits` with those on the same metric intersected, in the order of their first mention.

    Raises:
        FieldError: two of them exclude each other.
    """
    box: dict[MetricAt, Limit] = {}
    for limit in limits:
        known = box.get(limit.metric)
        if known is None:
            box[limit.metric] = limit
            continue
        low = max((end for end in (known.low, limit.low) if end is not None), default=None)
        high = min((end for end in (known.high, limit.high) if end is not None), default=None)
        if low is not None and high is not None and low > high:
            raise PlaceError((str(limit.metric),), f"{known} and {limit} exclude each other")
        box[limit.metric] = Limit(limit.metric, low, high)
    return tuple(box.values())


def settle(box: Iterable[Limit], resolution: int) -> Box:
    """`box` with `resolution` wherever none is stated.

    Raises:
        FieldError: two limits that now speak of the same number exclude each other.
    """
    return join(
        Limit(MetricAt(limit.metric.name, limit.metric.resolution or resolution), limit.low, limit.high)
        for limit in box
    )


def format_limit(limit: Limit) -> str:
    """The text of a limit without the metric's name; reads back to the same limit."""
    at = f" @ {limit.metric.resolution}" if limit.metric.resolution else ""
    if limit.low is None:
        return f"<= {_short(cast('int', limit.high))}{at}"
    if limit.high is None:
        return f">= {_short(limit.low)}{at}"
    low, high = _short(limit.low), _short(limit.high)
    if low[-1].isdigit() and limit.low:  # else it would take the suffix of the high end
        high = str(limit.high)
    return f"{low}..{high}{at}"


def format_budget(box: Box) -> dict[str, str]:
    """A budget as plain data: `{macs: '<= 5G @ 448'}`, or `{macs@448: ...}` where a metric occurs twice."""
    names = [limit.metric.name for limit in box]
    return {
        str(limit.metric) if names.count(limit.metric.name) > 1 else limit.metric.name: format_limit(limit)
        for limit in box
    }


def describe(box: Box) -> str:
    """`macs <= 5G @ 448 and params <= 35M`."""
    return " and ".join(map(str, box))


def _short(value: int) -> str:
    """`value` with the largest suffix that needs at most three decimals, where that is shorter than its digits."""
    for suffix, unit in reversed(DECIMAL.items()):
        thousandths, rest = divmod(value * 1000, unit)
        if not rest and value >= unit:
            whole, part = divmod(thousandths, 1000)
            text = f"{whole}{f'.{part:03d}'.rstrip('0') if part else ''}{suffix}"
            return min(text, str(value), key=len)
    return str(value)


def _metric(key: Any, own: Iterable[Metric] = ()) -> MetricAt:
    """The metric that a key names; raises ValueError, as all below."""
    match = _KEY.fullmatch(key[:MAX_TEXT]) if isinstance(key, str) else None
    if match is None:
        raise ValueError(f"must be a metric, such as macs or macs@224, not {key!r:.40}")
    known = additive_names()
    if match[1] in known:
        return MetricAt(match[1], None if match[2] is None else _resolution(match[2]))
    if match[1].lower() in AMBIGUOUS:
        raise ValueError(f"{match[1]!r:.40} means different things; write macs (one multiply-add = 1)")
    other = known_metrics(own).get(match[1])
    if other is not None:
        reason = "the largest of its parts, which do not add up" if other.exact else "measured, not known in advance"
        raise ValueError(f"{match[1]} cannot be limited: it is {reason}; write {either(known)}")
    hint = suggest(match[1], known)
    raise ValueError(f"unknown metric {match[1]!r:.40}{hint or f'; known: {either(known)}'}")


def _resolution(text: str) -> int:
    text = text.strip().removesuffix("px").rstrip()
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= MAX_RESOLUTION):
        raise ValueError(f"the resolution must be pixels from 1 to {MAX_RESOLUTION}, such as @ 448, not {text!r:.40}")
    return int(text)


def _limit(metric: MetricAt, raw: Any) -> Limit:
    if not isinstance(raw, str) or len(raw) > MAX_TEXT:
        raise ValueError(f"{show(raw)} is no limit: {FORMS}")
    text, at, after = raw.partition("@")
    if at:
        resolution = _resolution(after)
        if metric.resolution not in (None, resolution):
            raise ValueError(f"speaks of resolution {metric.resolution} and of {resolution}; state one")
        metric = MetricAt(metric.name, resolution)
    units = DECIMAL | {"K": DECIMAL["k"]}
    if find_metric(metric.name).unit == "B":
        units |= BYTES | {"KB": DECIMAL["k"]}
    if match := _BOUND.fullmatch(text):
        low, high = _bound(match, units, text)
    elif match := _RANGE.fullmatch(text):
        low, high = _range(match, units)
        if low > high and match[8] and not match[4]:
            raise ValueError(f"{text.strip()} is empty: the {match[8]} counts for both ends")
    else:
        raise ValueError(f"{show(raw.strip())} is no limit: {FORMS}")
    if low is not None and high is not None and low > high:
        raise ValueError(f"{text.strip()} is empty")
    return Limit(metric, low, high)


def _bound(match: re.Match[str], units: Mapping[str, int], text: str) -> tuple[int | None, int | None]:
    sign, number = match[1], _number(match.groups()[1:], units)
    if sign in (">=", ">", "≥"):
        return _whole(number.__floor__() + 1 if sign == ">" else number.__ceil__()), None
    high = _whole(number.__ceil__() - 1 if sign == "<" else number.__floor__())
    if high < 0:
        raise ValueError(f"{text.strip()} is empty: no cost is below 0")
    return None, high


def _range(match: re.Match[str], units: Mapping[str, int]) -> tuple[int, int]:
    first, second = list(match.groups()[:4]), list(match.groups()[4:])
    if not first[3] and not first[2]:  # 4..5G, but not 4e9..5G
        first[3] = second[3]
    return _whole(_number(first, units).__ceil__()), _whole(_number(second, units).__floor__())


def _number(groups: Iterable[str | None], units: Mapping[str, int]) -> Fraction:
    sign, digits, exponent, unit = (group or "" for group in groups)
    if unit not in units:
        known = [name for name in units if name and name != "K"]
        hint = suggest(unit, known)
        raise ValueError(f"unknown unit {unit!r:.40}{hint or f'; known: {either(known)}'}")
    number = Fraction(digits.replace("_", "") + exponent) * units[unit]
    if sign and number:
        raise ValueError(f"must not be negative: {sign}{digits}{exponent}{unit}")
    return number


def _whole(number: int) -> int:
    if number > MAX_COST:
        raise ValueError(f"must be below 2**63, not {float(number):.3g}")
    return number
