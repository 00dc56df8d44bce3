"""Names, units and rounding of the metrics that tables and axes show."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from archspec.cost.metrics import Metric, find_metric

_PLAIN = ((1.0, ""),)
_COUNTS = ((1e9, "G"), (1e6, "M"), (1e3, "k"), *_PLAIN)
_SMALL = ((1e-3, "m"), (1e-6, "µ"))
# Size and sign of the prefixes that a unit takes, the largest first; numbers of any other unit stay as they are.
_PREFIXES = {"": _COUNTS, "B": _COUNTS, "J": (*_COUNTS, *_SMALL), "W": (*_COUNTS, *_SMALL), "s": (*_PLAIN, *_SMALL)}


@dataclass(frozen=True)
class Unit:
    """The written form of one quantity: value / `divisor`, with `decimals` places and the unit `sign` (`M`, `ms`)."""

    title: str
    sign: str
    divisor: float
    decimals: int

    @property
    def label(self) -> str:
        """The heading of a column or axis: `MACs (M)`."""
        return f"{self.title} ({self.sign})" if self.sign else self.title

    def text(self, value: float, missing: str = "–") -> str:
        """The value as the table prints it; `missing` for NaN."""
        return f"{value / self.divisor:.{self.decimals}f}" if math.isfinite(value) else missing


def unit(metric: Metric | str, values: Iterable[float]) -> Unit:
    """Unit of a metric, or of that of the catalog with this name, that suits all of `values`.

    Fractions are in percent with one decimal. Others take the largest prefix that leaves the median at 1 or more,
    where their unit takes any. The decimals leave the smallest value at least three significant digits, at most three
    places, and the median at least two; plain counts have none.

    Raises:
        FieldError: the catalog has no metric of this name.
    """
    metric = _find(metric)
    if metric.unit == "%":
        return Unit(metric.title, "%", 0.01, 1)
    known = sorted(abs(value) for value in values if math.isfinite(value) and value)
    middle, smallest = (known[len(known) // 2], known[0]) if known else (1.0, 1.0)
    prefixes = _PREFIXES.get(metric.unit, _PLAIN)
    divisor, prefix = next((each for each in prefixes if middle >= each[0]), prefixes[-1])
    sign = prefix + metric.unit
    if not sign and all(value.is_integer() for value in map(float, known)):
        return Unit(metric.title, sign, divisor, 0)
    places = min(3, max(0, 2 - _power(smallest / divisor)))
    return Unit(metric.title, sign, divisor, max(places, min(9, 1 - _power(middle / divisor))))


def title(metric: Metric | str, word: str = "accuracy") -> str:
    """Name of a metric for people; `word` is what the quality `accuracy` is called."""
    metric = _find(metric)
    return word if metric.name == "accuracy" != word else metric.title


def in_text(metric: Metric | str) -> str:
    """Name of a metric inside a sentence: `parameters`, but `MACs`, which begins with an abbreviation."""
    name = _find(metric).title
    return name if name[1:2].isupper() else name[:1].lower() + name[1:]


def _find(metric: Metric | str) -> Metric:
    return find_metric(metric) if isinstance(metric, str) else metric


def _power(value: float) -> int:
    return math.floor(math.log10(value))


def signed(value: float, decimals: int = 2) -> str:
    """`+0.26`, `−0.94`, `±0.00`; a dash for NaN."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:+.{decimals}f}"
    return "±" + text[1:] if float(text) == 0 else text.replace("-", "−")


def difference(value: float, low: float, high: float, decimals: int = 2) -> str:
    """`+1.20 [−0.30, +2.70]`; without the interval where none is known."""
    known = math.isfinite(low) and math.isfinite(high)
    interval = f" [{signed(low, decimals)}, {signed(high, decimals)}]" if known else ""
    return signed(value, decimals) + interval


def seconds(value: float) -> str:
    """A duration for people: `41 s`, `12.5 min`, `3.2 h`."""
    if value < 120:
        return f"{value:.0f} s"
    return f"{value / 60:.1f} min" if value < 7200 else f"{value / 3600:.1f} h"
