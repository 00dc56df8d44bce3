"""Train every layout of a space with several seeds and write the table: what `search/tables/` ships.

    python benchmarks/train_grid.py five_stage_grid --seeds 3 --workers 2 --out search/data/tables/five_stage_grid.csv

A row is appended as soon as its training ends, and what the table already holds is not trained again, so the command
can be interrupted and repeated. The rows are sorted at the end. About 8 CPU seconds a row.
"""

from __future__ import annotations

import argparse
import csv
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from archspec.cost.measure import measure
from archspec.spec.short_code import encode
from search.evaluator import Evaluator, parse_evaluator
from search.space.space import load_space

EVALUATOR = {"type": "train", "data": {"type": "cluttered_digits", "train": 2000}, "recipe": {"epochs": 3}}
METRICS = ("accuracy", "test_accuracy", "macs", "params", "activations", "saved_bytes")
COLUMNS = ("digest", "seed", *METRICS, "code")


@dataclass(frozen=True, slots=True)
class Job:
    """A layout and a seed."""

    params: dict[str, Any]
    space: str
    seed: int


@cache
def evaluator() -> Evaluator:
    """The evaluator, one per process."""
    return parse_evaluator(EVALUATOR)


@cache
def session() -> Any:
    """Its session, with the data in memory, one per process."""
    return evaluator().open()


def run(job: Job) -> dict[str, Any]:
    """Train one layout with one seed; its row."""
    from archspec.model.build import build
    from search.seeding import mix, seed_everything
    from search.train.loop import evaluate, train

    opened: Any = session()
    config = opened.config
    spec = config.prepare(load_space(job.space).decode(job.params))
    seed_everything(mix(job.seed, "init"))
    network = build(spec, init=config.init, zero_init_residual=config.zero_init_residual).to(opened.device)
    with TemporaryDirectory() as folder:
        result = train(
            network,
            opened.data,
            config.recipe,
            seed=job.seed,
            folder=Path(folder),
            fingerprint=spec.digest,
            stop=lambda: False,
            progress=lambda record: None,
        )
    score = evaluate(network, opened.data.test, device=opened.device, batch_size=4 * config.recipe.batch_size)
    cost = measure(spec)
    return {
        "digest": spec.digest,
        "seed": job.seed,
        "accuracy": round(result.val_accuracy, 6),
        "test_accuracy": round(score.accuracy, 6),
        **{name: getattr(cost, name) for name in METRICS[2:]},
        "code": encode(spec),
    }


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a table; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Replace the table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("space")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rows = read(args.out)
    known = {(row["digest"], int(row["seed"])) for row in rows}
    space = load_space(args.space)
    layouts = [(layout.params, evaluator().prepare(layout.spec).digest) for layout in space.enumerate()]
    jobs = [
        Job(params, args.space, seed)
        for seed in range(args.seeds)
        for params, digest in layouts
        if (digest, seed) not in known
    ]
    print(f"{len(layouts)} layouts, {args.seeds} seeds: {len(jobs)} rows to train, {len(rows)} known", flush=True)
    write(args.out, rows)
    with ProcessPoolExecutor(args.workers) as pool, args.out.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        for count, future in enumerate(as_completed([pool.submit(run, job) for job in jobs]), 1):
            writer.writerow(future.result())
            file.flush()
            if count % 20 == 0:
                print(f"{count} of {len(jobs)}", flush=True)
    order = {digest: index for index, (_, digest) in enumerate(layouts)}
    write(args.out, sorted(read(args.out), key=lambda row: (order[row["digest"]], int(row["seed"]))))


if __name__ == "__main__":
    main()
