"""Fine-tuning at twice the resolution, from a layout that a run trained, against training there from scratch.

    python benchmarks/finetuning.py [--seeds 5] [--train 1200] [--pretrain 12] [--epochs 3] [--lr 0.004]

For each seed: the layout is trained on cluttered digits of 64 px (12 epochs), and fine-tuned at 128 px (3 epochs) by
`init: {weights: ...}`. From scratch it is trained at 128 px twice: (a) for as many epochs as the fine-tuning, which is
its CPU time where a search has trained the layout anyway; (b) for the CPU time of both steps together, in whole epochs,
of which it gets one more where they do not come out even. The learning rate is 4e-3 for all, that of the shipped
defaults. One thread.
"""

import argparse
import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, final

import torch
from convergence import t_quantile

from archspec.cost.measure import measure
from archspec.loader import dump, load
from archspec.spec.schema import ArchSpec
from search.data.dataset import Splits, parse_dataset
from search.recipe.recipe import Recipe
from search.seeding import mix, seed_everything
from search.train.loop import evaluate, train
from search.weights.initial import Drawn, InitialWeights, begin
from search.weights.reading import read_weights

CODE = "HR1x8e2-HR1x16e2-CFFN1x24e2-T1x32h2e2-T1x48h2e2-classifier:classes=10:hidden=64@64"
CPU = torch.device("cpu")


@final
@dataclass(frozen=True)
class Training:
    """Test accuracy (%) and CPU seconds of a training, and where it is kept."""

    accuracy: float
    seconds: float
    folder: Path


def run(
    spec: ArchSpec, data: Splits, recipe: Recipe, seed: int, folder: Path, init: Drawn | InitialWeights
) -> Training:
    """Train a layout as a search does."""
    weights = read_weights(init.weights) if isinstance(init, InitialWeights) else None
    seed_everything(mix(seed, "init"))
    network = begin(spec, init, zero_init_residual=True, weights=weights).network
    folder.mkdir(parents=True)
    (folder.parent / "spec.yaml").write_text(dump(spec))
    start = time.process_time()
    options: dict[str, Any] = {"stop": lambda: False, "progress": lambda record: None}  # pyright: ignore
    train(network, data, recipe, seed=seed, folder=folder, fingerprint=spec.digest, **options)
    seconds = time.process_time() - start
    score = evaluate(network, data.test, device=CPU, batch_size=256)
    return Training(100 * score.accuracy, seconds, folder)


def summary(name: str, values: list[float]) -> str:
    """Mean, standard deviation over seeds, and the 95 % interval of the mean."""
    mean, sd = fmean(values), stdev(values)
    half = t_quantile(0.975, len(values) - 1) * sd / math.sqrt(len(values))
    return f"{name:<44} {mean:7.2f}  sd {sd:5.2f}  95 % interval {mean - half:+.2f} to {mean + half:+.2f}"


def main() -> None:
    """Train all and print a line per seed, then the paired differences."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--train", type=int, default=1200, help="training scenes")
    parser.add_argument("--pretrain", type=int, default=12, help="epochs at 64 px")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of fine-tuning at 128 px")
    parser.add_argument("--lr", type=float, default=4e-3, help="learning rate of the fine-tuning")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    small, large = (
        parse_dataset({"type": "cluttered_digits", "resolution": side, "train": asked.train}).load()
        for side in (64, 128)
    )
    spec = load(CODE)
    macs = [measure(spec.at(side)).macs / 1e6 for side in (64, 128)]
    print(f"{CODE}: {measure(spec).params:,} parameters, {macs[0]:.1f} and {macs[1]:.1f} M MACs at 64 and 128 px")
    print("test accuracy in % (CPU s): seed, trained at 64, fine-tuned at 128, scratch (a), scratch (b)", flush=True)
    rows: list[tuple[Training, Training, Training, Training]] = []
    scratch = Recipe(epochs=asked.epochs, warmup_epochs=0.5)
    tuned = Recipe(epochs=asked.epochs, warmup_epochs=0.5, lr=asked.lr)
    with tempfile.TemporaryDirectory() as root:
        for seed in range(asked.seeds):
            place = Path(root) / str(seed)
            first = run(spec, small, Recipe(epochs=asked.pretrain), seed, place / "a" / "search", "fan_out")
            wide = spec.at(128)
            init = InitialWeights(weights=str(first.folder))
            second = run(wide, large, tuned, seed, place / "b" / "search", init)
            third = run(wide, large, scratch, seed, place / "c" / "search", "fan_out")
            epoch = third.seconds / asked.epochs
            longer = scratch.model_copy(update={"epochs": asked.epochs + math.ceil(first.seconds / epoch)})
            fourth = run(wide, large, longer, seed, place / "d" / "search", "fan_out")
            rows.append((first, second, third, fourth))
            cells = "  ".join(f"{one.accuracy:6.2f} ({one.seconds:5.1f})" for one in rows[-1])
            print(f"{seed:4}  {cells}  (b) of {longer.epochs} epochs", flush=True)
    print(summary("trained at 64 px", [row[0].accuracy for row in rows]))
    print(summary("fine-tuned at 128 px", [row[1].accuracy for row in rows]))
    print(summary("scratch (a), CPU time of the fine-tuning", [row[2].accuracy for row in rows]))
    print(summary("scratch (b), CPU time of both steps", [row[3].accuracy for row in rows]))
    print(summary("fine-tuned minus scratch (a)", [row[1].accuracy - row[2].accuracy for row in rows]))
    print(summary("fine-tuned minus scratch (b)", [row[1].accuracy - row[3].accuracy for row in rows]))


if __name__ == "__main__":
    main()
