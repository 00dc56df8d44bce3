"""The score of a supernet as an estimate: its rank correlation with trainings of their own, beside MACs and params.

    python benchmarks/supernet.py                          # about 15 minutes of one core
    python benchmarks/supernet.py --epochs 2 --layouts 12  # a look

The layouts and their trainings are those of a table (two seeds each, trained to the end of its recipe); the supernets
are trained here, on the same data. Kendall's tau-b with 95 % bootstrap intervals over layouts; `partial` is what is
left of it given log MACs; the ceiling is what a perfect prediction would reach against means of two noisy trainings.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from table_tasks import TableTask, task_of

from archspec.loader import load
from archspec.model.build import build
from archspec.spec.schema import ArchSpec
from search.data.dataset import Dataset, Splits, parse_dataset
from search.data.trained_layouts import TABLES
from search.recipe.recipe import Recipe
from search.space.space import load_space
from search.supernet.plan import RECORD, SupernetPlan
from search.supernet.trained import TrainedSupernet, make_learner, train_supernet
from search.tasks.ema import Ema
from search.tasks.task import Student
from search.train.step import Stepper

TABLE = "five_stage_curves"
VALIDATION = 500
"""Images to score each layout on; the table's layouts were scored on more."""
ROWS: dict[str, dict[str, Any]] = {
    "one path (SPOS)": {"paths": 1, "sandwich": False, "distill": False},
    "sandwich": {"paths": 1, "sandwich": True, "distill": False},
    "sandwich, distilled": {"paths": 1, "sandwich": True, "distill": True},
}
RESAMPLED = 2000
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Layouts:
    """Layouts of the table: their specs, the accuracies of their trainings [layouts, seeds], MACs and parameters."""

    specs: list[ArchSpec]
    accuracies: Floats
    macs: Floats
    params: Floats


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", default=TABLE, help="a shipped table, or a CSV file")
    parser.add_argument("--space", default="", help="of the table, where that is not a shipped one")
    parser.add_argument("--data", default="", help="YAML file: the data set of the table, where that is no shipped one")
    parser.add_argument("--layouts", type=int, default=40, help="of the table, drawn at random; 0 for all")
    parser.add_argument("--epochs", type=int, default=8, help="of each supernet")
    parser.add_argument("--images", type=int, default=512, help="over which statistics are taken")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", nargs="*", default=list(ROWS), help=f"some of: {', '.join(ROWS)}")
    parser.add_argument("--train", type=int, help="training images, where fewer are to be used")
    args = parser.parse_args()
    torch.set_num_threads(1)
    task = task_of(args.table, args.space, args.data)
    dataset = images_of(task, VALIDATION, args.train)
    data, layouts = dataset.load(), read(args.table, args.layouts, dataset.fit, args.seed)
    print(f"{len(layouts.specs)} layouts of {args.table}, {layouts.accuracies.shape[1]} seeds")
    tell_truth(layouts)
    plan = make_plan(task, dataset, epochs=args.epochs, images=args.images, seed=args.seed)
    tell_steps(plan, data)
    print(f"\nsupernets, {args.epochs} epochs; score: tau [95 %], partial given log MACs [95 %]")
    for name in args.rows:
        tell_supernet(name, plan.model_copy(update=ROWS[name]), data, layouts)


def images_of(task: TableTask, validation: int, train: int | None = None) -> Dataset:
    """The data set of a task, with so many validation images, and training images where fewer are to be used."""
    return parse_dataset(task.data | {"validation": validation} | ({"train": train} if train else {}))


def make_plan(task: TableTask, dataset: Dataset, *, epochs: int, images: int, seed: int) -> SupernetPlan:
    """A supernet of one path a step over the space of a task.

    Args:
        task: of a table.
        dataset: that it is trained on.
        epochs: of the supernet.
        images: over which statistics are taken.
        seed: of the supernet.
    """
    return SupernetPlan(
        space=load_space(task.space).template,
        budget={},
        data=dataset,
        recipe=Recipe(epochs=epochs, validation_share=0.2),
        images=images,
        init="fan_out",
        zero_init_residual=True,
        seed=seed,
        **ROWS["one path (SPOS)"],
    )


def read(source: str, count: int, fit: Any, seed: int) -> Layouts:
    """So many layouts of a table, drawn at random."""
    path = TABLES.file(source) if source in TABLES.names() else Path(source)
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
        rows[row["digest"]].append(row)
    digests = sorted(rows)
    if count:
        digests = [digests[place] for place in sorted(np.random.default_rng(seed).permutation(len(digests))[:count])]
    specs: list[ArchSpec] = []
    for digest in digests:
        spec = fit(load(rows[digest][0]["code"]))
        if spec.digest != digest:
            raise SystemExit(f"{source}: layout {digest} reads as {spec.digest}: of another resolution or head")
        specs.append(spec)
    seeds = min(len(rows[digest]) for digest in digests)
    found = [sorted(rows[digest], key=lambda row: int(row["seed"]))[:seeds] for digest in digests]

    def column(name: str) -> Floats:
        return np.array([float(own[0][name]) for own in found])

    accuracies = np.array([[float(row["accuracy"]) for row in own] for own in found])
    return Layouts(specs, accuracies, column("macs"), column("params"))


def tell_truth(layouts: Layouts) -> None:
    """Print the spread of the trainings, what costs alone say of them, and the ceiling."""
    accuracies, truth = layouts.accuracies, layouts.accuracies.mean(1)
    print(f"accuracy: between layouts sd {truth.std(ddof=1):.4f}, from {truth.min():.3f} to {truth.max():.3f}")
    if accuracies.shape[1] > 1:
        noise = float(accuracies.var(1, ddof=1).mean())
        print(f"between seeds sd {noise**0.5:.4f}; one seed against another: {tau(*accuracies.T[:2]):.3f}")
        print(f"ceiling: a perfect prediction would reach {ceiling(truth, noise / accuracies.shape[1]):.3f}")
    for name, cost in (("MACs", layouts.macs), ("params", layouts.params)):
        print(f"{name} alone: {tau(cost, truth):.3f} {show(interval(cost, truth))}")


def ceiling(truth: Floats, noise: float, draws: int = 500) -> float:
    """The tau of true qualities against noisy means, simulated: true ones spread as the means less their noise.

    Args:
        truth: means over seeds.
        noise: variance of a mean over seeds.
        draws: simulations.
    """
    share = max(0.0, 1 - noise / float(truth.var(ddof=1)))
    true, rng = truth.mean() + share**0.5 * (truth - truth.mean()), np.random.default_rng(0)
    return float(np.mean([tau(true, true + rng.normal(0, noise**0.5, len(true))) for _ in range(draws)]))


def tell_steps(plan: SupernetPlan, data: Splits, layouts: int = 8, rounds: int = 6) -> None:
    """Print the CPU time of steps of a supernet over those of the plain networks of the same layouts, interleaved."""
    device = torch.device("cpu")
    learner = make_learner(plan, data, device)
    shared = sum(parameter.numel() for parameter in learner.parameters())
    specs = [plan.draws.draw(plan.seed, number, 1)[0] for number in range(layouts)]
    plain = [build(spec, init="fan_out", zero_init_residual=True) for spec in specs]
    steppers = [stepper(network, plan.recipe, data) for network in plain]
    mine = stepper(learner, plan.recipe, data)
    images, labels = next(data.train.batches(plan.recipe.batch_size, seed=0, epoch=0, shuffle=True))
    seconds: dict[str, list[float]] = {"plain": [], "supernet": []}
    for turn in range(rounds):
        for number, own in enumerate(steppers):
            for name, one in (("plain", own), ("supernet", mine)):
                start = time.process_time()
                one[0].learn(one[1].step(images, labels, 0, number), 1e-3, number)
                if turn:  # the first round builds views
                    seconds[name].append(time.process_time() - start)
    ratio = sum(seconds["supernet"]) / sum(seconds["plain"])
    print(
        f"\na step of one path beside one of the plain network, {plan.recipe.batch_size} images: {ratio:.2f} times",
        end="",
    )
    print(f" ({median(seconds['supernet']) * 1e3:.0f} and {median(seconds['plain']) * 1e3:.0f} ms)")
    largest = sum(parameter.numel() for parameter in build(plan.draws.largest, init="skip", device="meta").parameters())
    print(f"shared parameters: {shared:,}; the layout with the most MACs has {largest:,}")


def stepper(network: Any, recipe: Recipe, data: Splits) -> tuple[Stepper, Any]:
    """The steps of a training, and the lessons that it takes."""
    network.train()
    taken = Stepper(network, recipe, torch.device("cpu"))
    student = Student(network, Ema(network, recipe.ema_decay), taken.autocast, torch.channels_last)
    return taken, data.train.supervision.lesson(recipe, 0, student)


def tell_supernet(name: str, plan: SupernetPlan, data: Splits, layouts: Layouts) -> None:
    """Train a supernet, score the layouts by it, and print what the scores say."""
    device = torch.device("cpu")
    with TemporaryDirectory() as place:
        folder = Path(place)
        plan.write(folder)
        assert (folder / RECORD).exists()
        start = time.process_time()
        result = train_supernet(plan, data, device, folder=folder, stop=lambda: False, progress=lambda record: None)
        trained = time.process_time() - start
        supernet = TrainedSupernet(folder, data, device)
        start = time.process_time()
        scores = [supernet.score(spec) for spec in layouts.specs]
        each = (time.process_time() - start) / len(scores)
    truth, cost = layouts.accuracies.mean(1), np.log(layouts.macs)
    last = result.curve[-1]
    print(f"{name}: {trained:.0f} CPU s, {each:.2f} a layout; its largest layout {last.val_accuracy:.3f}")
    for kind, values in (
        ("minus loss", np.array([-score.loss for score in scores])),
        ("accuracy", np.array([score.accuracy for score in scores])),
    ):
        whole = f"{tau(values, truth):.3f} {show(interval(values, truth))}"
        left = f"{partial(values, truth, cost):.3f} {show(interval(values, truth, cost))}"
        print(f"  {kind:<10}  {whole}   partial {left}   sd {values.std(ddof=1):.4f}")


def tau(first: Floats, second: Floats) -> float:
    """Kendall's tau-b."""
    one, two = signs(first), signs(second)
    scale = float((one**2).sum() * (two**2).sum()) ** 0.5
    return float((one * two).sum()) / scale if scale else 0.0


def partial(first: Floats, second: Floats, given: Floats) -> float:
    """Kendall's partial rank correlation of two variables given a third."""
    both, one, two = tau(first, second), tau(first, given), tau(second, given)
    scale = ((1 - one**2) * (1 - two**2)) ** 0.5
    return (both - one * two) / scale if scale else 0.0


def signs(values: Floats) -> Floats:
    """The order of each pair [values, values]: -1, 0 or 1."""
    return np.sign(values[:, None] - values[None])


def interval(first: Floats, second: Floats, given: Floats | None = None) -> tuple[float, float]:
    """The 95 % bootstrap interval of `tau`, or of `partial`, over layouts."""
    rng, found = np.random.default_rng(0), list[float]()
    for _ in range(RESAMPLED):
        drawn = rng.integers(len(first), size=len(first))
        own = (first[drawn], second[drawn])
        found.append(tau(*own) if given is None else partial(*own, given[drawn]))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def show(ends: tuple[float, float]) -> str:
    return f"[{ends[0]:.2f}, {ends[1]:.2f}]"


if __name__ == "__main__":
    main()
