"""Does EMA distillation help? One network with and without it, everything else the same, paired by seed.

    python benchmarks/distillation.py --seeds 5 --epochs 10

The `tiny` preset on `cluttered_digits` with the recipe `small`, scored on the test split after the last epoch. Both
trainings of a seed share initial weights, order, augmentation and mixing. This says something about small trainings,
and nothing about ImageNet.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any

from convergence import t_quantile

from archspec.loader import load
from archspec.model.build import build
from search.evaluator import parse_evaluator
from search.recipe.recipe import Recipe, parse_recipe
from search.seeding import mix, seed_everything
from search.train.loop import evaluate, train


def accuracy(opened: Any, recipe: Recipe, seed: int) -> float:
    """Test accuracy, in %, of one training."""
    config = opened.config
    spec = config.prepare(load("tiny"))
    seed_everything(mix(seed, "init"))
    network = build(spec, init=config.init, zero_init_residual=config.zero_init_residual).to(opened.device)
    with TemporaryDirectory() as folder:
        train(
            network,
            opened.data,
            recipe,
            seed=seed,
            folder=Path(folder),
            fingerprint=spec.digest,
            stop=lambda: False,
            progress=lambda record: None,
        )
    return 100 * evaluate(network, opened.data.test, device=opened.device, batch_size=4 * recipe.batch_size).accuracy


def summary(name: str, values: list[float]) -> str:
    """Mean, deviation and the 95 % interval of the mean of `values`, as far as their number allows."""
    text = f"{name:<12} mean {mean(values):7.2f}"
    if len(values) > 1:
        text += f"   sd {stdev(values):5.2f}"
    if len(values) > 4:  # below, the approximation of the quantile is too coarse
        half = t_quantile(0.975, len(values) - 1) * stdev(values) / math.sqrt(len(values))
        text += f"   95 % interval {mean(values) - half:.2f} to {mean(values) + half:.2f}"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--train", type=int, default=2500, help="training scenes")
    parser.add_argument("--alpha", type=float, default=0.5)
    args = parser.parse_args()
    opened: Any = parse_evaluator({"type": "train", "data": {"type": "cluttered_digits", "train": args.train}}).open()
    base = {"base": "small", "epochs": args.epochs}
    plain, taught = (parse_recipe({**base, "distill": alpha}) for alpha in (None, args.alpha))
    print(f"tiny, cluttered_digits ({args.train} scenes), {args.epochs} epochs of `small`, alpha {args.alpha:g}")
    print("test accuracy in %: seed, without distillation, with, difference", flush=True)
    pairs: list[tuple[float, float]] = []
    for seed in range(args.seeds):
        pairs.append((accuracy(opened, plain, seed), accuracy(opened, taught, seed)))
        without, with_teacher = pairs[-1]
        print(f"{seed:4} {without:8.2f} {with_teacher:8.2f} {with_teacher - without:+8.2f}", flush=True)
    print(summary("without", [first for first, _ in pairs]))
    print(summary("with", [second for _, second in pairs]))
    print(summary("difference", [second - first for first, second in pairs]))


if __name__ == "__main__":
    main()
