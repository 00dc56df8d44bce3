"""Write a table of a supernet's scores, in the format of `train_grid.py`: any sampler can be compared on it.

    python benchmarks/supernet_table.py --out benchmarks/five_stage_supernet.csv
    python benchmarks/samplers.py --tables five_stage_supernet

Layouts are drawn uniformly from the space of a table. A supernet for each seed is trained on the task of that table,
and scores all of them on the same validation images. So the two rows of a layout differ by what the training of a
supernet leaves to chance, as two trainings of a layout do. The short code stands in the first row of each layout. About
5 CPU minutes for 500 layouts and two supernets.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from supernet import ROWS, images_of, make_plan
from table_curves import describe
from table_tasks import task_of
from train_grid import choose

from archspec.cost.measure import measure
from archspec.spec.schema import ArchSpec
from archspec.spec.short_code import encode
from search.data.dataset import Splits
from search.space.space import load_space
from search.supernet.plan import SupernetPlan
from search.supernet.trained import TrainedSupernet, train_supernet

COLUMNS = ("digest", "seed", "accuracy", "macs", "params", "code")


def score(plan: SupernetPlan, data: Splits, layouts: list[ArchSpec]) -> NDArray[np.float64]:
    """Train a supernet and score layouts by it, [layouts]."""
    device, start = torch.device("cpu"), time.process_time()
    with TemporaryDirectory() as place:
        folder = Path(place)
        plan.write(folder)
        train_supernet(plan, data, device, folder=folder, stop=lambda: False, progress=lambda record: None)
        trained = time.process_time()
        supernet = TrainedSupernet(folder, data, device)
        scores = np.array([supernet.score(spec).accuracy for spec in layouts])
    print(
        f"seed {plan.seed}: {trained - start:.0f} CPU s to train, {time.process_time() - trained:.0f} to score; "
        f"accuracies {scores.min():.3f} to {scores.max():.3f}",
        flush=True,
    )
    return scores


def write(path: Path, layouts: list[ArchSpec], scores: NDArray[np.float64]) -> None:
    """Write the table.

    Args:
        path: of the file.
        layouts: as the data set has them.
        scores: accuracies [layouts, seeds].
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for spec, row in zip(layouts, scores, strict=True):
            cost = measure(spec)
            for seed, value in enumerate(row):
                code = "" if seed else encode(spec)
                writer.writerow([spec.digest, seed, round(float(value), 6), cost.macs, cost.params, code])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", default="five_stage_curves", help="whose task the supernets are trained on")
    parser.add_argument("--space", default="", help="of the table, where that is not a shipped one")
    parser.add_argument("--data", default="", help="YAML file: the data set of the table, where that is no shipped one")
    parser.add_argument("--layouts", type=int, default=500, help="drawn uniformly")
    parser.add_argument("--seeds", type=int, default=2, help="supernets")
    parser.add_argument("--row", choices=ROWS, default="one path (SPOS)", help="how they are trained")
    parser.add_argument("--epochs", type=int, default=40, help="of each supernet")
    parser.add_argument("--images", type=int, default=64, help="over which statistics are taken")
    parser.add_argument("--validation", type=int, default=300, help="images to score on")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    task = task_of(args.table, args.space, args.data)
    dataset = images_of(task, args.validation)
    data = dataset.load()
    layouts = [dataset.fit(spec) for spec in choose(load_space(task.space), args.layouts)]
    columns: list[NDArray[np.float64]] = []
    for seed in range(args.seeds):
        plan = make_plan(task, dataset, epochs=args.epochs, images=args.images, seed=seed)
        columns.append(score(plan.model_copy(update=ROWS[args.row]), data, layouts))
    scores = np.stack(columns, axis=1)
    write(args.out, layouts, scores)
    print(f"{args.out}: {len(layouts)} layouts, {args.seeds} supernets; {describe(scores)}")
    print(f"{time.process_time():.0f} CPU s")


if __name__ == "__main__":
    main()
