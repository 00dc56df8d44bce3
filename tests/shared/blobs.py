"""A training that takes a moment: three classes of noisy images, and a small network."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, final

import torch
from torch import nn

from search.data.dataset import Batch, DatasetSplit, Splits, batch_indices
from search.recipe.recipe import Recipe
from search.seeding import seed_everything
from search.train.loop import TrainResult, train

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=3, batch_size=16, lr=3e-3, warmup_epochs=0.5)


@final
class Blobs(DatasetSplit):
    """Three classes of noisy images, told apart by the brighter channel."""

    def __init__(self, count: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.labels = torch.arange(count) % 3
        self.images = 0.5 * torch.randn(count, 3, 8, 8, generator=generator)
        self.images[torch.arange(count), self.labels] += 1.0
        self.reads = 0

    def __len__(self) -> int:
        return len(self.labels)

    def batches(
        self, batch_size: int, *, seed: int, epoch: int, shuffle: bool, workers: int = 0, augment: bool = False
    ) -> Iterator[Batch]:
        self.reads += 1
        for index in batch_indices(len(self), batch_size, seed=seed, epoch=epoch, shuffle=shuffle):
            yield self.images[index], self.labels[index]


def blobs() -> Splits:
    return Splits(Blobs(96, 0), Blobs(48, 1), Blobs(48, 2))


def network() -> nn.Module:
    """With batch norm (buffers) and dropout (draws from the global generator)."""
    seed_everything(7)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.GELU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(128, 3)
    )


def run(model: nn.Module, folder: Path, recipe: Recipe = RECIPE, **changes: Any) -> TrainResult:
    options: dict[str, Any] = {
        "seed": 0,
        "folder": folder,
        "fingerprint": "f",
        "stop": lambda: False,
        "progress": lambda _record: None,  # pyright: ignore
    }
    return train(model, changes.pop("data", None) or blobs(), recipe, **(options | changes))


def stop_after(calls: int) -> Callable[[], bool]:
    remaining = [calls]

    def stop() -> bool:
        remaining[0] -= 1
        return remaining[0] < 0

    return stop


def same_weights(first: nn.Module, second: nn.Module) -> bool:
    theirs = second.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in first.state_dict().items())
