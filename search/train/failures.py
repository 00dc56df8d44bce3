"""Failures that end a training early: each in one line that says where, and what to try."""

import math
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from archspec.errors import RunError
from search.recipe.recipe import Recipe
from search.train.memory import describe_need

LOWEST_SCALE = 2.0**-10
"""Loss scale of fp16 below which gradients overflow whatever it is; it starts at 65,536 and halves at each overflow."""


@final
class Diverged(RunError):  # noqa: N818
    """The loss is no longer a finite number."""


@final
class OutOfMemory(RunError):  # noqa: N818
    """The network at this batch size does not fit into the device's memory."""


@final
@dataclass(frozen=True, slots=True)
class Place:
    """A point of a training: epoch and step from 1, the steps of an epoch, the learning rate, images of the batch."""

    epoch: int
    step: int
    steps: int
    lr: float
    batch: int

    def __str__(self) -> str:
        where = f"in epoch {self.epoch}, step {self.step} of {self.steps}"
        return f"{where}, at learning rate {self.lr:.3g}, on a batch of {self.batch}"


def check_loss(loss: Tensor, place: Place, images: Tensor, recipe: Recipe, dtype: torch.dtype | None) -> None:
    """Refuse a loss that is not finite; waits for the device.

    Args:
        loss: of the batch.
        place: where the training is.
        images: the batch, as the network saw it.
        recipe: how it is trained.
        dtype: the 16-bit type of forward and backward, or None.

    Raises:
        Diverged: with the likeliest cause, and what to try.
    """
    value = loss.item()
    if math.isfinite(value):
        return
    if not images.isfinite().all().item():
        raise Diverged(f"the loss is {value} {place}: the images of the batch are not finite numbers themselves")
    raise Diverged(f"the loss is {value} {place}: {_advice(recipe, dtype)}")


def check_scale(scale: float, place: Place) -> None:
    """Refuse a loss scale of fp16 at which nothing is learnt.

    Raises:
        Diverged: every step has overflowed for long.
    """
    if scale < LOWEST_SCALE:
        fallen = f"the loss scale of fp16 has fallen to {scale:.2g} {place}"
        raise Diverged(f"{fallen}: gradients overflow at every step, though the loss is finite; try precision: bf16")


def check_epoch(train_loss: float, validation_loss: float, epoch: int, recipe: Recipe) -> None:
    """Refuse an epoch whose losses are not finite.

    Raises:
        Diverged: as `check_loss`.
    """
    if not math.isfinite(train_loss + validation_loss):
        losses = f"the loss is {train_loss:.4g} in training and {validation_loss:.4g} in validation"
        raise Diverged(f"{losses} after epoch {epoch}: {_advice(recipe, None)}")


def _advice(recipe: Recipe, dtype: torch.dtype | None) -> str:
    if dtype is torch.float16:
        return "fp16 holds nothing above 65,504: try precision: bf16 or float32, or a lower lr"
    tries = [f"lr: {recipe.lr / 4:.2g}"]
    tries += [] if recipe.clip_grad else ["clip_grad: 1"]
    tries += [] if recipe.warmup_epochs else ["warmup_epochs: 1"]
    tries += ["precision: float32"] if dtype is torch.bfloat16 else []
    return f"try {' or '.join(tries)}"


@contextmanager
def explained(model: nn.Module, recipe: Recipe, device: torch.device) -> Generator[None]:
    """Inside, what torch raises for want of memory, of a deterministic kernel or of a compiler becomes one line.

    Raises:
        OutOfMemory: of any device; not all have a class for it.
        RunError: the recipe asks for a kernel, or for code of the compiler's, that there is not.
    """
    try:
        yield
    except (MemoryError, RuntimeError, NotImplementedError) as error:
        text = str(error)
        first = text.strip().partition("\n")[0]
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in text or _ran_out(text):
            need = describe_need(model, recipe, device)
            raise OutOfMemory(f"out of memory on {device} at batch size {recipe.batch_size}{need}") from error
        if recipe.deterministic and "deterministic" in text:
            raise RunError(f"recipe.deterministic: {first}: deterministic: false allows it") from error
        if recipe.compile and type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise RunError(f"recipe.compile: {type(error).__name__}: {first}: compile: false trains as well") from error
        raise


def _ran_out(text: str) -> bool:
    return "out of memory" in text
