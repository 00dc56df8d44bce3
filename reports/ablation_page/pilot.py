"""The noise of an ablation from its seeds: the pilot by which `archspec power` plans the rest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from archspec.errors import SpecError
from reports.records.ablation import AblationRecord, PlanView, read_ablation
from reports.statistics.summary import Summary, paired_differences, pooled_sd, summarise


@dataclass(frozen=True)
class Difference:
    """A row less the row that it is compared with, over the seeds that both finished.

    `seeds` counts them; `mean` and `sd` (sample standard deviation) are in percent points, NaN where too few.
    """

    view: str
    row: str
    against: str
    seeds: int
    mean: float
    sd: float


@dataclass(frozen=True)
class Pilot:
    """Noise of an ablation.

    Attributes:
        sd: of the paired differences, in percent points, pooled over the distinct comparisons of all views.
        freedom: its effective degrees of freedom, rounded down: comparisons that share a row repeat one another.
        comparisons: how many distinct comparisons were pooled.
        seeds: the fewest pairs of seeds among these.
        differences: of every view, in the plan's order.
    """

    sd: float
    freedom: int
    comparisons: int
    seeds: int
    differences: tuple[Difference, ...]


def families(run: Path, *, looks: bool = False) -> dict[str, int]:
    """The `sizes` of the views of the ablation in the folder `run`.

    Raises:
        SpecError: no journal, or a plan that compares nothing.
        RunError: the journal is damaged, or is not an ablation's.
    """
    return sizes(read_ablation(run).views, str(run), looks=looks)


def sizes(views: Sequence[PlanView], source: str, *, looks: bool = False) -> dict[str, int]:
    """View to the number of its comparisons: the family that Holm corrects, or where `looks` stop rows early, those
    that spend the level.

    Raises:
        SpecError: none of the `views` of `source` compares anything.
    """
    counts = {view.name: len(view.planned if looks else view.family) for view in views}
    found = {name: count for name, count in counts.items() if count}
    if not found:
        raise SpecError("its plan compares no row with another", source=source)
    return found


def pilot(run: Path) -> Pilot:
    """The noise that the ablation in the folder `run` has shown.

    Raises:
        SpecError: no journal, or no comparison that has two seeds and any noise.
        RunError: the journal is damaged, or is not an ablation's.
    """
    record = read_ablation(run)
    pairs, pooled = _compared(record)
    if not pairs:
        raise SpecError("no row shares two finished seeds with the row it is compared with: give --sd", source=str(run))
    sd = pooled_sd(pooled)
    if not sd > 0:
        raise SpecError("its seeds show no noise at all, so no seeds are needed: give --sd", source=str(run))
    counts = [seen.n for seen in pooled]
    differences = [
        Difference(view.name, row.label, base.label, seen.n, seen.mean, seen.sd)
        for view in record.views
        for row, base in view.pairs
        for seen in (_seen(record, row.run, base.run),)
    ]
    return Pilot(sd, math.floor(effective_freedom(pairs, counts)), len(pooled), min(counts), tuple(differences))


def noise(record: AblationRecord) -> float:
    """The `sd` of the pilot that an ablation is of itself: one deviation for all that is planned about it.

    NaN where no comparison has two seeds.
    """
    return pooled_sd(_compared(record)[1])


def _compared(record: AblationRecord) -> tuple[list[tuple[str, str]], list[Summary]]:
    """Runs and differences of each distinct comparison that has two seeds, that of two views once."""
    distinct: dict[frozenset[str], tuple[tuple[str, str], Summary]] = {}
    for view in record.views:
        for row, base in view.pairs:
            seen = _seen(record, row.run, base.run)
            if seen.n > 1 and row.run != base.run:
                distinct[frozenset((row.run, base.run))] = ((row.run, base.run), seen)
    return [pair for pair, _ in distinct.values()], [seen for _, seen in distinct.values()]


def _seen(record: AblationRecord, row: str, base: str) -> Summary:
    """A row less its reference; of rows that are not paired, with the deviation that two of their trainings have."""
    ours, theirs = record.scores[row], record.scores[base]
    if record.paired:
        return summarise(paired_differences(ours, theirs))
    one, two = summarise(ours.values()), summarise(theirs.values())
    return Summary(one.mean - two.mean, math.hypot(one.sd, two.sd), min(one.n, two.n))


def effective_freedom(pairs: Sequence[tuple[str, str]], seeds: Sequence[int]) -> float:
    """Degrees of freedom of the pooled variance of paired differences.

    Source: Satterthwaite 1946, An approximate distribution of estimates of variance components, Biometrics Bull. 2,
    110-114, with the correlation that two differences have when rows have equal noise: 1/2 (or -1/2) where they share
    one row. Where seeds differ, the fewer of two are taken as shared, which errs on the side of fewer degrees.

    Args:
        pairs: row and reference of each comparison, all distinct.
        seeds: pairs of seeds of each, at least 2.
    """
    own = [count - 1 for count in seeds]
    doubled = sum(
        _correlation(one, two) ** 2 * min(first, second)
        for one, first in zip(pairs, own, strict=True)
        for two, second in zip(pairs, own, strict=True)
    )
    return sum(own) ** 2 / doubled


def _correlation(one: tuple[str, str], two: tuple[str, str]) -> float:
    (a, b), (c, d) = one, two
    return ((a == c) - (a == d) - (b == c) + (b == d)) / 2
