"""Sequential stopping of a row's trainings: group-sequential tests with an alpha-spending rule."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from archspec.errors import FieldError
from reports.statistics.summary import LEVEL, scipy_stats

Spending = Literal["obrien-fleming", "pocock"]
State = Literal["better", "worse", "continue", "within noise"]
# Nodes of Gauss-Legendre quadrature over the region in which a row goes on; 1e-6 of z at 30 looks.
NODES = 128
# Rows simulated to hold t tests to their level.
PATHS = 200_000
# Seeds per row at the last look; the simulation draws `PATHS` times as many numbers.
MAX_SEEDS = 200
# Boundaries beyond are never met (chance 1e-23), and doubles cannot resolve them.
NEVER = 10.0
# Differences that vary by a smaller share of themselves are equal: subtracting two percentages leaves up to 1e-9 of a
# difference of 0.0001 points, and accuracies on n images vary by 1 / n at least.
EQUAL = 1e-8


@dataclass(frozen=True)
class Look:
    """One look at the scores: after `seeds` pairs, stop when the paired t test's two-sided p is at most `p`.

    `spent` is the chance that a row without a difference has been marked at this look or before, by simulation.
    """

    seeds: int
    p: float
    spent: float


@dataclass(frozen=True)
class Decision:
    """The state of a row: `continue` asks for more seeds, up to `seeds`; all else is final.

    `p` and `threshold` are those of the last look that was reached (NaN before the first).
    """

    state: State
    seeds: int
    p: float
    threshold: float


@dataclass(frozen=True)
class Outlook:
    """Operating characteristics of a plan of looks at a given true difference: chance to be marked on the true side, on
    either side, and the mean number of seeds; all by simulation."""

    right: float
    marked: float
    mean_seeds: float


def boundaries(
    looks: Sequence[int], level: float = LEVEL, comparisons: int = 1, spending: Spending = "obrien-fleming"
) -> tuple[Look, ...]:
    """Boundaries of two-sided paired t tests after `looks` seeds; every row spends `level / comparisons`.

    The boundaries of a normal statistic (`normal_boundaries`), read as significance levels of the t test (Jennison
    and Turnbull 2000, Group Sequential Methods, section 3.8), exceed the level where seeds are few: by up to a fifth at
    looks after 2, 3, 4 and 5. So they are those of the largest level at which t tests keep the wanted one, on
    `PATHS` simulated rows without a difference. The t statistics of such rows do not depend on the noise, which need
    not be known; the error of the simulation is 2 % of a level of 0.0167.

    Raises:
        FieldError: looks that do not increase from at least 2, a level outside (0, 1), an unknown rule.
        SpecError: scipy is not installed.
    """
    if not 0 < level < 1 or comparisons < 1:
        raise FieldError("level", f"must lie between 0 and 1, for at least 1 comparison; not {level:g}, {comparisons}")
    wanted = level / comparisons
    normal_boundaries(looks, wanted, spending)  # refuses what is wrong before the simulation takes its second
    stats = scipy_stats("sequential stopping")
    sizes = list(_walks(looks, 0.0, PATHS, seed=0))

    def marked(at: float) -> tuple[list[float], list[float]]:
        levels = [float(2 * stats.norm.sf(z)) for z in normal_boundaries(looks, at, spending)]
        crossed, spent = np.zeros(PATHS, bool), list[float]()
        for t, p, seeds in zip(sizes, levels, looks, strict=True):
            crossed |= np.abs(t) >= stats.t.isf(p / 2, seeds - 1)
            spent.append(float(crossed.mean()))
        return levels, spent

    low, high = wanted / 2, wanted
    while high - low > 5e-3 * wanted:
        middle = (low + high) / 2
        low, high = (middle, high) if marked(middle)[1][-1] <= wanted else (low, middle)
    levels, spent = marked(low)
    return tuple(Look(*each) for each in zip(looks, levels, spent, strict=True))


def normal_boundaries(looks: Sequence[int], level: float, spending: Spending = "obrien-fleming") -> list[float]:
    """Boundaries |z| of [looks] for a normal statistic of known noise, two-sided.

    Lan-DeMets spending at t = seeds / last seeds, on each side half: of the O'Brien-Fleming type, level
    2 (2 - 2 Phi(z(1 - level/4) / sqrt(t))), or of the Pocock type, level ln(1 + (e - 1) t). Sources: Lan and DeMets
    1983, Discrete sequential boundaries for clinical trials, Biometrika 70, 659-663; the recursion is Armitage,
    McPherson and Rowe's (1969).

    Raises:
        FieldError: looks that do not increase from at least 2, an unknown rule.
        SpecError: scipy is not installed.
    """
    if not looks or looks[0] < 2 or looks[-1] > MAX_SEEDS or any(a >= b for a, b in itertools.pairwise(looks)):
        rule = f"must be numbers of seeds that increase from at least 2 to at most {MAX_SEEDS}, not {list(looks)}"
        raise FieldError("looks", rule)
    norm = scipy_stats("sequential stopping").norm
    times = np.array(looks, dtype=float) / looks[-1]
    spent = [_spent(float(time), level, spending, norm) for time in times]
    return _recursion(times, np.diff(spent, prepend=0.0))


def decide(differences: Sequence[float], plan: Sequence[Look], *, higher: bool = True) -> Decision:
    """The decision that the paired differences to the reference allow so far, in the order of their seeds.

    Each look sees exactly its own number of finished pairs: what came in after it is left to the next look, and a row
    that a look decided stays decided. So the answer does not depend on how often one asks. Differences that are not
    finite (failed trainings) are left out.

    Raises:
        FieldError: no looks.
        SpecError: scipy is not installed.
    """
    if not plan:
        raise FieldError("looks", "needs at least one")
    stats = scipy_stats("sequential stopping")
    values = np.array([value for value in differences if math.isfinite(value)])
    p = threshold = math.nan
    for look in plan:
        if len(values) < look.seeds:
            return Decision("continue", look.seeds, p, threshold)
        seen = values[: look.seeds]
        p, threshold = _p(seen, stats), look.p
        if p <= threshold:
            state: State = "better" if (seen.mean() > 0) == higher else "worse"
            return Decision(state, look.seeds, p, threshold)
    return Decision("within noise", plan[-1].seeds, p, threshold)


def outlook(plan: Sequence[Look], effect: float, *, paths: int = 20_000, seed: int = 0) -> Outlook:
    """Simulate `paths` rows with normal differences of mean `effect`, in units of their standard deviation.

    The same draws serve every effect, so that power does not fall where the effect grows; the error of a chance of
    0.8 is 0.003 at 20,000 paths.

    Raises:
        SpecError: scipy is not installed.
    """
    stats = scipy_stats("sequential stopping")
    going, side, used = np.ones(paths, bool), np.zeros(paths), np.full(paths, float(plan[-1].seeds))
    for look, t in zip(plan, _walks([look.seeds for look in plan], effect, paths, seed), strict=True):
        now = going & (np.abs(t) >= stats.t.isf(look.p / 2, look.seeds - 1))
        side[now], used[now], going[now] = np.sign(t[now]), look.seeds, False
    right = side == (1 if effect >= 0 else -1)
    return Outlook(float(right.mean()), float((side != 0).mean()), float(used.mean()))


def smallest_effect(plan: Sequence[Look], sd: float, *, wanted: float = 0.8) -> float:
    """The smallest true difference that the plan marks with probability `wanted`, in the unit of `sd`; simulated."""
    low, high = 0.0, 1.0
    while outlook(plan, high).right < wanted:
        low, high = high, 2 * high
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if outlook(plan, middle).right >= wanted else (middle, high)
    return sd * high


def _spent(time: float, level: float, spending: Spending, norm: Any) -> float:
    if spending == "obrien-fleming":
        return float(4 * norm.sf(norm.isf(level / 4) / math.sqrt(time)))
    if spending == "pocock":
        return level * math.log1p((math.e - 1) * time)
    raise FieldError("spending", f"must be obrien-fleming or pocock, not {spending!r}")


def _recursion(times: Any, increments: Any) -> list[float]:
    """Boundaries z of [looks] such that a walk without drift first leaves at look k with probability increments[k].

    `density` is that of the walk B(t) = z sqrt(t) on `nodes`, where it has not yet left; at the start, all of it at 0.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtr

    points, weights = np.polynomial.legendre.leggauss(NODES)
    nodes, masses, out, last = np.zeros(1), np.ones(1), [], 0.0
    for time, increment in zip(times, increments, strict=True):
        step = math.sqrt(time - last)

        def leaves(bound: float, nodes: Any = nodes, masses: Any = masses, step: float = step) -> float:
            tails = ndtr((nodes - bound) / step) + ndtr((-bound - nodes) / step)
            return float((masses * tails).sum())

        bound = NEVER * math.sqrt(time)
        if leaves(bound) < increment:
            bound = float(brentq(lambda x, gap=increment, f=leaves: f(x) - gap, 0.0, bound, xtol=1e-10))  # pyright: ignore
        out.append(bound / math.sqrt(time))
        kernel = np.exp(-(((bound * points[:, None] - nodes) / step) ** 2) / 2)
        density = kernel @ masses / (step * math.sqrt(2 * math.pi))
        nodes, masses, last = bound * points, bound * weights * density, time
    return out


def _walks(looks: Sequence[int], effect: float, paths: int, seed: int) -> Iterator[Any]:
    """At each look, the t statistics of [paths] simulated rows, whose differences have deviation 1 and mean `effect`.

    Draws are summed from look to look, so that memory does not grow with the number of seeds.
    """
    rng = np.random.default_rng(seed)
    total, squares, last = np.zeros(paths), np.zeros(paths), 0
    for seeds in looks:
        for _ in range(seeds - last):
            draw = rng.standard_normal(paths) + effect
            total += draw
            squares += draw**2
        mean, last = total / seeds, seeds
        variance = (squares - seeds * mean**2) / (seeds - 1)
        yield mean / np.sqrt(variance / seeds)


def _p(seen: Any, stats: Any) -> float:
    """Two-sided p of the t test; where all differences are equal, that of the sign flips, as in a table of rows."""
    if float(np.ptp(seen)) <= EQUAL * float(np.abs(seen).max()):
        return 1.0 if seen[0] == 0 else 2.0 ** (1 - len(seen))
    return float(stats.ttest_1samp(seen, 0.0).pvalue)
