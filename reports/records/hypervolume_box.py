"""The box in which the hypervolumes of searches are measured, by one rule for all that are compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from archspec.cost.metrics import METRICS, Metric, find_metric
from reports.records.metrics import QUALITY
from reports.statistics.pareto import Points

# The reference lies this share of the observed span (of log10 cost) beyond the dearest layout, so that the dearest,
# often the most accurate one, counts too.
MARGIN = 0.1


@dataclass(frozen=True)
class HypervolumeBox:
    """The box in which hypervolumes of both arms are measured, fixed by rule before either is looked at.

    `best` and `reference` give, per objective, the corners. A fraction such as accuracy goes from 0 to 1; any other
    objective from the best trial of either arm to `MARGIN` of the span beyond the worst, in log10 where all its values
    are positive. Where both corners are positive, the scale between them is logarithmic.
    """

    objectives: tuple[str, ...]
    best: tuple[float, ...]
    reference: tuple[float, ...]

    @property
    def spans(self) -> tuple[bool, ...]:
        """Whether an objective's corners come from the layouts, not from what a fraction can be."""
        return tuple({*ends} != {0.0, 1.0} for ends in zip(self.best, self.reference, strict=True))

    def moved(self, margin: float) -> HypervolumeBox:
        """The box whose references lie `margin` of the span beyond the worst layout in place of `MARGIN`."""
        ratio = (1 + margin) / (1 + MARGIN)
        ends = zip(self.best, self.reference, self.spans, strict=True)
        moved = (_between(best, corner, ratio) if spanned else corner for best, corner, spanned in ends)
        return replace(self, reference=tuple(moved))


def scale_of(table: pd.DataFrame, objectives: Sequence[str], metrics: Sequence[Metric] = METRICS) -> HypervolumeBox:
    """The box for the rows of `table`, which holds both arms."""
    ends = [
        _ends(find_metric(name, metrics), float(table[name].min()), float(table[name].max())) for name in objectives
    ]
    best, reference = zip(*ends, strict=True)
    return HypervolumeBox(tuple(objectives), best, reference)


def unit_losses(table: pd.DataFrame, scale: HypervolumeBox) -> Points:
    """Objective values (n, d) of `table` in the box: 0 at its best corner, 1 at its reference, all minimised."""
    values = table[list(scale.objectives)].to_numpy("float64", copy=True)
    for index, (best, reference) in enumerate(zip(scale.best, scale.reference, strict=True)):
        if _logarithmic(best, reference):
            values[:, index] = np.log(values[:, index] / best) / math.log(reference / best)
        else:
            values[:, index] = (best - values[:, index]) / (best - reference)
    return values


def _ends(metric: Metric, low: float, high: float) -> tuple[float, float]:
    """The best and the reference corner of an objective with values from `low` to `high`."""
    upwards = metric.direction == "maximize"
    if metric.unit == "%" and (metric.name == QUALITY or (low >= 0 and high <= 1)):
        return (1.0, 0.0) if upwards else (0.0, 1.0)
    best, worst = (high, low) if upwards else (low, high)
    if low < high:
        return best, _between(best, worst, 1 + MARGIN)
    # Where all layouts have the same value, any span does.
    ratio, step = 10 ** (-MARGIN if upwards else MARGIN), -1.0 if upwards else 1.0
    return best, best * ratio if best > 0 else best + step


def _between(best: float, corner: float, share: float) -> float:
    """The value `share` of the way from `best` to `corner`, in log10 where both are positive."""
    if _logarithmic(best, corner):
        return best * (corner / best) ** share
    return best + share * (corner - best)


def _logarithmic(best: float, reference: float) -> bool:
    return best > 0 and reference > 0
