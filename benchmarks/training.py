"""The training loop beside timm's own pieces, and where the time of a trial goes.

    python benchmarks/training.py [--models tiny:64:48 ...] [--rounds 7] [--steps 6]
    python benchmarks/training.py --profile [--study demo] [--layouts 6]

The first trains the same network on the same images, in turns within one process: an epoch by our loop, an epoch by
timm's loader, Mixup, AdamW, cosine schedule, gradient clipping and ModelEmaV3, put together as in timm's `train.py`
without an accelerator. It states images per CPU second, the median over rounds of their paired ratio, and the growth of
each one's peak memory, which is measured in a process of its own. One thread, channels last, Mixup and CutMix, float32.
It needs timm, and exits with 1 where a ratio misses its goal.

The second trains layouts of a study's space as one worker does, and states which share of a trial its parts take, in
CPU seconds. It exits with 1 where forward, backward and optimiser take less than 88 %.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from training_profile import profile
from training_timm import TimmArm

from archspec.edits.edit import edit
from archspec.loader import load
from archspec.model.build import build
from search.data.dataset import Splits
from search.data.tensor_split import TensorSplit
from search.recipe.recipe import Recipe
from search.seeding import seed_everything
from search.train.loop import _Run

MODELS = ("tiny:64:48", "resnet-50:64:16", "swin-t:64:16")
SPEED, MEMORY = 1.0, 1.05
"""Goals: images per CPU second at least, and growth of peak memory at most, of timm's."""
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Case:
    """A network, the side of its images in pixels, and images per batch."""

    name: str
    resolution: int
    batch: int

    @staticmethod
    def parse(text: str) -> Case:
        """`swin-t:64:16`."""
        name, resolution, batch = text.split(":")
        return Case(name, int(resolution), int(batch))

    def network(self) -> nn.Module:
        """The network with the same weights whenever it is asked for."""
        seed_everything(7)
        spec = load(self.name)
        blocks = [
            f"stages[{one}].blocks[{two}]" for one, stage in enumerate(spec.stages) for two in range(len(stage.blocks))
        ]
        if self.name.startswith("swin"):  # its windows are larger than the maps of small images
            spec = edit(spec, {f"{block}.window_fit": "shrink" for block in blocks})
        return build(spec.at(self.resolution), init="fan_out")

    def images(self, steps: int) -> tuple[Tensor, Tensor]:
        """Random images (N, 3, H, W) uint8 and labels (N,) for an epoch of that many steps."""
        generator = torch.Generator().manual_seed(0)
        shape = (steps * self.batch, 3, self.resolution, self.resolution)
        return torch.randint(256, shape, dtype=torch.uint8, generator=generator), torch.arange(shape[0]) % 10


class OurArm:
    """Epochs of our loop, without validation and checkpoint."""

    def __init__(self, case: Case, steps: int) -> None:
        images, labels = case.images(steps)
        split = TensorSplit(images, labels, mean=0.5, std=0.25, reach=4)
        recipe = Recipe(batch_size=case.batch, mixup=0.8, cutmix=1, epochs=50)
        self.run = _Run(case.network(), Splits(split, split, split), recipe, 0, CPU, lambda: False)

    def epoch(self) -> None:
        """One pass."""
        self.run._learn()


def arm(kind: str, case: Case, steps: int) -> Any:
    """The loop called `ours` or `timm`."""
    return OurArm(case, steps) if kind == "ours" else TimmArm(case.network(), *case.images(steps), case.batch)


def seconds(one: Any) -> float:
    """CPU seconds of an epoch."""
    start = time.process_time()
    one.epoch()
    return time.process_time() - start


def growth(kind: str, case: Case, steps: int) -> float:
    """MiB by which the peak memory of a process grows that begins such a training and does one epoch."""
    ours, theirs = multiprocessing.Pipe()

    def work() -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        arm(kind, case, steps).epoch()
        theirs.send((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{kind} on {case.name} ended with {process.exitcode}")
    return ours.recv()


def compare(case: Case, memory: dict[str, float], rounds: int, steps: int) -> bool:
    """Print a row on both loops; whether both goals are met."""
    arms = [arm(kind, case, steps) for kind in ("ours", "timm")]
    for one in arms:
        one.epoch()
    # Whoever goes second finds other caches: the order changes from round to round.
    pairs = [
        tuple(map(seconds, arms)) if number % 2 else tuple(map(seconds, arms[::-1]))[::-1] for number in range(rounds)
    ]
    images = steps * case.batch
    speed, grown = median(theirs / ours for ours, theirs in pairs), memory["ours"] / memory["timm"]
    rates = [images / median(pair[side] for pair in pairs) for side in (0, 1)]
    print(
        f"{case.name:12s} {case.resolution:4d} {case.batch:5d} {rates[0]:9.1f} {rates[1]:9.1f} {speed:7.3f}"
        f" {memory['ours']:9.0f} {memory['timm']:9.0f} {grown:7.3f}",
        flush=True,
    )
    return speed >= SPEED and grown <= MEMORY


def main() -> int:
    """Compare or profile, and say by the exit code whether the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS, help="NAME:PIXELS:BATCH")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--study", default="demo")
    parser.add_argument("--layouts", type=int, default=6)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.profile:
        with tempfile.TemporaryDirectory() as folder:
            return 0 if profile(asked.study, asked.layouts, Path(folder)) else 1
    print(f"{'network':12s} {'px':>4s} {'batch':>5s} {'images/s':>9s} {'timm':>9s} {'ratio':>7s}", end="")
    print(f" {'MiB':>9s} {'timm':>9s} {'ratio':>7s}")
    cases = [Case.parse(text) for text in asked.models]
    # First of all: a process that has trained hands on memory that its children then need not ask for.
    grown = [{kind: growth(kind, case, min(asked.steps, 3)) for kind in ("ours", "timm")} for case in cases]
    met = [compare(case, memory, asked.rounds, asked.steps) for case, memory in zip(cases, grown, strict=True)]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
