"""What repeated trainings and covariates are worth to `sampler: exact`, on layouts whose trainings are simulated.

    python benchmarks/repeats.py
    python benchmarks/repeats.py --covariates

The 216 layouts of `five_stage_grid` have the accuracies that an additive surrogate predicts from the table, plus a
deviation of each layout's own; every training adds fresh noise, so that a layout can be trained any number of times and
what a search was lucky with counts for nothing in its score. The noise is the table's, the deviation what the residuals
of the fit leave beside it. A search may spend 60 trainings; scored is the hypervolume of all layouts that it trained,
and of those alone that it would report as its front by the means of their trainings, as a share of the true front's.
Differences are to the search without, paired by world, with their 95 % interval (normal). Nothing is trained; five CPU
minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from samplers_truth import Truth, measure_truth

from archspec.cost.tables import MetricAt
from search.front.dominance import nondominated
from search.space.encoding import Encoding
from search.space.space import load_space
from search.surrogate import optimum
from search.surrogate.covariate import Covariate
from search.surrogate.features import Features
from search.surrogate.model import fit_surrogate
from search.surrogate.optimum import Known, Optimizer
from search.surrogate.staircase import Staircase

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Guide = Callable[["World", int], tuple[Covariate, bool]]

MARKS = (20, 40, 60)
STARTUP = 10
DRAWN = 64
"""Layouts that a covariate is known of."""


@dataclass(frozen=True)
class Task:
    """The layouts: their integer form, costs, and how accuracies are simulated."""

    rows: Ints
    costs: Ints
    optimizer: Optimizer
    expected: Floats
    own: float
    noise: float


@dataclass(frozen=True)
class World:
    """One draw of the true accuracies, and of the luck of every training [layouts, trainings]."""

    mean: Floats
    luck: Floats

    @classmethod
    def draw(cls, task: Task, seed: int) -> World:
        rng = np.random.default_rng(1000 + seed)
        mean = task.expected + rng.normal(0, task.own, len(task.rows))
        return cls(mean, rng.normal(0, task.noise, (len(task.rows), MARKS[-1])))


def read_task(truth: Truth, factor: float) -> Task:
    """The task of a table, its noise of seeds times `factor`."""
    encoding = Encoding(load_space(truth.space))
    features, chain = Features(encoding), encoding.chain([MetricAt("macs", 64)])
    rows = np.array([encoding.encode(choice) for choice in truth.choices])  # pyright: ignore[reportArgumentType]
    costs, noise = truth.macs.astype(np.int64), truth.noise()
    expected = fit_surrogate(features, rows, truth.mean, costs=costs).predict(rows, costs)
    own = np.square(truth.mean - expected).mean() - noise**2 / truth.accuracy.shape[1]
    optimizer = Optimizer(chain, features, listed=rows)
    return Task(rows, costs, optimizer, expected, float(np.sqrt(max(own, 0))), factor * noise)


def search(task: Task, world: World, seed: int, most: int, guide: Guide | None) -> tuple[Floats, float]:
    """One search: hypervolumes of all and of the reported layouts [marks, 2], and the share of repeats or of use."""
    index = {row.tobytes(): place for place, row in enumerate(task.rows)}
    start = np.random.default_rng(seed).permutation(len(task.rows))[:STARTUP]
    seen = {int(one): [world.mean[one] + world.luck[one, 0]] for one in start}
    covariate, gated = (None, True) if guide is None else guide(world, seed)
    scores: list[tuple[float, float]] = []
    repeats = used = 0
    for spent in range(STARTUP + 1, MARKS[-1] + 1):
        done, none = np.array(list(seen)), task.rows[:0]
        means = np.array([fmean(one) for one in seen.values()], np.float64)
        within = sum(float(np.square(np.array(one) - fmean(one)).sum()) for one in seen.values())
        counts = np.array([len(one) for one in seen.values()])
        known = Known(task.rows[done], means, none, none, counts, within)
        if covariate is not None and (not gated or covariate.judge(known.choices, means, seed).covariate):
            known, used = replace(known, covariates=(covariate.terms,)), used + 1
        found = task.optimizer.propose(known, most)[0]
        assert found is not None
        place = index[found.tobytes()]
        repeats += place in seen
        trained = seen.setdefault(place, [])
        trained.append(world.mean[place] + world.luck[place, len(trained)])
        if spent in MARKS:
            scores.append(score(task, world, seen))
    return np.array(scores), (repeats if covariate is None else used) / (MARKS[-1] - STARTUP)


def score(task: Task, world: World, seen: dict[int, list[float]]) -> tuple[float, float]:
    """Shares of the true front's hypervolume: all layouts trained, and those on the front by their means."""
    done, means = np.array(list(seen)), np.array([fmean(one) for one in seen.values()], np.float64)
    front = done[nondominated(task.costs[done], means)]
    whole, every, reported = (volume(task, world, one) for one in (np.arange(len(task.rows)), done, front))
    return every / whole, reported / whole


def volume(task: Task, world: World, layouts: NDArray[np.integer]) -> float:
    """The hypervolume of some layouts above the worst of all and below 1.1 spans of log cost."""
    logs = np.log(task.costs)
    end = float(logs.max() + 0.1 * (logs.max() - logs.min()))
    steps = Staircase.among(task.costs[layouts], world.mean[layouts], float(world.mean.min()), end)
    widths = np.diff(np.append(steps.cost[1:], end))
    return float((widths * (steps.value[1:] - steps.value[0]).clip(0)).sum())


def guides(task: Task) -> dict[str, Guide]:
    """Covariates: what is true with noise, and nothing but noise; each with the gate and without."""

    def make(noise: float, *, knows: bool, gated: bool) -> Guide:
        def guide(world: World, seed: int) -> tuple[Covariate, bool]:
            rng = np.random.default_rng(5000 + seed)
            drawn = rng.permutation(len(task.rows))[:DRAWN]
            values = (world.mean if knows else 0) + rng.normal(0, noise, len(task.rows))
            features, chain = task.optimizer.features, task.optimizer.chain
            return Covariate("simulated", chain, features, task.rows[drawn], values[drawn]), gated

        return guide

    return {
        "accuracy with noise of 1 point, gate": make(0.01, knows=True, gated=True),
        "accuracy with noise of 3 points, gate": make(0.03, knows=True, gated=True),
        "accuracy with noise of 3 points, no gate": make(0.03, knows=True, gated=False),
        "noise alone, gate": make(0.03, knows=False, gated=True),
        "noise alone, no gate": make(0.03, knows=False, gated=False),
    }


def show(name: str, found: Floats, base: Floats, share: float) -> None:
    """One row of the table: differences at each mark, of all layouts and of those reported."""
    change = found - base
    mean, half = change.mean(0), 1.96 * change.std(0, ddof=1) / np.sqrt(len(change))
    cells = [f"{m:+.3f} ± {h:.3f}" for side in (0, 1) for m, h in zip(mean[:, side], half[:, side], strict=True)]
    print(f"| {name} | {share:.0%} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--covariates", action="store_true", help="simulated covariates in place of repetitions")
    args = parser.parse_args()
    truth = measure_truth("five_stage_grid", "five_stage_grid")
    columns = [f"{what} at {mark}" for what in ("all", "reported") for mark in MARKS]
    print(f"| arm | share of proposals | {' | '.join(columns)} |\n|---|---|{'--:|' * len(columns)}")
    for factor in (1.0,) if args.covariates else (0.5, 1.0, 2.0):
        task = read_task(truth, factor)
        worlds = [World.draw(task, seed) for seed in range(args.seeds)]

        def run(task: Task, worlds: list[World], most: int, guide: Guide | None = None) -> tuple[Floats, float]:
            found = [search(task, world, seed, most, guide) for seed, world in enumerate(worlds)]
            return np.array([one for one, _ in found]), float(np.mean([share for _, share in found]))

        base, _ = run(task, worlds, 1)
        if args.covariates:
            for name, guide in guides(task).items():
                show(name, *_with(run(task, worlds, 1, guide), base))
            continue
        for pays in (1.0, 2.0):
            optimum.PAYS = pays
            name = f"seed sd {task.noise:.3f}, own {task.own:.3f}, repeats worth {pays:g} times a new layout"
            show(name, *_with(run(task, worlds, 1000), base))


def _with(found: tuple[Floats, float], base: Floats) -> tuple[Floats, Floats, float]:
    return found[0], base, found[1]


if __name__ == "__main__":
    main()
