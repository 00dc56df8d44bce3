"""Names, units and rounding of the quantities that tables and axes show."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_TITLES = {
    "accuracy": "Accuracy",
    "macs": "MACs",
    "params": "Parameters",
    "activations": "Activations",
    "saved_bytes": "Saved for backward",
    "latency_ms": "Latency",
}
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


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


def unit(name: str, values: Iterable[float]) -> Unit:
    """Unit of the quantity `name` (`accuracy` or a cost) that suits all of `values`.

    Accuracies are in percent. Counts take the largest prefix that leaves the median at 1 or more. The decimals
    leave the smallest value at least three significant digits, at most three places.
    """
    known = sorted(value for value in values if math.isfinite(value) and value > 0)
    if name == "accuracy":
        return Unit(_TITLES[name], "%", 0.01, 1)
    if name == "latency_ms":
        divisor, sign = 1.0, "ms"
    else:
        middle = known[len(known) // 2] if known else 1.0
        divisor, sign = next(((size, prefix) for size, prefix in _PREFIXES if middle >= size), (1.0, ""))
        sign += "B" if name == "saved_bytes" else ""
    smallest = known[0] / divisor if known else 1.0
    decimals = min(3, max(0, 2 - math.floor(math.log10(smallest)))) if sign else 0
    return Unit(_TITLES[name], sign, divisor, decimals)


def title(name: str, word: str = "accuracy") -> str:
    """Name of a quantity for people; `word` is what the quality `accuracy` is called."""
    return word if name == "accuracy" != word else _TITLES[name]


def in_text(name: str) -> str:
    """Name of a quantity inside a sentence."""
    return _TITLES[name] if name == "macs" else _TITLES[name].lower()


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
