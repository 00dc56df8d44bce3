"""Images per CPU second of the loader of image folders beside timm's, on the same folder of generated JPEGs.

    python benchmarks/loader.py [--images 2000] [--rounds 5] [--workers 0 2]

Both crop a random part to 224 pixels (bicubic), mirror half of the images, and give normalised float32 batches of 64.
timm's loader runs with and without its prefetcher, and the faster one counts. Rounds are interleaved, their order
turns; the CPU time of the processes that decode is counted. It fails where the loader is slower than timm's.
"""

import argparse
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peers import peer
from PIL import Image, ImageDraw

from search.data.images.source import FileSource
from search.data.images.split import Framing, ImageSplit
from search.recipe.recipe import parse_recipe

SIDE, LONGER, BATCH, CLASSES, QUALITY = 224, 500, 64, 10, 90
CPU = torch.device("cpu")

Loader = Callable[[Path, int, int], Iterator[Any]]
"""Batches of a folder, by the number of processes and the epoch."""


def paint(seed: int) -> Image.Image:
    """An image of 500 pixels: smooth ground, shapes with edges, a little grain."""
    rng, draw = np.random.default_rng(seed), random.Random(seed)
    shorter = draw.choice((333, 375, 400, 500))
    size = (LONGER, shorter) if draw.random() < 0.75 else (shorter, LONGER)
    ground = Image.fromarray(rng.integers(40, 216, (6, 8, 3)).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(ground)
    for _ in range(12):
        corners = [(draw.randrange(size[0]), draw.randrange(size[1])) for _ in range(3)]
        pen.polygon(corners, fill=tuple(draw.randrange(256) for _ in range(3)))
    grain = rng.normal(0, 6, (size[1], size[0], 1))
    return Image.fromarray((np.asarray(ground) + grain).clip(0, 255).astype(np.uint8))


def fill(root: Path, count: int) -> None:
    """Class folders of `count` JPEGs in all."""
    for number in range(count):
        folder = root / f"class{number % CLASSES}"
        folder.mkdir(exist_ok=True)
        paint(number).save(folder / f"{number:05}.jpg", quality=QUALITY)


def ours(root: Path, workers: int, epoch: int, *, draft: bool = False) -> Iterator[Any]:
    """One epoch of this project's loader."""
    files = sorted(str(path.relative_to(root)) for path in root.glob("*/*.jpg"))
    source = FileSource(root, files, [int(file[5]) for file in files])
    recipe = parse_recipe({"workers": workers})
    split = ImageSplit(source, Framing(SIDE, 0.875, 0.08, True, draft)).configured(recipe, CPU)
    yield from split.batches(BATCH, seed=0, epoch=epoch, shuffle=True, workers=workers, augment=True)


def ours_draft(root: Path, workers: int, epoch: int) -> Iterator[Any]:
    """One epoch of this project's loader with `draft: true`."""
    yield from ours(root, workers, epoch, draft=True)


def timms(prefetcher: bool) -> Loader:
    """timm's loader with the same transform."""
    data = peer("timm.data")

    def read(root: Path, workers: int, epoch: int) -> Iterator[Any]:
        torch.manual_seed(epoch)
        yield from data.create_loader(
            data.create_dataset("", str(root)),
            input_size=(3, SIDE, SIDE),
            batch_size=BATCH,
            is_training=True,
            scale=(0.08, 1.0),
            color_jitter=0.0,
            interpolation="bicubic",
            num_workers=workers,
            persistent_workers=workers > 0,
            use_prefetcher=prefetcher,
            device=CPU,
        )

    return read


def cpu_seconds() -> float:
    """CPU time of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def measure(loader: Loader, root: Path, workers: int, epoch: int) -> tuple[float, float]:
    """Images per CPU second and per second of one epoch."""
    start, work, count = time.perf_counter(), cpu_seconds(), 0
    for images, _ in loader(root, workers, epoch):
        count += len(images)
        assert images.shape[1:] == (3, SIDE, SIDE)
        assert images.dtype == torch.float32
    return count / (cpu_seconds() - work), count / (time.perf_counter() - start)


def main() -> int:
    """Measure, print a table, and say by the exit code whether the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    loaders: dict[str, Loader] = {"archspec": ours, "archspec, draft": ours_draft}
    loaders |= {"timm": timms(prefetcher=False), "timm, prefetcher": timms(prefetcher=True)}
    met = True
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        fill(root, asked.images)
        size = sum(path.stat().st_size for path in root.glob("*/*.jpg"))
        print(f"{asked.images} JPEGs of {LONGER} px, {size / asked.images / 1024:.0f} KiB each", flush=True)
        for workers in asked.workers:
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in loaders}
            for turn in range(asked.rounds + 1):
                names = list(loaders)[turn % len(loaders) :] + list(loaders)[: turn % len(loaders)]
                for name in names:
                    speed = measure(loaders[name], root, workers, turn)
                    if turn:  # the first round fills caches
                        found[name].append(speed)
            print(f"\nworkers {workers}: images per CPU second (per second), median of {asked.rounds}")
            for name, speeds in found.items():
                per_cpu, per_second = (statistics.median(column) for column in zip(*speeds, strict=True))
                print(f"  {name:18} {per_cpu:7.1f}  ({per_second:.1f})", flush=True)
            fastest = [
                max(one[0] for one in pair) for pair in zip(found["timm"], found["timm, prefetcher"], strict=True)
            ]
            ratios = [one[0] / peer for one, peer in zip(found["archspec"], fastest, strict=True)]
            ratio = statistics.median(ratios)
            print(f"  archspec over the faster of timm's: {ratio:.3f} ({min(ratios):.3f} to {max(ratios):.3f})")
            met &= ratio >= 1
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
