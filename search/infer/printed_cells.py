"""Published cost cells: a figure as it was printed, and the window of exact costs that may stand behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Any, Literal, cast, final

from archspec.documents.wording import show

UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
MAX_FIGURE = 10**15
"""Largest figure, and largest exact cost, that cells can speak of."""
_FIGURE = re.compile(r"([0-9]{1,16}(?:\.[0-9]{1,15})?) ?([kMGT]?)")
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,9})?) ?%")

Quantity = Literal["params", "macs"]


@final
@dataclass(frozen=True, slots=True)
class Window:
    """The exact costs that a cell allows, both ends included.

    Attributes:
        text: the figure as published.
        centre: its value.
        low: least cost inside.
        high: largest cost inside.
        reach: distance from the centre to the further end, before rounding to whole numbers.
    """

    text: str
    centre: Fraction
    low: int
    high: int
    reach: Fraction


@final
@dataclass(frozen=True, slots=True)
class PrintedCell:
    """One published figure of one spec; `reason` says why it is left out, and is empty where it is not."""

    spec: str
    resolution: int
    quantity: Quantity
    window: Window
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.spec}@{self.resolution} {self.quantity}"


def parse_window(figure: Any, tolerance: Fraction) -> Window:
    """The window of a published figure.

    A printed figure (`34.8M`) allows what rounds to it, ties either way, or what lies within the tolerance, whichever
    is wider. A list of two figures is the window itself.

    Args:
        figure: text with a unit, a whole number, or a list of two of these.
        tolerance: share of the figure by which an exact cost may differ.

    Raises:
        ValueError: malformed, or an empty window.
    """
    if isinstance(figure, list):
        ends = [_figure(end)[0] for end in cast("list[Any]", figure)]
        if len(ends) != 2:
            raise ValueError(f"a window must have two ends, [4.95G, 5.05G], not {len(ends)}")
        text = " to ".join(str(end) for end in cast("list[Any]", figure))
        return _window(text, (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2)
    value, half = _figure(figure)
    return _window(str(figure), value, max(half, value * tolerance))


def parse_tolerance(text: Any) -> Fraction:
    """`0.3 %` as 3/1000.

    Raises:
        ValueError: malformed.
    """
    match = _PERCENT.fullmatch(text) if isinstance(text, str) else None
    share = Fraction(Decimal(match[1])) / 100 if match else Fraction(2)
    if share >= 1:
        raise ValueError(f"must be a percentage from 0 % to below 100 %, such as 0.3 %, not {show(text)}")
    return share


def _window(text: str, centre: Fraction, reach: Fraction) -> Window:
    low, high = max(ceil(centre - reach), 0), floor(centre + reach)
    if low > high:
        raise ValueError(f"the window from {float(centre - reach):g} to {float(centre + reach):g} is empty")
    return Window(text, centre, low, high, reach)


def _figure(figure: Any) -> tuple[Fraction, Fraction]:
    """Value of a figure, and half a unit of its last digit; a whole number is exact."""
    text = str(figure) if isinstance(figure, int) and not isinstance(figure, bool) else figure
    match = _FIGURE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"must be a figure as printed, such as 5.0G or 34.8M, not {show(figure)}")
    unit = UNITS[match[2]]
    value = Fraction(Decimal(match[1])) * unit
    if value > MAX_FIGURE:
        raise ValueError(f"must be at most 1000T, not {show(figure)}")
    decimals = len(match[1].partition(".")[2])
    return value, Fraction(unit, 10**decimals) / 2 if match[2] else Fraction(0)
