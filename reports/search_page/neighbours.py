"""Neighbours on the front: whether a member is more accurate than the next cheaper one, or only within noise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from archspec.cost.metrics import Metric
from archspec.errors import SpecError
from reports.drawing.units import difference, in_text
from reports.records.front import FrontRecord, by_seed
from reports.records.search import Record
from reports.statistics.comparison import Comparison, compare
from reports.statistics.summary import LEVEL

SIGN = "†"


@dataclass(frozen=True)
class Neighbours:
    """Test accuracy of each re-trained member less that of the next cheaper re-trained one.

    `comparisons` by digest, in fractions, the cheapest member left out; empty where nothing could be tested, because
    no two neighbours have two seeds in common or for the reason `missing`. `cost` is the metric that ranks them, or
    that of the catalog with this name.
    """

    comparisons: Mapping[str, Comparison]
    cost: Metric | str
    missing: str = ""

    @property
    def cheaper(self) -> bool:
        """Whether less of the metric that ranks the members is better."""
        return isinstance(self.cost, str) or self.cost.direction == "minimize"

    @property
    def title(self) -> str:
        """The heading of the column."""
        return "Δ to the cheaper" if self.cheaper else "Δ to the one before"


def neighbours(record: Record, front: FrontRecord) -> Neighbours:
    """Compare neighbours on the front, paired by seed (the finalists share their seeds, and with them the order of the
    training images), as one family under Holm's correction."""
    cost = front.order
    tested = [member.digest for member in front.members if member.test.n]
    pairs = {two: one for one, two in pairwise(tested)}
    try:
        found = compare(by_seed(record.final), pairs)
    except SpecError as error:  # scipy, which the tests take, is no dependency of a report
        return Neighbours({}, cost, error.rule)
    known = any(math.isfinite(each.p) for each in found)
    return Neighbours({each.row: each for each in found} if known else {}, cost)


def cell(comparison: Comparison | None) -> str:
    """`+1.2 [−0.3, +2.7]` in points, with `†` where the test supports the difference; a dash where none was made."""
    if comparison is None or math.isnan(comparison.p):
        return "–"
    points = [100 * value for value in (comparison.difference, comparison.low, comparison.high)]
    return difference(*points, decimals=1) + (SIGN if comparison.decided else "")


def within_noise(comparison: Comparison | None) -> bool:
    """Whether the table shows it in grey."""
    return comparison is not None and comparison.mark == "within noise"


def legend(found: Neighbours, word: str = "accuracy") -> str:
    """The meaning of the column and its test; the reason why there is none, where scipy is missing; else nothing."""
    if found.missing:
        return f"Whether neighbours differ by more than noise is not stated: {found.missing}."
    if not found.comparisons:
        return ""
    tests = sorted({each.test for each in found.comparisons.values() if each.test != "none"})
    test, percent = " or ".join(tests), f"{100 * LEVEL:g} %"
    by = in_text(found.cost)
    reference = (
        f"next cheaper re-trained member (by {by})" if found.cheaper else f"re-trained member before it (by {by})"
    )
    return (
        f"Δ: test {word} less that of the {reference}, in points, with the {100 - 100 * LEVEL:g} % interval of this "
        f"difference alone. {SIGN}: supported by the test ({test}, paired by seed, {percent} over the column by Holm's "
        f"correction); without {SIGN} and grey: within noise."
    )
