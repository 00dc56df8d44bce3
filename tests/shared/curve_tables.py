"""Small tables with curves: layouts of `five_stage_grid`, whose accuracy, course and seconds are made up."""

import csv
from pathlib import Path

from archspec.cost.measure import measure
from archspec.spec.short_code import encode
from search.space.space import load_space

COLUMNS = ("digest", "seed", "accuracy", "test_accuracy", "accuracies", "losses", "train_losses", "seconds", "code")


def write_curves(path: Path, every: int = 9, epochs: int = 3, seeds: int = 2, without: tuple[str, ...] = ()) -> Path:
    """A table of every n-th of the 216 layouts: larger ones take longer, learn later, and end higher."""
    columns = [name for name in COLUMNS if name not in without]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        for index, layout in enumerate(list(load_space("five_stage_grid").enumerate())[::every]):
            macs = measure(layout.spec).macs
            for seed in range(seeds):
                end = 0.4 + macs / 1e7 + 0.01 * seed + 0.0001 * index
                course = [round(end * (epoch + 1) / epochs, 6) for epoch in range(epochs)]
                record = {
                    "digest": layout.spec.digest,
                    "seed": seed,
                    "accuracy": course[-1],
                    "test_accuracy": round(end - 0.05, 6),
                    "accuracies": numbers(course),
                    "losses": numbers(1 - one for one in course),
                    "train_losses": numbers(0.9 - one for one in course),
                    "seconds": numbers(macs / 1e6 + 0.001 * index for _ in course),
                    "code": encode(layout.spec),
                }
                writer.writerow(record)
    return path


def numbers(values) -> str:
    return " ".join(f"{value:.6g}" for value in values)
