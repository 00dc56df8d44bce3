"""Progress of a search after each trial: its hypervolume, beside that of a random search."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.records.search import Record, finished
from reports.statistics.pareto import Points, hypervolume_history

# The reference lies this share of the observed span (of log10 cost) beyond the dearest layout, so that the dearest,
# often the most accurate one, counts too.
MARGIN = 0.1


@dataclass(frozen=True)
class HypervolumeBox:
    """The box in which hypervolumes of both arms are measured, fixed by rule before either is looked at.

    `best` and `reference` give, per objective, the corners: accuracy from 0 to 1; a cost from the cheapest trial of
    either arm to `MARGIN` of the span beyond the dearest, in log10.
    """

    objectives: tuple[str, ...]
    best: tuple[float, ...]
    reference: tuple[float, ...]


@dataclass(frozen=True)
class ProgressCurve:
    """Hypervolume after 1, 2, ... trained layouts of one arm, as a share of the box of the scale (0 to 1)."""

    name: str
    trials: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Progress:
    """The arms, how many leading trials of the search were drawn at random, and the scale."""

    scale: HypervolumeBox
    arms: tuple[ProgressCurve, ...]
    startup: int

    @property
    def shared(self) -> int:
        """The number of layouts that every arm has trained: after as many, the arms compare."""
        return min(len(arm.trials) for arm in self.arms)

    @property
    def reached(self) -> tuple[float, ...]:
        """Hypervolume of each arm after `shared` layouts."""
        return tuple(arm.values[self.shared - 1] for arm in self.arms)

    @property
    def result(self) -> str:
        """`reached` in words: `0.512 (search) and 0.498 (random baseline)`."""
        return " and ".join(f"{value:.3f} ({arm.name})" for value, arm in zip(self.reached, self.arms, strict=True))

    @property
    def note(self) -> str:
        """A note on the comparison."""
        if len(self.arms) > 1:
            return (
                f"After {self.shared} trained layouts: {self.result}. One run of each, so the spread between runs is "
                "not known."
            )
        drawn = self.startup
        part = f"; the shaded part, its {drawn} uniformly random start-up trials, is all there is" if drawn else ""
        return f"No random baseline was run, so nothing tells how far chance alone would have come{part}."


def progress(record: Record) -> Progress:
    """Compute the hypervolume history of the search and, where there is one, of the random baseline.

    Layouts count in order of trial number, each once; failed trials and answers from the record do not count.
    """
    search, baseline = finished(record.search), finished(record.baseline)
    scale = scale_of(pd.concat([search, baseline]) if len(baseline) else search, record.objectives)
    arms = [_arm("search", search, scale)]
    if len(baseline):
        arms.append(_arm("random baseline", baseline, scale))
    # Workers finish out of order, so the start-up part is as long as the unbroken run of random trials.
    drawn = (search["arm"] == "random").to_numpy()
    startup = int(np.argmin(drawn)) if not drawn.all() else len(drawn)
    return Progress(scale, tuple(arms), startup)


def scale_of(table: pd.DataFrame, objectives: tuple[str, ...]) -> HypervolumeBox:
    """The box for the rows of `table`, which holds both arms."""
    best: list[float] = []
    reference: list[float] = []
    for name in objectives:
        if name == "accuracy":
            best.append(1.0)
            reference.append(0.0)
        else:
            low, high = float(table[name].min()), float(table[name].max())
            # Where all layouts cost the same, any span does.
            span = math.log10(high / low) if high > low > 0 else 1.0
            best.append(low)
            reference.append(high * 10 ** (MARGIN * span))
    return HypervolumeBox(objectives, tuple(best), tuple(reference))


def unit_losses(table: pd.DataFrame, scale: HypervolumeBox) -> Points:
    """Objective values (n, d) of `table` in the box: 0 at its best corner, 1 at its reference, all minimised."""
    values = table[list(scale.objectives)].to_numpy("float64", copy=True)
    for index, name in enumerate(scale.objectives):
        best, reference = scale.best[index], scale.reference[index]
        if name == "accuracy":
            values[:, index] = (best - values[:, index]) / (best - reference)
        else:
            values[:, index] = np.log(values[:, index] / best) / math.log(reference / best)
    return values


def _arm(name: str, table: pd.DataFrame, scale: HypervolumeBox) -> ProgressCurve:
    values = hypervolume_history(unit_losses(table, scale), np.ones(len(scale.objectives)))
    return ProgressCurve(name, tuple(range(1, len(values) + 1)), tuple(float(value) for value in values))
