"""Compare rungs on a table with curves: hypervolume at equal epochs, over samplers, virtual workers and seeds.

    python benchmarks/rungs.py --table five_stage_curves --seeds 20

Each run is a real search: the proposals of `search.run.proposals`, the rule of `search.rungs`, Optuna's samplers and
`exact` as a study gets them, with the study in memory. Virtual workers take the seconds that the table recorded, so
that a run is the same on any machine. A search keeps to the table's layouts (`nearest`): a proposal is evaluated as the
nearest of them that was not evaluated before, which compares schedulers and samplers on these layouts, not on the
space. It sees one training of each layout, of its own seed, and is scored by the mean over the table's seeds of what it
trained to the end, as a share of the hypervolume of the whole table; what was paused counts for nothing.

Where syne-tune is installed (`pip install --no-deps syne-tune`, of which 0.16.0 was tried), its MOASHA decides on the
same table in the same run, beside the rungs of the random sampler: it begins layouts at random, each once, with the
same rungs and the same share that goes on. NePS is not compared: it brings its own loop over a space of its own. About
8 minutes of one core with 20 seeds; `--workers` and `--samplers` choose a part.
"""

from __future__ import annotations

import argparse
import heapq
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml

from archspec.cost.measure import measure
from reports.statistics.comparison import compare
from reports.statistics.pareto import hypervolume, hypervolume_history, nondominated
from search.data.trained_layouts import load_table

PAIRS = Path(__file__).with_name("pairs.yaml")
SAMPLERS = ("random", "tpe", "exact")
RUNGS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "two": {"epochs": ["1/3", 1], "keep": "1/3"},
    "three": {"epochs": ["1/9", "1/3", 1], "keep": "1/3"},
}
WORKERS = (1, 4, 16)
PARTS = (0.25, 0.5, 1.0)
"""Of the budget in epochs, at which searches are compared."""
STARTUP = 10
MARGIN = 0.1
OTHER = "syne-tune"


@dataclass(frozen=True)
class Job:
    """One search; `sampler` is `OTHER` for the peer."""

    table: str
    space: str
    sampler: str
    rungs: str
    workers: int
    seed: int
    epochs: int


@dataclass(frozen=True)
class Run:
    """What a search did: its score at parts of the budget, whole trainings, begun ones, virtual time, CPU time."""

    job: Job
    scores: tuple[float, ...]
    whole: int
    begun: int
    virtual: float
    cpu: float


def _data(table: str) -> dict[str, Any]:
    """The data set of the shipped table; the default one for any other."""
    return {"data": yaml.safe_load(PAIRS.read_text(encoding="utf-8"))} if table == "five_stage_curves" else {}


@cache
def config_of(table: str, space: str, sampler: str, rungs: str) -> Any:
    """A study over the table, with seed 0: what it takes to prepare it is the same for all seeds."""
    from archspec.documents.reader import Document
    from search.study.reading import parse_study

    data: dict[str, Any] = {
        "name": "rungs",
        "space": space,
        "evaluator": {"type": "table", "table": table, "nearest": True} | _data(table),
        "objectives": ["accuracy", "macs"],
        "sampler": {"type": sampler, "startup": STARTUP},
        "final": {"seeds": 0},
        "trials": len(load_table(table).rows),
    }
    if RUNGS[rungs] is not None:
        data["rungs"] = RUNGS[rungs]
    config = parse_study(Document(data, "benchmark"))
    _ = config.confinement
    return config


@cache
def scale(table: str) -> tuple[dict[str, int], np.ndarray[Any, Any], float]:
    """Places of layouts by digest, their losses [layouts, 2] in the box of the table, and its whole hypervolume.

    The box goes from the best accuracy and the cheapest layout to the worst accuracy and a tenth of the span of log
    MACs beyond the dearest.
    """
    from archspec.loader import load

    known = load_table(table)
    digests = list(known.rows)
    quality = np.array([np.mean([row.accuracy for row in known.rows[digest]]) for digest in digests])
    macs = np.log([measure(load(known.codes[digest])).macs for digest in digests])
    span = (1 + MARGIN) * (macs.max() - macs.min())
    losses = np.column_stack([(quality.max() - quality) / np.ptp(quality), (macs - macs.min()) / span])
    whole = hypervolume(losses[nondominated(losses)], np.ones(2))
    return {digest: index for index, digest in enumerate(digests)}, losses, whole


def score(job: Job, done: Sequence[tuple[int, str]]) -> tuple[float, ...]:
    """The share of the table's hypervolume at parts of the budget, of whole trainings: epochs then, and digest."""
    places, losses, whole = scale(job.table)
    if not done:
        return tuple(0.0 for _ in PARTS)
    history = hypervolume_history(losses[[places[digest] for _, digest in done]], np.ones(2)) / whole
    spent = np.array([epochs for epochs, _ in done])
    values = np.append(0.0, history)
    return tuple(float(values[np.searchsorted(spent, part * job.epochs, side="right")]) for part in PARTS)


def search(job: Job) -> Run:
    """Run one search."""
    start = time.process_time()
    with TemporaryDirectory() as folder:
        done, begun, virtual = (_peer if job.sampler == OTHER else _ours)(job, Path(folder))
    return Run(job, score(job, done), len(done), begun, virtual, time.process_time() - start)


def _ours(job: Job, folder: Path) -> tuple[list[tuple[int, str]], int, float]:
    """Whole trainings with the epochs spent when each ended, layouts begun, virtual seconds."""
    from optuna.storages import InMemoryStorage

    from archspec.spec.schema import ArchSpec
    from search.evaluator import Task
    from search.run.journal import open_study
    from search.run.proposals import SearchPhase
    from search.run.worker import Order, Report

    config = config_of(job.table, job.space, job.sampler, job.rungs).model_copy(update={"seed": job.seed})
    storage = InMemoryStorage()
    study = open_study(storage, "search", list(config.objectives), {})
    phase = SearchPhase(study, storage, config, config.open_space(), folder, trials=config.trials)
    session, total = config.evaluator.open(), load_table(job.table).epochs
    reached: dict[str, int] = {}
    done: list[tuple[int, str]] = []

    def begin() -> tuple[float, Order] | None:
        order = phase.next_order()
        if order is None:
            return None
        task = Task(ArchSpec.model_validate(order.spec), order.seed, folder, folder, epochs=order.epochs)
        return config.evaluator.simulated_seconds(task, reached.get(order.digest, 0)), order

    def end(order: Order, spent: int) -> int:
        place = order.folder(folder)
        place.mkdir(parents=True, exist_ok=True)
        task = Task(ArchSpec.model_validate(order.spec), order.seed, place, folder, epochs=order.epochs)
        phase.finish(order, Report("done", metrics=session.evaluate(task, lambda: False, lambda said: None)))
        spent += (order.epochs or total) - reached.get(order.digest, 0)
        reached[order.digest] = order.epochs or total
        if order.epochs in (None, total):
            done.append((spent, order.digest))
        return spent

    virtual = _work(job, begin, end)
    return done, len(reached), virtual


def _work(job: Job, begin: Callable[[], tuple[float, Any] | None], end: Callable[[Any, int], int]) -> float:
    """Have virtual workers busy until the epochs are spent; the virtual time that this took.

    Args:
        job: what is run.
        begin: what the next worker is to do, with its seconds; None for nothing until an answer comes.
        end: takes what a worker did and the epochs spent before; those spent with it.
    """
    now, spent, count = 0.0, 0, 0
    busy: list[tuple[float, int, Any]] = []
    while spent < job.epochs:
        while len(busy) < job.workers and (found := begin()) is not None:
            heapq.heappush(busy, (now + found[0], count, found[1]))
            count += 1
        if not busy:
            break
        now, _, work = heapq.heappop(busy)
        spent = end(work, spent)
    return now


def _peer(job: Job, folder: Path) -> tuple[list[tuple[int, str]], int, float]:
    """The same with syne-tune's scheduler, which stops trainings at rungs and starts none again."""
    del folder
    from syne_tune.backend.trial_status import Trial  # pyright: ignore[reportMissingImports]
    from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA  # pyright: ignore[reportMissingImports]

    known = load_table(job.table)
    rng = np.random.default_rng(job.seed)
    left = [list(known.rows)[index] for index in rng.permutation(len(known.rows))][::-1]
    grace = known.epochs // (9 if job.rungs == "three" else 3)
    scheduler: Any = MOASHA(
        {}, ["error", "macs"], time_attr="epoch", max_t=known.epochs, grace_period=grace, random_seed=job.seed
    )
    macs = dict(zip(known.rows, scale(job.table)[1][:, 1], strict=True))
    done: list[tuple[int, str]] = []
    begun: list[str] = []

    def begin() -> tuple[float, tuple[Any, str, int]] | None:
        if resumed:
            trial, digest, epoch = resumed.pop()
        elif left:
            digest, epoch = left.pop(), 0
            begun.append(digest)
            trial = Trial(len(begun), {}, None)
            scheduler.on_trial_add(trial)
        else:
            return None
        rows = known.rows[digest]
        curve = rows[job.seed % len(rows)].curve
        assert curve is not None
        return curve.seconds[epoch], (trial, digest, epoch)

    resumed: list[tuple[Any, str, int]] = []

    def end(work: tuple[Any, str, int], spent: int) -> int:
        trial, digest, epoch = work
        rows = known.rows[digest]
        curve = rows[job.seed % len(rows)].curve
        assert curve is not None
        result = {"epoch": epoch + 1, "error": 1 - curve.accuracies[epoch], "macs": float(macs[digest])}
        if scheduler.on_trial_result(trial, result) != "STOP":
            resumed.append((trial, digest, epoch + 1))
        elif epoch + 1 == known.epochs:
            done.append((spent + 1, digest))
        return spent + 1

    virtual = _work(job, begin, end)
    return done, len(begun), virtual


def installed() -> bool:
    """Whether syne-tune can be imported."""
    try:
        from syne_tune.optimizer.schedulers.multiobjective import moasha  # pyright: ignore[reportMissingImports]
    except ImportError:
        return False
    return moasha is not None


def jobs_of(args: argparse.Namespace) -> Iterator[Job]:
    """Every search that is asked for."""
    for workers in args.workers:
        for seed in range(args.seeds):
            for rungs in RUNGS:
                for sampler in args.samplers:
                    yield Job(args.table, args.space, sampler, rungs, workers, seed, args.epochs)
                if installed() and rungs != "none" and "random" in args.samplers:
                    yield Job(args.table, args.space, OTHER, rungs, workers, seed, args.epochs)


def show(runs: Sequence[Run]) -> None:
    """Print a table for each number of workers; differences are from the same sampler without rungs."""
    groups: dict[tuple[int, str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.job.workers, run.job.sampler, run.job.rungs), []).append(run)
    epochs = runs[0].job.epochs
    print(f"share of the table's hypervolume at {', '.join(f'{part * epochs:.0f}' for part in PARTS)} epochs: mean")
    print(
        "of the last: difference from no rungs with the same sampler (syne-tune: from random), 95 % interval, p (Holm)"
    )
    for workers in dict.fromkeys(key[0] for key in groups):
        scores = {
            f"{sampler}, {rungs}": {run.job.seed: run.scores[-1] for run in of}
            for (count, sampler, rungs), of in groups.items()
            if count == workers
        }
        bases = {name: f"{'random' if OTHER in name else name.split(',')[0]}, none" for name in scores}
        tested = {one.row: one for one in compare(scores, {row: base for row, base in bases.items() if row != base})}
        print(f"\n{workers} virtual workers")
        places = "".join(f"{part * epochs:>8.0f}" for part in PARTS)
        print(f"{'sampler, rungs':22}{places}   whole begun  virtual s  CPU s")
        for (count, sampler, rungs), of in groups.items():
            if count != workers:
                continue
            name = f"{sampler}, {rungs}"
            means = np.mean([run.scores for run in of], axis=0)
            rest = [
                float(np.mean([getattr(run, field) for run in of])) for field in ("whole", "begun", "virtual", "cpu")
            ]
            line = f"{name:22}{''.join(f'{value:8.3f}' for value in means)}"
            line += f"{rest[0]:8.1f}{rest[1]:6.1f}{rest[2]:11.0f}{rest[3]:7.2f}"
            if (one := tested.get(name)) is not None:
                line += f"   {one.difference:+.3f} [{one.low:+.3f}, {one.high:+.3f}] {one.adjusted:.4f}"
            print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", default="five_stage_curves", help="a table with curves, seconds and codes")
    parser.add_argument("--space", default="five_stage_pairs")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=162, help="epochs that every search may spend")
    parser.add_argument("--workers", type=int, nargs="+", default=list(WORKERS), help="virtual ones")
    parser.add_argument("--samplers", nargs="+", default=list(SAMPLERS))
    parser.add_argument("--processes", type=int, default=1)
    args = parser.parse_args()
    jobs = list(jobs_of(args))
    if not installed():
        print("syne-tune is not installed: left out")
    start = time.perf_counter()
    with ProcessPoolExecutor(args.processes, mp_context=get_context("spawn")) as pool:
        runs = list(pool.map(search, jobs, chunksize=8))
    show(runs)
    cpu = sum(run.cpu for run in runs)
    print(f"\n{len(runs)} searches, {cpu:.0f} CPU s, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
