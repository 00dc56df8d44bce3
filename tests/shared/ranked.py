"""Trainings that processes run together, each a function of a module, so that it travels to them."""

import os
import time
from pathlib import Path
from typing import Any

import torch
from small_layouts import Blobs, layout
from torch import nn

from archspec.model.build import build
from search.data.dataset import Splits
from search.processes.elastic import Rank
from search.recipe.recipe import Recipe
from search.seeding import seed_everything
from search.train.loop import train
from search.train.parallel.ranks import current_ranks, join_ranks, leave_ranks

CPU = torch.device("cpu")


def plain() -> nn.Module:
    """A network without batch norm and without anything that layers draw."""
    seed_everything(7)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.GELU(), nn.Flatten(), nn.Linear(2048, 3))


def normalised() -> nn.Module:
    """The same with batch norm and dropout."""
    seed_everything(7)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.GELU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(2048, 3)
    )


def taught() -> nn.Module:
    """A built layout without batch norm, whose head an average may teach."""
    seed_everything(7)
    stages = [{"block": {"type": "Swin", "window": 4}, "depth": 1, "width": 8, "heads": 2, "expansion": 2}]
    return build(layout(stages=stages, head={"type": "pooled_classifier", "classes": 3}, variants={}), init="vit")


NETWORKS = {"plain": plain, "normalised": normalised, "taught": taught}
RECIPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "parts": {"accumulate": 3},
    "mixed": {"mixup": 0.8, "cutmix": 1.0, "erasing": 0.5, "randaugment": {"ops": 2, "magnitude": 5}},
    "mixed parts": {"mixup": 0.8, "erasing": 0.5, "accumulate": 2},
    "distilled": {"distill": 0.5, "mixup": 0.8},
    "normalised": {},
}
"""Recipes by their name; the last two are for networks of their own."""


def run_training(name: str, folder: Path, epochs: int = 2, rank: Rank | None = None) -> dict[str, Any]:
    """Train by the recipe of a name; weights, average at the last checkpoint and curve."""
    torch.set_num_threads(1)
    fields = {"epochs": 4, "batch_size": 14, "lr": 2e-3, **RECIPES[name]}
    recipe = Recipe.model_validate(fields).pausing(epochs)
    model = NETWORKS.get(name, NETWORKS["taught"] if name == "distilled" else plain)()
    data = Splits(Blobs(50, 0), Blobs(15, 1), Blobs(12, 2))
    result = train(
        model,
        data,
        recipe,
        seed=0,
        folder=folder / name,
        fingerprint="f",
        stop=rank.stopping if rank else lambda: False,
        progress=lambda record: rank.say((rank.number, record.epoch)) if rank else None,
    )
    curve = [(row.train_loss, row.val_loss, row.val_accuracy) for row in result.curve]
    return {"weights": model.state_dict(), "curve": curve}


def train_all(rank: Rank, asked: tuple[Any, ...]) -> list[list[dict[str, Any]]]:
    """Every training of some names, one after the other, as each process has it in the end.

    Args:
        rank: of this process.
        asked: the names, the folder, and how many epochs to train.
    """
    names, folder, *epochs = asked
    join_ranks(CPU)
    try:
        found = [run_training(name, folder, *epochs, rank=rank) for name in names]
        return [current_ranks().gather_objects(one) for one in found]
    finally:
        leave_ranks()


def raise_in_second(rank: Rank, error: BaseException) -> None:
    """Fail in one process while the other one waits."""
    if rank.number == 1:
        raise error
    time.sleep(60)


def leave_in_second(rank: Rank, asked: None) -> None:
    """Leave in one process while the other one waits."""
    del asked
    if rank.number == 1:
        os._exit(7)
    time.sleep(60)
