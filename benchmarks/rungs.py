"""Compare rungs on a table with curves: hypervolume at equal epochs, over samplers, virtual workers and seeds.

    python benchmarks/rungs.py --table five_stage_curves --seeds 20

Each run is a real search: the proposals of `search.run.proposals`, the rule of `search.rungs`, Optuna's samplers and
`exact` as a study gets them, with the study in memory. Virtual workers take the seconds that the table recorded, so
that a run is the same on any machine. A search keeps to the table's layouts (`nearest`): a proposal is evaluated as the
nearest of them that was not evaluated before, which compares schedulers and samplers on these layouts, not on the
space. It sees one training of each layout, of its own seed, and is scored by the mean over the table's seeds of what it
trained to the end, as a share of the hypervolume of the whole table; what was paused counts for nothing.

Where they are installed, the multi-objective schedulers of syne-tune (MOASHA) and NePS (MO-ASHA) decide on the same
table in the same run, beside the rungs of the random sampler: they begin the layouts that it draws, in its order, each
once, with the same rungs and the same share that goes on, by non-dominated sorting and an epsilon-net over each front
(what that comes to in either: `rungs_peers.py`). A peer that is absent is left out, and the output says so. Their
packages go into an environment of their own, since NePS 0.17 needs earlier ones of pandas and botorch:

    python -m venv peers && peers/bin/pip install ".[data,timm,tensorboard]"  # with the torchvision of your torch
    peers/bin/pip install neural-pipeline-search==0.17.0 "botorch<0.13"
    peers/bin/pip install --no-deps syne-tune==0.16.0 dill sortedcontainers
    peers/bin/python benchmarks/rungs.py

PriMO of NePS is not compared: after an initial design by MO-ASHA it proposes layouts of its own by a Gaussian process
over parameters of its own, which cannot be kept to the layouts of a table, and it is about the priors of experts.
"""

from __future__ import annotations

import argparse
import heapq
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rungs_peers import PEERS, Trainings, complaint
from table_tasks import task_of

from archspec.cost.measure import measure
from reports.statistics.comparison import compare
from reports.statistics.pareto import hypervolume, hypervolume_history, nondominated
from search.data.trained_layouts import TrainedCurve, load_table
from search.rungs.spec import RungsSpec

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
TRAININGS = 18
"""Whole trainings whose epochs a search may spend, where nothing else is asked for."""


@dataclass(frozen=True)
class Job:
    """One search; `sampler` may be one of `PEERS`."""

    table: str
    space: str
    data: str
    sampler: str
    rungs: str
    workers: int
    seed: int
    epochs: int


@dataclass(frozen=True)
class Run:
    """What a search did: its score at parts of the budget, whole trainings, begun ones, virtual time, CPU time.

    `refused` counts the times that a peer had no answer for a worker.
    """

    job: Job
    scores: tuple[float, ...]
    whole: int
    begun: int
    virtual: float
    cpu: float
    refused: int = 0


@dataclass
class Searched:
    """The course of a search: epochs spent and digest of each whole training, and the layouts as they began."""

    done: list[tuple[int, str]]
    begun: list[str]
    virtual: float


@cache
def config_of(table: str, space: str, data: str, sampler: str, rungs: str) -> Any:
    """A study over the table, with seed 0: what it takes to prepare it is the same for all seeds."""
    from archspec.documents.reader import Document
    from search.study.reading import parse_study

    task = task_of(table, space, data)
    study: dict[str, Any] = {
        "name": "rungs",
        "space": task.space,
        "evaluator": task.evaluator | {"nearest": True},
        "objectives": ["accuracy", "macs"],
        "sampler": {"type": sampler, "startup": STARTUP},
        "final": {"seeds": 0},
        "trials": len(load_table(table).rows),
    }
    if RUNGS[rungs] is not None:
        study["rungs"] = RUNGS[rungs]
    config = parse_study(Document(study, "benchmark"))
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
    order = drawn(job) if job.sampler in PEERS else ()
    start = time.process_time()
    if job.sampler in PEERS:
        found, virtual = _peer(job, order)
        done, begun, refused = found.done, found.begun, found.refused
    else:
        own = _ours(job)
        done, begun, virtual, refused = own.done, len(own.begun), own.virtual, 0
    return Run(job, score(job, done), len(done), begun, virtual, time.process_time() - start, refused)


@cache
def _drawn(table: str, space: str, data: str, seed: int) -> tuple[str, ...]:
    """The layouts of the table as the random sampler draws them; the few that a search of all never draws come last."""
    known = load_table(table)
    order = _ours(Job(table, space, data, "random", "none", 1, seed, known.epochs * len(known.rows))).begun
    left = [digest for digest in known.rows if digest not in order]
    return (*order, *(left[index] for index in np.random.default_rng(seed).permutation(len(left))))


def drawn(job: Job) -> tuple[str, ...]:
    """The layouts in the order in which a job's peer begins them."""
    return _drawn(job.table, job.space, job.data, job.seed)


def rungs_of(rungs: str, total: int) -> tuple[int, ...]:
    """Rungs in epochs, of trainings of so many."""
    return RungsSpec.model_validate(RUNGS[rungs]).resolve(total)


def _ours(job: Job) -> Searched:
    """A search of archspec."""
    with TemporaryDirectory() as folder:
        return _searched(job, Path(folder))


def _searched(job: Job, folder: Path) -> Searched:
    from optuna.storages import InMemoryStorage

    from archspec.spec.schema import ArchSpec
    from search.evaluator import Task
    from search.run.journal import open_study
    from search.run.proposals import SearchPhase
    from search.run.worker import Order, Report

    config = config_of(job.table, job.space, job.data, job.sampler, job.rungs).model_copy(update={"seed": job.seed})
    storage = InMemoryStorage()
    study = open_study(storage, "search", list(config.objectives), {})
    phase = SearchPhase(study, storage, config, config.open_space(), folder, trials=config.trials)
    session, total = config.evaluator.open(), load_table(job.table).epochs
    reached: dict[str, int] = {}
    done: list[tuple[int, str]] = []
    begun: list[str] = []

    def begin() -> tuple[float, Order] | None:
        order = phase.next_order()
        if order is None:
            return None
        task = Task(ArchSpec.model_validate(order.spec), order.seed, folder, folder, epochs=order.epochs)
        if order.digest not in begun:
            begun.append(order.digest)
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
    return Searched(done, begun, virtual)


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


def _peer(job: Job, order: Sequence[str]) -> tuple[Trainings, float]:
    """What came of a search by another scheduler, and its virtual time."""
    known, (_, losses, _) = load_table(job.table), scale(job.table)
    curves: dict[str, TrainedCurve] = {}
    for digest, rows in known.rows.items():
        curve = rows[job.seed % len(rows)].curve
        assert curve is not None
        curves[digest] = curve
    costs = dict(zip(known.rows, losses[:, 1].tolist(), strict=True))
    found = Trainings(order, curves, costs, rungs_of(job.rungs, known.epochs))
    return found, PEERS[job.sampler](found, job.seed, partial(_work, job))


def jobs_of(args: argparse.Namespace, peers: Sequence[str]) -> Iterator[Job]:
    """Every search that is asked for."""
    for workers in args.workers:
        for seed in range(args.seeds):
            for rungs in RUNGS:
                for sampler in (*args.samplers, *(peers if rungs != "none" else ())):
                    yield Job(args.table, args.space, args.data, sampler, rungs, workers, seed, args.epochs)


def show(runs: Sequence[Run]) -> None:
    """Print a table for each number of workers; differences are from the same sampler without rungs."""
    groups: dict[tuple[int, str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.job.workers, run.job.sampler, run.job.rungs), []).append(run)
    epochs = runs[0].job.epochs
    print(f"share of the table's hypervolume at {', '.join(f'{part * epochs:.0f}' for part in PARTS)} epochs: mean")
    print("of the last: difference from no rungs with the same sampler (peers: with random), 95 % interval, p (Holm)")
    for workers in dict.fromkeys(key[0] for key in groups):
        scores = {
            f"{sampler}, {rungs}": {run.job.seed: run.scores[-1] for run in of}
            for (count, sampler, rungs), of in groups.items()
            if count == workers
        }
        bases = {name: f"{'random' if name.split(',')[0] in PEERS else name.split(',')[0]}, none" for name in scores}
        tested = {one.row: one for one in compare(scores, {row: base for row, base in bases.items() if row != base})}
        print(f"\n{workers} virtual workers")
        places = "".join(f"{part * epochs:>8.0f}" for part in PARTS)
        print(f"{'sampler, rungs':23}{places}   whole begun  virtual s  CPU s")
        for (count, sampler, rungs), of in groups.items():
            if count != workers:
                continue
            name = f"{sampler}, {rungs}"
            means = np.mean([run.scores for run in of], axis=0)
            rest = [
                float(np.mean([getattr(run, field) for run in of])) for field in ("whole", "begun", "virtual", "cpu")
            ]
            line = f"{name:23}{''.join(f'{value:8.3f}' for value in means)}"
            line += f"{rest[0]:8.1f}{rest[1]:6.1f}{rest[2]:11.0f}{rest[3]:7.2f}"
            if (one := tested.get(name)) is not None:
                line += f"   {one.difference:+.3f} [{one.low:+.3f}, {one.high:+.3f}] {one.adjusted:.4f}"
            if refused := sum(run.refused for run in of):
                line += f"   no answer {refused / len(of):.1f} times a search: the worker waited"
            print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", default="five_stage_curves", help="a table with curves, seconds and codes")
    parser.add_argument("--space", default="", help="of the table, where that is not a shipped one")
    parser.add_argument("--data", default="", help="YAML file: the data set of the table, where that is no shipped one")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--epochs", type=int, help=f"that a search may spend; {TRAININGS} whole trainings if left out")
    parser.add_argument("--workers", type=int, nargs="+", default=list(WORKERS), help="virtual ones")
    parser.add_argument("--samplers", nargs="+", default=list(SAMPLERS))
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=PEERS, help="all that are installed")
    parser.add_argument("--processes", type=int, default=1)
    args = parser.parse_args()
    known = load_table(args.table)
    if not known.timed:
        raise SystemExit(f"table {args.table} lacks the seconds of every epoch (column seconds)")
    args.epochs = args.epochs or TRAININGS * known.epochs
    levels = {name: rungs_of(name, known.epochs) for name, asked in RUNGS.items() if asked is not None}
    print(f"{args.table}: {len(known.rows)} layouts; rungs: {', '.join(f'{k}: {v}' for k, v in levels.items())} epochs")
    missing = {peer: complaint(peer, list(levels.values())) for peer in args.peers}
    for peer, why in missing.items():
        if why:
            print(f"{peer} is left out: {why}")
    jobs = list(jobs_of(args, [peer for peer, why in missing.items() if not why]))
    start = time.perf_counter()
    with ProcessPoolExecutor(args.processes, mp_context=get_context("spawn")) as pool:
        runs = list(pool.map(search, jobs, chunksize=8))
    show(runs)
    cpu = sum(run.cpu for run in runs)
    print(f"\n{len(runs)} searches, {cpu:.0f} CPU s, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
