"""What conducting a run costs as it grows: 1,000 virtual workers, trainings of 10 minutes, beside plain Optuna.

    python benchmarks/conductor.py                                   # the whole table: about 15 CPU minutes
    python benchmarks/conductor.py --trials 1000 --samplers random   # one cell

Each cell begins with a journal of so many finished trials and 1,000 under way, as a run that was interrupted there
leaves it. The same trials stand in a journal of plain Optuna's (`JournalStorage`, `JournalFileBackend`), without what a
run records beside. Then

- both are opened in a process of their own: seconds and peak memory (resident, less what was resident before);
- 1,000 workers are busy, and each answer that comes in is noted and answered by a proposal: ours by the conductor of a
  run with all that it does beside (spec files, progress, estimate, status), plain by `tell`, `ask` and `suggest_*` of
  the same parameters with the same sampler (tpe with the same options). For `exact`, which Optuna lacks, plain is tpe.

Times are of the CPU and per proposal (tpe proposes layouts again, which the record answers at once), those of the
journal per answer; a cell ends after `--count` answers or `--limit` CPU seconds. Answers come in virtual
time and their making is not counted. The two sides take turns, cell by cell.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial

from archspec.cost.metrics import exact_metrics
from archspec.cost.tables import MetricAt
from archspec.documents.reader import Document
from archspec.files.journal_lines import JournalFile
from archspec.spec.schema import ArchSpec
from search.budget.confined_samplers import distribution
from search.evaluator import cost_metrics
from search.evaluators.function import FunctionEvaluator
from search.logger import LoggedRun
from search.monitor.display import ProgressDisplay
from search.monitor.estimate import RunPart, TimeEstimate
from search.monitor.run_log import RunLog
from search.monitor.status import StatusBoard
from search.run.conductor import Conductor
from search.run.journal import open_storage, open_study
from search.run.pools.pool import Pool
from search.run.proposals import SearchPhase, suggest_option
from search.run.worker import Order, Report
from search.space.encoding import Encoding
from search.study.config import StudyConfig
from search.study.reading import parse_study

WORKERS, SECONDS = 1000, 600.0
OBJECTIVES = ["accuracy", "macs"]
SAMPLERS = ("random", "tpe", "exact")
EVALUATOR = FunctionEvaluator().bind(lambda spec, seed: {"accuracy": 0.5})
"""Never asked: virtual workers answer."""
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Begun:
    """A trial as both journals hold it: its parameters, what a run notes of it, and its answer."""

    kinds: dict[str, str]
    params: dict[str, float]
    noted: dict[str, Any]
    values: list[float]


@dataclass(frozen=True, slots=True)
class Cell:
    """Figures of one side at one size.

    Attributes:
        asked, seconds: proposals, and CPU time; a proposal that the record answers at once is one, too.
        entries, bytes, syncs: in the journal, and waits for the disk in all, per answer.
        opened, memory: seconds, and MiB, to open the journal.
    """

    asked: int
    seconds: float
    entries: float
    bytes: float
    syncs: float
    opened: float
    memory: float

    def __str__(self) -> str:
        rate = self.asked / self.seconds if self.seconds else 0.0
        return (
            f"{rate:9.1f} {1000 * self.seconds / max(1, self.asked):9.1f} {self.asked:6d} {self.entries:8.1f} "
            f"{self.bytes:8,.0f} {self.syncs:7.1f} {self.opened:8.1f} {self.memory:8.0f}"
        )


HEADER = "trials/s  ms/trial  asked  entries    bytes  fsyncs  reopen s  its MiB"


@final
class Syncs:
    """Counts waits for the disk."""

    def __init__(self) -> None:
        self.count, self._real = 0, os.fsync
        os.fsync = self._sync

    def _sync(self, descriptor: int) -> None:
        self.count += 1
        self._real(descriptor)


class EnoughError(Exception):
    """The cell has what it needs."""


@final
class VirtualWorkers(Pool):
    """Workers of which the next one to end answers at once; its CPU time is told apart."""

    def __init__(self, size: int, count: int, limit: float) -> None:
        self.size, self.count, self.limit = size, count, limit
        self.answered, self.apart, self.begun = 0, 0.0, 0.0
        self._rng = np.random.default_rng(0)
        self._heap: list[tuple[float, int, Order]] = []
        self._now, self._number = 0.0, 0

    def __enter__(self) -> VirtualWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        self._heap.clear()

    @property
    def idle(self) -> int:
        return self.size - len(self._heap)

    @property
    def busy(self) -> int:
        return len(self._heap)

    def submit(self, order: Order) -> None:
        ends = self._now + SECONDS * self._rng.uniform(0.5, 1.5)
        heapq.heappush(self._heap, (ends, self._number, order))
        self._number += 1

    def reports(self, timeout: float) -> Iterator[tuple[Order, Report]]:
        if not self.begun:
            self.begun = time.process_time()
        if self.answered == self.count or time.process_time() - self.begun > self.limit:
            raise EnoughError
        before = time.process_time()
        self._now, _, order = heapq.heappop(self._heap)
        metrics = cost_metrics(ArchSpec.model_validate(order.spec))
        metrics |= {"accuracy": accuracy_of(self._rng, metrics["macs"]), "train_seconds": SECONDS}
        self.answered += 1
        self.apart += time.process_time() - before
        yield order, Report("done", metrics=metrics)

    def stop(self) -> None:
        pass


def accuracy_of(rng: np.random.Generator, macs: float) -> float:
    """A made-up accuracy: more with cost, and noise."""
    return float(0.4 + 0.03 * np.log(macs) - 0.3 + 0.02 * rng.standard_normal())


def pose(sampler: str) -> StudyConfig:
    """The study of a cell."""
    asked: dict[str, Any] = {"name": "scale", "space": "five_stage", "trials": 1_000_000, "final": {"seeds": 0}}
    asked |= {"objectives": OBJECTIVES, "sampler": {"type": sampler}, "evaluator": EVALUATOR}
    return parse_study(Document(asked, ""))


def draw(count: int) -> list[Begun]:
    """Trials at random, with costs as they are, and digests and codes of the size that they have."""
    space, rng = pose("random").open_space(), np.random.default_rng(1)
    encoding = Encoding(space)
    names = [metric.name for metric in exact_metrics()]
    chain = encoding.chain([MetricAt(name, 224) for name in names])
    rows = np.stack([rng.integers(0, options, 2 * count + 100) for options in encoding.options], axis=1)
    prices = chain.price(rows)
    texts: dict[str, tuple[BaseDistribution, str]] = {}
    for slot in encoding.slots:
        kind = distribution(slot)
        texts[slot.path] = (kind, distribution_to_json(kind))
    found = list[Begun]()
    for row, price in zip(rows[prices[:, 0] >= 0], prices[prices[:, 0] >= 0].tolist(), strict=True):
        params, costs = encoding.params(row), dict(zip(names, price, strict=True))
        noted = {"arm": "model", "digest": f"{len(found):016x}", "code": "x" * 100, "seed": 0, **costs}
        values = [accuracy_of(rng, costs["macs"]), float(costs["macs"])]
        internal = {path: float(texts[path][0].to_internal_repr(value)) for path, value in params.items()}
        found.append(Begun({path: texts[path][1] for path in params}, internal, noted, values))
        if len(found) == count:
            break
    return found


def times(number: int) -> tuple[str, str]:
    """When a trial began and ended."""
    begun = EPOCH + timedelta(seconds=number)
    return begun.isoformat(timespec="microseconds"), (begun + timedelta(seconds=SECONDS)).isoformat(
        timespec="microseconds"
    )


def write_ours(root: Path, begun: Sequence[Begun], finished: int) -> None:
    """A run with the first `finished` trials answered and the others under way."""
    root.mkdir(parents=True)
    open_study(open_storage(root), "search", OBJECTIVES, {"objectives": OBJECTIVES})
    lines, entries = JournalFile(root / "journal.log"), list[dict[str, Any]]()
    list(lines.read())
    for number, one in enumerate(begun):
        start, end = times(number)
        fields = {"distributions": one.kinds, "params": one.params, "user_attrs": one.noted, "datetime_start": start}
        entries.append({"op_code": 4, "worker_id": "w-1", "study_id": 0, **fields})
        if number < finished:
            for name, value in {"accuracy": one.values[0], "train_seconds": SECONDS, "audited": False}.items():
                entries.append({"op_code": 8, "worker_id": "w-1", "trial_id": number, "user_attr": {name: value}})
            told = {"state": 1, "values": one.values, "datetime_complete": end}
            entries.append({"op_code": 6, "worker_id": "w-1", "trial_id": number, **told})
    lines.append(entries)


def write_plain(path: Path, begun: Sequence[Begun], finished: int) -> None:
    """The same as Optuna writes it."""
    path.parent.mkdir(parents=True)
    storage = JournalStorage(JournalFileBackend(str(path)))
    optuna.create_study(storage=storage, study_name="search", directions=["maximize", "minimize"])
    with path.open("a") as file:
        for number, one in enumerate(begun):
            start, end = times(number)
            entries: list[dict[str, Any]] = [{"op_code": 4, "worker_id": "w-1", "study_id": 0, "datetime_start": start}]
            for name, value in one.params.items():
                known = {"param_name": name, "param_value_internal": value, "distribution": one.kinds[name]}
                entries.append({"op_code": 5, "worker_id": "w-1", "trial_id": number, **known})
            if number < finished:
                told = {"state": 1, "values": one.values, "datetime_complete": end}
                entries.append({"op_code": 6, "worker_id": "w-1", "trial_id": number, **told})
            file.writelines(json.dumps(entry, separators=(",", ":")) + "\n" for entry in entries)


def reopen(path: Path, *, ours: bool) -> tuple[float, float]:
    """Seconds of CPU and MiB to open a journal; in a process of its own."""
    config = pose("random")
    before, begun = _resident("VmRSS"), time.process_time()
    if ours:
        storage = open_storage(path.parent)
        study = open_study(storage, "search", OBJECTIVES, {"objectives": OBJECTIVES})
        SearchPhase(study, storage, config, config.open_space(), path.parent, trials=config.trials)
    else:
        study = optuna.load_study(study_name="search", storage=JournalStorage(JournalFileBackend(str(path))))
        assert study.get_trials(deepcopy=False)
    spent = time.process_time() - begun
    return spent, _resident("VmHWM") - before


def _resident(field: str) -> float:
    """MiB of this process, now (`VmRSS`) or at most (`VmHWM`)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def measure(path: Path, *, ours: bool, sampler: str, count: int, limit: float, opened: tuple[float, float]) -> Cell:
    """One side of a cell."""
    syncs = Syncs()
    run = conduct if ours else ask_and_tell
    trials, seconds, before, waited = run(path, sampler, count, limit, syncs)
    data = path.read_bytes()[before:]
    per, asked = max(1, trials), data.count(b'"op_code":4,')
    return Cell(asked, seconds, data.count(b"\n") / per, len(data) / per, waited / per, *opened)


def conduct(path: Path, sampler: str, count: int, limit: float, syncs: Syncs) -> tuple[int, float, int, int]:
    """Trials, their CPU seconds, the journal's size before, and waits: of the conductor."""
    config, root = pose(sampler), path.parent
    storage = open_storage(root)
    study = open_study(storage, "search", OBJECTIVES, {"objectives": OBJECTIVES})
    phase = SearchPhase(study, storage, config, config.open_space(), root, trials=config.trials)
    marks = [0, 0]
    pool = VirtualWorkers(WORKERS, count, limit)
    real = pool.reports

    def reports(timeout: float) -> Iterator[tuple[Order, Report]]:
        if not pool.begun:
            marks[:] = [path.stat().st_size, syncs.count]
        return real(timeout)

    pool.reports = reports
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere), ProgressDisplay("scale") as screen:
        estimate = TimeEstimate(WORKERS, [RunPart("search", config.trials)])
        conductor = Conductor(
            pool,
            screen,
            RunLog((), LoggedRun("scale", "search", root, "", {}, "accuracy", config.objectives, {})),
            estimate,
            StatusBoard(root, "local"),
            storage,
        )
        with suppress(EnoughError):
            conductor.run(phase)
    spent = time.process_time() - pool.begun - pool.apart
    return pool.answered, spent, marks[0], syncs.count - marks[1]


def ask_and_tell(path: Path, sampler: str, count: int, limit: float, syncs: Syncs) -> tuple[int, float, int, int]:
    """The same of plain Optuna."""
    space, rng = pose("random").open_space(), np.random.default_rng(0)
    study = optuna.load_study(study_name="search", storage=JournalStorage(JournalFileBackend(str(path))))
    kinds: dict[str, BaseSampler] = {"random": RandomSampler(seed=0)}
    if sampler != "random":
        kinds[sampler] = TPESampler(n_startup_trials=10, multivariate=True, group=True, constant_liar=True, seed=0)
    study.sampler = kinds[sampler]
    running = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
    heap: list[tuple[float, int, int]] = [(SECONDS * rng.uniform(0.5, 1.5), one.number, one.number) for one in running]
    heapq.heapify(heap)
    before, waits, begun, done = path.stat().st_size, syncs.count, time.process_time(), 0
    while done < count and time.process_time() - begun < limit:
        now, _, number = heapq.heappop(heap)
        study.tell(number, [float(rng.uniform()), float(rng.integers(10**6, 10**9))])
        trial: Trial = study.ask()
        space.choose(lambda hole, own=trial: suggest_option(own, hole))
        heapq.heappush(heap, (now + SECONDS * rng.uniform(0.5, 1.5), trial.number, trial.number))
        done += 1
    return done, time.process_time() - begun, before, syncs.count - waits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="*", default=[1000, 5000, 20000], help="finished before")
    parser.add_argument("--samplers", nargs="*", default=list(SAMPLERS), choices=SAMPLERS)
    parser.add_argument("--count", type=int, default=500, help="trials to measure")
    parser.add_argument("--limit", type=float, default=40.0, help="CPU seconds of each side of a cell")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    begun = draw(max(options.trials) + WORKERS)
    print(
        f"{WORKERS:,} virtual workers, trainings of {SECONDS / 60:.0f} min; CPU time; Python {sys.version.split()[0]}"
    )
    print(f"{'trials':>7} {'sampler':>8} {'side':>6}  {HEADER}")
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        for size in options.trials:
            known: dict[bool, tuple[float, float]] = {}
            for sampler in options.samplers:
                for ours in (True, False):
                    with TemporaryDirectory() as folder:
                        path = Path(folder) / "scale" / "journal.log"
                        trials = begun[:size] + begun[-WORKERS:]
                        write_ours(path.parent, trials, size) if ours else write_plain(path, trials, size)
                        if ours not in known:
                            kept = path.read_bytes()
                            known[ours] = pool.submit(reopen, path, ours=ours).result()
                            path.write_bytes(kept)
                        asked = {"sampler": sampler, "count": options.count, "limit": options.limit}
                        cell = pool.submit(measure, path, ours=ours, opened=known[ours], **asked).result()
                    side = "ours" if ours else "plain"
                    print(f"{size:7,} {sampler:>8} {side:>6}  {cell}", flush=True)


if __name__ == "__main__":
    main()
