"""How well the surrogate of `sampler: exact` ranks layouts that it has not seen, by the number of trainings.

    python benchmarks/surrogate.py

Draws layouts of a table at random, fits the additive surrogate to one training of each, and takes Kendall's tau between
its predictions for all other layouts and their mean accuracy over the table's seeds: as a sum of effects alone, and on
what a line in log multiply-adds leaves; beside it the multiply-adds themselves. Then the CPU time of a proposal after
some trainings, with and without the line, on spaces up to 1e12 layouts with made-up accuracies. Nothing is trained;
about half a minute of CPU.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from math import prod
from typing import TypeVar

import numpy as np
from convergence import band
from numpy.typing import NDArray
from samplers_truth import Truth, measure_truth
from table_tasks import task_of

from archspec.cost.tables import MetricAt
from search.front.front import solve_front
from search.space.encoding import Encoding
from search.space.space import load_space
from search.surrogate.features import Features
from search.surrogate.model import fit_surrogate, kendall
from search.surrogate.optimum import GRAIN, Known, Optimizer

TRAININGS = (12, 24, 48)
SPACES = ("five_stage_grid", "five_stage_tiny", "five_stage")

Floats = NDArray[np.float64]
T = TypeVar("T")


def rank(truth: Truth, trainings: int, draws: int) -> Floats:
    """Kendall's tau on the layouts left out [draws, 3]: of the effects, with the line, and of multiply-adds."""
    encoding = Encoding(load_space(truth.space))
    features = Features(encoding)
    rows = np.array([encoding.encode(choice) for choice in truth.choices])  # pyright: ignore[reportArgumentType]
    macs = truth.macs.astype(np.int64)
    taus = np.empty((draws, 3))
    for draw in range(draws):
        order = np.random.default_rng(draw).permutation(len(rows))
        own, other = order[:trainings], order[trainings:]
        values = truth.accuracy[own, draw % truth.accuracy.shape[1]]
        plain = fit_surrogate(features, rows[own], values)
        line = fit_surrogate(features, rows[own], values, costs=macs[own])
        expected = truth.mean[other]
        taus[draw] = [
            kendall(plain.predict(rows[other]), expected),
            kendall(line.predict(rows[other], macs[other]), expected),
            kendall(truth.macs[other], expected),
        ]
    return taus


def propose(space: str, trainings: int) -> tuple[float, float, float, int]:
    """CPU ms of a proposal, of the front in it without and with the slope, and layouts of that front."""
    encoding = Encoding(load_space(space))
    features, chain = Features(encoding), encoding.chain([MetricAt("macs")])
    rng = np.random.default_rng(0)
    rows = np.stack([rng.integers(0, count, 4 * trainings) for count in encoding.options], axis=1)
    costs = chain.price(rows)[:, 0]
    rows, costs = rows[costs >= 0][:trainings], costs[costs >= 0][:trainings]
    logs = np.log(costs)
    values = 0.5 + 0.03 * (logs - logs.mean()) / logs.std() + 0.03 * rng.normal(size=len(rows))
    optimizer = Optimizer(chain, features)
    whole, (_, surrogate) = timed(lambda: optimizer.propose(Known(rows, values, rows[:0], rows[:0])))
    scores = surrogate.optimistic(optimizer.kappa)
    before, _ = timed(lambda: solve_front(chain, 0, scores))
    grain = GRAIN * surrogate.loo_error / len(chain.components)
    after, front = timed(lambda: solve_front(chain, 0, scores, slope=surrogate.slope, grain=grain))
    return whole, before, after, len(front.costs)


def timed(work: Callable[[], T], repeats: int = 3) -> tuple[float, T]:
    """Least CPU ms of some repeats, and what came of the last."""
    best, result = np.inf, work()
    for _ in range(repeats):
        start = time.process_time()
        result = work()
        best = min(best, time.process_time() - start)
    return 1e3 * best, result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", default="five_stage_grid")
    parser.add_argument("--space", default="", help="of a table that is not a shipped one")
    parser.add_argument("--data", default="", help="YAML file: the data set of a table that is not a shipped one")
    parser.add_argument("--draws", type=int, default=200)
    args = parser.parse_args()
    truth = measure_truth(task_of(args.table, args.space, args.data))
    print(f"Kendall's tau on layouts left out, {args.draws} draws; 95 % interval of the mean over draws")
    print(f"{'trainings':>9}  {'effects alone':>22}  {'on a line in log MACs':>22}  {'MACs alone':>22}")
    for trainings in TRAININGS:
        at = band(rank(truth, trainings, args.draws))
        cells = [f"{m:.3f} [{low:.3f}, {high:.3f}]" for m, low, high in zip(at.mean, at.low, at.high, strict=True)]
        print(f"{trainings:>9}  " + "  ".join(f"{cell:>22}" for cell in cells))
    print("\nCPU ms of a proposal, and of the front in it")
    print(f"{'space':>16}  {'options':>9}  {'trainings':>9}  {'proposal':>8}  {'no slope':>8}  {'slope':>8}  front")
    for space in SPACES:
        options = prod(Encoding(load_space(space)).options)
        for trainings in (12, 60):
            whole, before, after, size = propose(space, trainings)
            print(f"{space:>16}  {options:>9.1e}  {trainings:>9}  {whole:>8.1f}  {before:>8.1f}  {after:>8.1f}  {size}")


if __name__ == "__main__":
    main()
