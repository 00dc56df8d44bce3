"""Compare samplers on tables of trained layouts: hypervolume against trained layouts, over seeds; writes their page.

    python benchmarks/supernet_table.py --out benchmarks/five_stage_supernet.csv    # once
    python benchmarks/samplers.py --write docs/explain

Each run is a real search (`search.run.proposals.SearchPhase`, the Optuna samplers as a study gets them, duplicates
answered from the record), only that the table answers instead of a training. It sees one training of each layout, drawn
from its seed, and is scored by the mean over the table's seeds. `--keep FILE` keeps finished runs, so that the command
can be interrupted and repeated. About 20 CPU minutes for three tables, most of them in the Gaussian process, which has
fewer seeds for that; a table that is not there is left out, and the page says both.

`five_stage_grid` holds all layouts of its space. The others hold some of a large space, and then there are no others:
`random` and the start-up draw from the list, `exact` looks for its optimum in it, a proposal of `gp` or `tpe` is moved
to the nearest layout of the list that was not trained, of which they are told. `nsga2` has its children moved to the
list too; one that was trained is answered from the record. A table of one's own is compared on by
`--tables my.csv --space S --data DATA.yaml`.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from samplers_page import Section, write_page
from samplers_truth import Truth, measure_truth
from table_tasks import SUPERNET, TableTask, task_of

from search.data.trained_layouts import tables as shipped

SAMPLERS = ("exact", "gp", "tpe", "nsga2", "random")
TABLES = ("five_stage_grid", "five_stage_curves", SUPERNET)
STARTUP = 10


@dataclass(frozen=True, slots=True)
class Job:
    """One search."""

    space: str
    table: str
    sampler: str
    seed: int
    trials: int
    data: str = ""

    @property
    def task(self) -> TableTask:
        """The table with what is known of it."""
        return task_of(self.table, self.space, self.data)


@dataclass(frozen=True, slots=True)
class Run:
    """What one search did.

    Attributes:
        hypervolume: after 1, 2, ... trained layouts, of all of them, over that of the true front (0 to 1).
        reported: the same of the layouts alone that the search itself would report as its front.
        proposals: trials asked for, those answered from the record included.
        seconds: CPU time in the search: proposing, and noting answers.
    """

    job: Job
    hypervolume: list[float]
    reported: list[float]
    proposals: int
    seconds: float


@cache
def truth(table: str, space: str, data: str) -> Truth:
    """The scale of scores, once per process."""
    return measure_truth(task_of(table, space, data))


def search(job: Job) -> Run:
    """Run one search and score it."""
    scale = truth(job.table, job.space, job.data)
    with TemporaryDirectory() as folder:
        digests, seen, proposals, seconds = _trained(job, scale, Path(folder))
    rows = [scale.row[digest] for digest in digests]
    quality, reported = scale.histories(rows, np.asarray(seen))
    return Run(job, quality, reported, proposals, seconds)


def _trained(job: Job, scale: Truth, folder: Path) -> tuple[list[str], list[float], int, float]:
    """Digests in order of training, the accuracies that the search saw, trials asked for, CPU seconds."""
    from optuna.storages import InMemoryStorage

    from archspec.spec.schema import ArchSpec
    from search.evaluator import Task
    from search.run.journal import open_study
    from search.run.proposals import SearchPhase
    from search.run.worker import Report
    from search.space.space import load_space
    from search.study.config import StudyConfig

    space = load_space(job.task.space)
    config = StudyConfig.model_validate(
        {
            "space": space.template,
            "evaluator": job.task.evaluator,
            "objectives": ("accuracy", "macs"),
            "sampler": {"type": job.sampler, "startup": STARTUP},
            "trials": job.trials,
            "seed": job.seed,
        }
    )
    storage = InMemoryStorage()
    study = open_study(storage, "search", list(config.objectives), {})
    arm = SearchPhase(study, storage, config, space, folder, trials=job.trials)
    session = config.evaluator.open()
    digests: list[str] = []
    seen: list[float] = []
    seconds = 0.0
    while True:
        start = time.process_time()
        order = arm.next_order()
        seconds += time.process_time() - start
        if order is None:
            break
        task = Task(ArchSpec.model_validate(order.spec), order.seed, folder, folder)
        metrics = session.evaluate(task, lambda: False, lambda text: None)
        metrics["accuracy"] = scale.seen(order.digest, job.seed)
        start = time.process_time()
        arm.finish(order, Report("done", metrics=metrics))
        seconds += time.process_time() - start
        digests.append(order.digest)
        seen.append(float(metrics["accuracy"]))
    return digests, seen, len(study.get_trials(deepcopy=False)), seconds


def _kept(path: Path | None) -> Iterator[Run]:
    if path is None or not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        record: dict[str, Any] = json.loads(line)
        yield Run(Job(**record.pop("job")), **record)


def run_all(jobs: list[Job], workers: int, keep: Path | None) -> list[Run]:
    """Every search, in the order of `jobs`."""
    done = {run.job: run for run in _kept(keep)}
    left = [job for job in jobs if job not in done]
    print(f"{len(jobs)} searches, {len(jobs) - len(left)} known", flush=True)
    # One thread each: the workers share the machine, and results do not depend on their number.
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for count, future in enumerate(as_completed([pool.submit(search, job) for job in left]), 1):
            run = future.result()
            done[run.job] = run
            if keep is not None:
                with keep.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(run)) + "\n")
            print(
                f"{count} of {len(left)}: {run.job.table}, {run.job.sampler}, seed {run.job.seed}: "
                f"{run.hypervolume[-1]:.4f} after "
                f"{len(run.hypervolume)} layouts, {run.proposals} proposals, {run.seconds:.1f} CPU s",
                flush=True,
            )
    return [done[job] for job in jobs]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tables", nargs="+", default=list(TABLES), help="known ones, or CSV files")
    parser.add_argument("--space", default="", help="of a table that is not a known one")
    parser.add_argument("--data", default="", help="YAML file: the data set of a table that is not a known one")
    parser.add_argument("--samplers", nargs="+", default=list(SAMPLERS))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--gp-seeds", type=int, default=8, help="of gp, most of whose time is in proposing")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--write", type=Path, help="folder for samplers.md and samplers/; only printed if left out")
    args = parser.parse_args()
    tables, missing = [], []
    for table in args.tables:
        there = table in shipped() or Path(task_of(table, args.space, args.data).table).is_file()
        (tables if there else missing).append(table)
    jobs = [
        Job(args.space, table, sampler, seed, args.trials, args.data)
        for table in tables
        for sampler in args.samplers
        for seed in range(min(args.seeds, args.gp_seeds) if sampler == "gp" else args.seeds)
    ]
    runs = run_all(jobs, args.workers, args.keep)
    with TemporaryDirectory() as scratch:
        sections = [
            Section(
                Path(table).stem, truth(table, args.space, args.data), [asdict(r) for r in runs if r.job.table == table]
            )
            for table in tables
        ]
        page = write_page(args.write or Path(scratch), sections, missing, STARTUP)
        print(page.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
