"""Train layouts of a space with several seeds and write the table: what `search/data/tables/` ships.

    python benchmarks/train_grid.py five_stage_grid --seeds 3 --workers 2 --out search/data/tables/five_stage_grid.csv
    python benchmarks/train_grid.py five_stage_tiny --task curves --layouts 120 --seeds 2 \\
        --out search/data/tables/five_stage_curves.csv

A row is appended as soon as its training ends, and what the table already holds is not trained again, so the command
can be interrupted and repeated. The rows are sorted at the end. Without `--layouts` every layout of the space is
trained, else so many different ones, drawn uniformly. About 8 CPU seconds a row of the first, 16 of the second, which
holds the course of each training too: `accuracies` and `losses` of the validation split, `train_losses`, and `seconds`
of CPU, one number for each epoch; before the last they are of a twentieth of the validation images.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from archspec.cost.measure import measure
from archspec.cost.tables import MetricAt
from archspec.spec.schema import ArchSpec
from archspec.spec.short_code import encode
from search.budget.drawn_specs import draw
from search.evaluator import Evaluator, parse_evaluator
from search.space.encoding import Encoding
from search.space.space import Space, load_space

DATA = Path(__file__).with_name("curves.yaml")
TASKS: dict[str, dict[str, Any]] = {
    "digits": {"type": "train", "data": {"type": "cluttered_digits", "train": 2000}, "recipe": {"epochs": 3}},
    "curves": {
        "type": "train",
        "data": yaml.safe_load(DATA.read_text(encoding="utf-8")),
        "recipe": {"epochs": 18, "validation_share": 0.05},
    },
}
CURVED = ("curves",)
"""Tasks whose tables hold the course of each training."""
METRICS = ("accuracy", "test_accuracy", "macs", "params", "activations", "saved_bytes")
CURVES = ("accuracies", "losses", "train_losses", "seconds")


@dataclass(frozen=True, slots=True)
class Job:
    """A layout, as canonical data, and a seed; how it is trained: a task, with epochs of its own where given."""

    spec: dict[str, Any]
    seed: int
    task: str
    epochs: int | None


@cache
def evaluator(task: str, epochs: int | None = None) -> Evaluator:
    """The evaluator, one per process."""
    asked = TASKS[task]
    return parse_evaluator(asked | {"recipe": asked["recipe"] | ({} if epochs is None else {"epochs": epochs})})


@cache
def session(task: str, epochs: int | None) -> Any:
    """Its session, with the data in memory, one per process."""
    return evaluator(task, epochs).open()


def columns(task: str) -> tuple[str, ...]:
    """The columns of a task's table."""
    return ("digest", "seed", *METRICS, *(CURVES if task in CURVED else ()), "code")


def choose(space: Space, count: int | None) -> list[ArchSpec]:
    """Every layout of a space, or so many different ones, drawn uniformly; the first n of more are the same."""
    if count is None:
        return [layout.spec for layout in space.enumerate()]
    encoding = Encoding(space)
    return [one.spec for one in draw(encoding, encoding.chain((MetricAt("macs"),)), (), space.count(), count, seed=0)]


def run(job: Job) -> dict[str, Any]:
    """Train one layout with one seed; its row."""
    from archspec.model.build import build
    from search.seeding import mix, seed_everything
    from search.train.loop import evaluate, train

    opened: Any = session(job.task, job.epochs)
    config = opened.config
    spec = ArchSpec.model_validate(job.spec)
    seed_everything(mix(job.seed, "init"))
    network = build(spec, init=config.init, zero_init_residual=config.zero_init_residual).to(opened.device)
    clock = [time.process_time()]
    with TemporaryDirectory() as folder:
        result = train(
            network,
            opened.data,
            config.recipe,
            seed=job.seed,
            folder=Path(folder),
            fingerprint=spec.digest,
            stop=lambda: False,
            progress=lambda record: clock.append(time.process_time()),
        )
    score = evaluate(network, opened.data.test, device=opened.device, batch_size=4 * config.recipe.batch_size)
    cost = measure(spec)
    curves = {
        "accuracies": [record.val_accuracy for record in result.curve],
        "losses": [record.val_loss for record in result.curve],
        "train_losses": [record.train_loss for record in result.curve],
        "seconds": [after - before for before, after in pairwise(clock)],
    }
    return {
        "digest": spec.digest,
        "seed": job.seed,
        "accuracy": round(result.val_accuracy, 6),
        "test_accuracy": round(score.accuracy, 6),
        **{name: getattr(cost, name) for name in METRICS[2:]},
        **{name: " ".join(f"{value:.6g}" for value in values) for name, values in curves.items()},
        "code": encode(spec),
    }


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a table; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[dict[str, Any]], names: Sequence[str]) -> None:
    """Replace the table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("space")
    parser.add_argument("--task", choices=TASKS, default="digits")
    parser.add_argument("--layouts", type=int, help="so many, drawn uniformly; without it all")
    parser.add_argument("--epochs", type=int, help="instead of the task's")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rows, names = read(args.out), columns(args.task)
    known = {(row["digest"], int(row["seed"])) for row in rows}
    prepare = evaluator(args.task).prepare
    layouts = [prepare(spec) for spec in choose(load_space(args.space), args.layouts)]
    jobs = [
        Job(spec.canonical(), seed, args.task, args.epochs)
        for seed in range(args.seeds)
        for spec in layouts
        if (spec.digest, seed) not in known
    ]
    print(f"{len(layouts)} layouts, {args.seeds} seeds: {len(jobs)} rows to train, {len(rows)} known", flush=True)
    write(args.out, rows, names)
    with ProcessPoolExecutor(args.workers) as pool, args.out.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n", extrasaction="ignore")
        for count, future in enumerate(as_completed([pool.submit(run, job) for job in jobs]), 1):
            writer.writerow(future.result())
            file.flush()
            if count % 20 == 0:
                print(f"{count} of {len(jobs)}", flush=True)
    order = {spec.digest: index for index, spec in enumerate(layouts)}
    write(args.out, sorted(read(args.out), key=lambda row: (order[row["digest"]], int(row["seed"]))), names)


if __name__ == "__main__":
    main()
