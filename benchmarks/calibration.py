"""Do marks keep their promise? Simulated ablations without and with an effect, through the code that marks tables.

Without an effect, at most 5 % of ablations may mark any row; with an effect of the size that `archspec power` promises
at 80 %, at least 80 % must mark that row on its true side. Either is refuted, and the exit code 1, when a count is
further off than chance allows at 1 in 1,000 (exact binomial test, one-sided).
"""

import argparse
import math
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from scipy.stats import binomtest

from reports.statistics import sequential
from reports.statistics.comparison import Settings, compare
from reports.statistics.power import smallest_effect

LEVEL, POWER, DOUBT = 0.05, 0.8, 1e-3
LOOKS = (3, 5, 8, 10)
Noise = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def normal(rng, shape):
    return rng.standard_normal(shape)


def heavy(rng, shape):
    """Student's t with 3 degrees of freedom: now and then a training goes badly astray."""
    return rng.standard_t(3, shape) / math.sqrt(3)


def skewed(rng, shape):
    """Exponential downwards: a training may fall short by much, but never exceeds by much."""
    return 1 - rng.standard_exponential(shape)


def coarse(rng, shape):
    """Accuracy on so small a test set that scores come in steps of half the noise."""
    return np.round(rng.standard_normal(shape) * 2) / 2


@dataclass(frozen=True)
class Case:
    """Ablations of [rows x seeds] scores: what a seed does to all rows alike, plus `noise` of deviation 1."""

    name: str
    rows: int = 4
    seeds: int = 5
    noise: Noise = normal
    paired: bool = True
    lost: float = 0.0


CASES = (
    Case("4 rows x 3 seeds", seeds=3),
    Case("4 rows x 5 seeds"),
    Case("12 rows x 5 seeds", rows=12),
    Case("4 rows x 12 seeds, sign flips", seeds=12),
    Case("4 rows x 5 seeds, one training in ten lost", lost=0.1),
    Case("4 rows x 5 seeds, heavy tails", noise=heavy),
    Case("4 rows x 5 seeds, skewed", noise=skewed),
    Case("4 rows x 5 seeds, coarse scores", noise=coarse),
    Case("4 rows x 5 seeds, unpaired", paired=False),
)
# The power is promised for normal noise, pairs and no losses.
PROMISED = ("4 rows x 3 seeds", "4 rows x 5 seeds", "12 rows x 5 seeds", "4 rows x 12 seeds, sign flips")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ablations", type=int, default=1000, help="simulated per line")
    parser.add_argument("--seed", type=int, default=0, help="of the simulated scores")
    options = parser.parse_args()
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy"))
    print(
        f"seed {options.seed}, {options.ablations} ablations per line, {packages}, Python {platform.python_version()}"
    )
    started, passed = time.process_time(), True
    for number, case in enumerate(CASES):
        effects = [0.0]
        if case.name in PROMISED:
            effects.append(smallest_effect(case.seeds, math.sqrt(2), case.rows - 1, wanted=POWER))
        for effect in effects:
            rng = np.random.default_rng([options.seed, number, int(effect > 0)])
            marked = sum(_marks(case, effect, rng) for _ in range(options.ablations))
            passed &= _judge(case.name, effect, marked, options.ablations)
    for number, spending in enumerate(("obrien-fleming", "pocock"), start=len(CASES)):
        plan = sequential.boundaries(LOOKS, LEVEL, 3, spending)
        for effect in (0.0, sequential.smallest_effect(plan, math.sqrt(2), wanted=POWER)):
            rng = np.random.default_rng([options.seed, number, int(effect > 0)])
            marked = sum(_stops(plan, effect, rng) for _ in range(options.ablations))
            name = f"4 rows, looks at {','.join(map(str, LOOKS))}, {spending}"
            passed &= _judge(name, effect, marked, options.ablations)
    print(f"{'passed' if passed else 'FAILED'} in {time.process_time() - started:.0f} s of CPU")
    return 0 if passed else 1


def _draw(case: Case, effect: float, rng: np.random.Generator) -> np.ndarray:
    """Scores [rows, seeds]; row 0 is the reference, and row 1 the one that differs by `effect`."""
    shared = rng.standard_normal(case.seeds) if case.paired else 0.0
    scores = case.noise(rng, (case.rows, case.seeds)) + shared
    scores[1] += effect
    scores[rng.random(scores.shape) < case.lost] = math.nan
    return scores


def _marks(case: Case, effect: float, rng: np.random.Generator) -> bool:
    """Whether the table marks any row; with an effect, whether it marks the row that has it as better."""
    scores = {str(row): dict(enumerate(map(float, line))) for row, line in enumerate(_draw(case, effect, rng))}
    found = compare(scores, "0", Settings(paired=case.paired, level=LEVEL))
    return found[0].mark == "better" if effect else any(each.decided for each in found)


def _stops(plan, effect: float, rng: np.random.Generator) -> bool:
    """The same for rows whose trainings stop when decided."""
    scores = _draw(Case("", seeds=LOOKS[-1]), effect, rng)
    states = [sequential.decide(line - scores[0], plan).state for line in scores[1:]]
    return states[0] == "better" if effect else any(state != "within noise" for state in states)


def _judge(name: str, effect: float, marked: int, total: int) -> bool:
    bound, side = (POWER, "less") if effect else (LEVEL, "greater")
    passed = binomtest(marked, total, bound, alternative=side).pvalue >= DOUBT
    low, high = binomtest(marked, total).proportion_ci(method="wilson")
    wanted = f"at least {bound:.0%}" if effect else f"at most {bound:.0%}"
    kind = f"effect {effect:.2f}" if effect else "no effect"
    print(
        f"{name:46} {kind:12} marked {marked / total:6.1%} ({low:.1%} ... {high:.1%}), wanted {wanted}"
        f"{'' if passed else '  FAILED'}",
        flush=True,
    )
    return passed


if __name__ == "__main__":
    sys.exit(main())
