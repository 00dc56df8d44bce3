"""Small layouts with windows and relative biases, blobs to train them on, and runs that hold their weights."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import torch
from torch import nn

from archspec.documents.reader import Document
from archspec.loader import dump, parse
from archspec.model.build import build
from archspec.model.network import Network
from archspec.spec.schema import ArchSpec
from search.data.dataset import Batch, DatasetSplit, Splits, batch_indices
from search.run.journal import open_storage, open_study
from search.seeding import seed_everything
from search.tasks.task import Normalisation
from search.train.checkpoint import save_checkpoint

WINDOWED: dict[str, Any] = {
    "resolution": 32,
    "stem": {"type": "patch_stem"},
    "stages": [
        {"block": {"type": "Swin", "window": 4}, "depth": 1, "width": 8, "heads": 2, "expansion": 2},
        {"block": "HR", "depth": 1, "width": 12, "expansion": 2, "downsample": "conv"},
    ],
    "head": {"type": "classifier", "classes": 3, "hidden": 24},
    "variants": {64: {"stages[0].window": 8}},
}
"""A swin-like stage, whose window is 4 at 32 px and 8 at 64 px, and one with batch norm."""


def layout(**changes: Any) -> ArchSpec:
    """`WINDOWED` with other fields."""
    return parse(Document({**WINDOWED, **changes}, "test"))


def network(spec: ArchSpec, seed: int = 7) -> Network:
    """A built layout whose tensors are all of them random, the statistics of batch norm too."""
    seed_everything(seed)
    model = build(spec, init="fan_out")
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.1 * torch.rand_like(tensor))
    return model


@final
class Blobs(DatasetSplit):
    """Three classes of noisy images, told apart by the brighter channel."""

    def __init__(self, count: int, seed: int, side: int = 32) -> None:
        self.labels = torch.arange(count) % 3
        self.images = 0.5 * torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))
        self.images[torch.arange(count), self.labels] += 1.0

    @property
    def normalisation(self) -> Normalisation:
        return Normalisation((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))

    def __len__(self) -> int:
        return len(self.labels)

    def batches(
        self, batch_size: int, *, seed: int, epoch: int, shuffle: bool, workers: int = 0, augment: bool = False
    ) -> Iterator[Batch]:
        for index in batch_indices(len(self), batch_size, seed=seed, epoch=epoch, shuffle=shuffle):
            yield self.images[index], self.labels[index]


def blobs(side: int = 32) -> Splits:
    """Splits of 36, 12 and 12 images."""
    return Splits(Blobs(36, 0, side), Blobs(12, 1, side), Blobs(12, 2, side))


def write_run(root: Path, *models: Network) -> list[str]:
    """A search in the folder `root` that trained these networks, as trials 0, 1, ...; the digests of their layouts."""
    root.mkdir(parents=True, exist_ok=True)
    study = open_study(open_storage(root), "search", ["accuracy"], {})
    for number, model in enumerate(models):
        digest = model.spec.digest
        write_training(root / "artifacts" / digest / "search-seed0", model)
        trial = study.ask()
        trial.set_user_attr("digest", digest)
        study.tell(trial, 0.5 + 0.1 * number)
    return [model.spec.digest for model in models]


def write_training(folder: Path, model: Network) -> None:
    """The checkpoint of a training whose average are the weights of `model`; those under training are others."""
    folder.mkdir(parents=True)
    (folder.parent / "spec.yaml").write_text(dump(model.spec))
    state = model.state_dict()
    live = {name: tensor + 1 for name, tensor in state.items()}
    whole = {"fingerprint": f"{model.spec.digest} x", "seed": 0, "recipe": "{}", "model": live, "ema": state}
    save_checkpoint(folder / "checkpoint.pt", whole)


def same(first: nn.Module, second: nn.Module, prefix: str = "") -> bool:
    """Whether two networks have the same tensors, of those whose names begin with `prefix`."""
    theirs = second.state_dict()
    names = [name for name in first.state_dict() if name.startswith(prefix)]
    return bool(names) and all(torch.equal(first.state_dict()[name], theirs[name]) for name in names)
