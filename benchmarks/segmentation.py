"""Segmentation of digit scenes: the shipped small layouts, trained from scratch, against answering ground everywhere.

    python benchmarks/segmentation.py [--presets tiny-hiri-seg ...] [--epochs 5] [--seed 0]

One thread per training, as in a search. It fails where a layout stays below three times the baseline.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import torch

from archspec.cost.measure import measure
from archspec.loader import load
from archspec.model.build import build
from search.data.dataset import DatasetSplit, parse_dataset
from search.recipe.recipe import Recipe
from search.seeding import mix, seed_everything
from search.train.curve import EpochRecord
from search.train.loop import evaluate, train

PRESETS = ("tiny-hiri-seg", "tiny-hrvit-seg", "tiny-hrformer-seg")
CPU = torch.device("cpu")


def baseline(split: DatasetSplit) -> float:
    """mIoU of an answer that says ground at every pixel."""
    tally = split.supervision.tally(CPU)
    for images, masks in split.batches(64, seed=0, epoch=0, shuffle=False):
        answer = torch.zeros(len(images), 11, 1, 1)
        answer[:, 0] = 1
        tally.add(answer, masks)
    return tally.score().accuracy


def main() -> int:
    """Train, print a table, and say by the exit code whether every layout passes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", nargs="+", default=PRESETS)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    data = parse_dataset("digit_scenes")
    splits = data.load()
    floor = baseline(splits.test)
    recipe = Recipe(epochs=asked.epochs, batch_size=8, label_smoothing=0)
    print(f"ground only: {100 * floor:.2f} % mIoU on {len(splits.test)} test scenes", flush=True)
    passed = True
    for name in asked.presets:
        spec = data.fit(load(name))
        seed_everything(mix(asked.seed, "init"))
        network = build(spec, init="fan_out", zero_init_residual=True)
        start, work = time.perf_counter(), time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            train(
                network,
                splits,
                recipe,
                seed=asked.seed,
                folder=Path(folder),
                fingerprint=spec.digest,
                stop=lambda: False,
                progress=show,
            )
        wall, work = time.perf_counter() - start, time.process_time() - work
        score = evaluate(network, splits.test, device=CPU, batch_size=64).accuracy
        cost = measure(spec)
        passed &= score >= 3 * floor
        print(
            f"{name}: {cost.params / 1e3:.0f} k parameters, {cost.macs / 1e6:.1f} M MACs, {100 * score:.1f} % mIoU, "
            f"{score / floor:.1f} times the baseline, {wall:.0f} s ({work:.0f} s of CPU)",
            flush=True,
        )
    return 0 if passed else 1


def show(record: EpochRecord) -> None:
    """A line per epoch on stderr."""
    print(f"  epoch {record.epoch}: loss {record.train_loss:.3f}, mIoU {record.val_accuracy:.3f}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
