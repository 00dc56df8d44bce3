"""The training loop: one network, one recipe, one seed; stoppable, and bit-identical when resumed."""

import math
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from archspec.errors import Interrupted, RunError
from search.data.dataset import DatasetSplit, Splits
from search.recipe.recipe import Recipe
from search.seeding import mix, restore_rng, rng_state, seed_everything
from search.tasks.ema import Ema
from search.tasks.task import Answer, Score, Student
from search.train.checkpoint import damaged, load_checkpoint, save_checkpoint
from search.train.curve import EpochRecord, write_curve
from search.train.freezing import freeze, hold
from search.train.optimizer import autocast_dtype, make_optimizer, memory_format

CHECK_LOSS_EVERY = 25  # steps between looks at the loss where a look waits for the device


@final
class Diverged(RunError):  # noqa: N818
    """The loss is no longer a finite number."""


@final
class OutOfMemory(RunError):  # noqa: N818
    """The network at this batch size does not fit into the device's memory."""


@final
@dataclass(frozen=True)
class TrainResult:
    """The result of a finished run: its last epoch's validation quality (not the best one, which would flatter)."""

    val_accuracy: float
    curve: list[EpochRecord]
    seconds: float
    epochs: int


def default_device() -> torch.device:
    """The accelerator that torch sees, or the CPU."""
    if torch.accelerator.is_available():
        return torch.accelerator.current_accelerator() or torch.device("cpu")
    return torch.device("cpu")


def evaluate(
    model: nn.Module,
    split: DatasetSplit,
    *,
    device: torch.device,
    batch_size: int,
    workers: int = 0,
    watch: Callable[[Answer, Tensor], None] | None = None,
) -> Score:
    """Score `model` on every image of `split`, in evaluation mode and float32; the model's mode is restored.

    `watch` is shown the answer to each batch and its labels, on the device.
    """
    training, layout = model.training, memory_format(device)
    model.eval()
    tally = split.supervision.tally(device)
    with torch.no_grad():
        for images, labels in split.batches(batch_size, seed=0, epoch=0, shuffle=False, workers=workers):
            target = labels.to(device, non_blocking=True)
            answer = model(images.to(device, memory_format=layout, non_blocking=True))
            tally.add(answer, target)
            if watch is not None:
                watch(answer, target)
    model.train(training)
    return tally.score()


def train(
    model: nn.Module,
    data: Splits,
    recipe: Recipe,
    *,
    seed: int,
    folder: Path,
    fingerprint: str,
    stop: Callable[[], bool],
    progress: Callable[[EpochRecord], None],
) -> TrainResult:
    """Train `model` in place on `data.train`, scored each epoch on `data.validation`; `data.test` is never read.

    Runs on the device that holds the weights of `model`.
    `folder` receives `checkpoint.pt` and `curve.csv` after every epoch. Where it holds a checkpoint of this run (same
    fingerprint, seed and recipe) the run continues from it and ends with the weights of an uninterrupted run: bit for
    bit on a CPU with the same number of threads. `stop` is asked before every step; `progress` gets new epochs only.
    On return the model holds the averaged weights and is in evaluation mode.

    Raises:
        Diverged: the loss is not finite.
        OutOfMemory: the device's memory does not suffice.
        Interrupted: `stop` said so; the checkpoint of the last whole epoch is there.
        RunError: the checkpoint is damaged or another run's; it is kept.
        FieldError: the recipe asks for what these labels or this head do not allow.
    """
    folder.mkdir(parents=True, exist_ok=True)
    device = next(model.parameters()).device
    data = Splits(data.train.configured(recipe, device), data.validation.configured(recipe, device), data.test)
    with _memory_of(device, recipe):
        return _train(_Run(model, data, recipe, seed, device, stop), folder, fingerprint, progress)


def _train(run: "_Run", folder: Path, fingerprint: str, progress: Callable[[EpochRecord], None]) -> TrainResult:
    recipe, seed = run.recipe, run.seed
    identity = {"fingerprint": fingerprint, "seed": seed, "recipe": recipe.identity()}
    path = folder / "checkpoint.pt"
    state = load_checkpoint(path, identity)
    if state is None:
        seed_everything(mix(seed, "train"))
    else:
        _restore(run, state, path)
        write_curve(folder / "curve.csv", run.curve)  # a kill may have come between checkpoint and curve
    while len(run.curve) < recipe.epochs:
        record = run.epoch()
        save_checkpoint(path, {**identity, **run.state_dict()})
        write_curve(folder / "curve.csv", run.curve)
        progress(record)
    run.ema.copy_to(run.model)
    run.model.requires_grad_(True).eval()  # whatever was frozen
    seconds = sum(record.seconds for record in run.curve)
    return TrainResult(run.curve[-1].val_accuracy, list(run.curve), seconds, len(run.curve))


@final
@dataclass
class _Run:
    """Everything that changes while a network is trained."""

    model: nn.Module
    data: Splits
    recipe: Recipe
    seed: int
    device: torch.device
    stop: Callable[[], bool]
    curve: list[EpochRecord] = field(default_factory=list[EpochRecord])

    def __post_init__(self) -> None:
        dtype = autocast_dtype(self.device) if self.recipe.precision == "auto" else None
        self.autocast = torch.autocast(self.device.type, dtype) if dtype else nullcontext()
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=dtype is torch.float16)
        freeze(self.model, self.recipe.freeze)
        self.parameters = list(self.model.parameters())
        self.optimizer = make_optimizer(self.model, self.recipe)
        self.ema = Ema(self.model, self.recipe.ema_decay)
        self.memory_format = memory_format(self.device, self.recipe.channels_last)
        normalisation = self.data.train.normalisation
        student = Student(self.model, self.ema, self.autocast, self.memory_format, normalisation)
        self.lesson = self.data.train.supervision.lesson(self.recipe, self.seed, student)

    def epoch(self) -> EpochRecord:
        """One pass over the training split and one over the validation split."""
        start = time.perf_counter()
        epoch, recipe = len(self.curve), self.recipe
        steps = math.ceil(len(self.data.train) / recipe.batch_size)
        batches = self.data.train.batches(
            recipe.batch_size, seed=self.seed, epoch=epoch, shuffle=True, workers=recipe.workers, augment=recipe.augment
        )
        every = 1 if self.device.type == "cpu" else CHECK_LOSS_EVERY
        losses: list[Tensor] = []
        lr = recipe.lr
        self.model.train()
        hold(self.model, recipe.freeze)
        for number, (images, labels) in enumerate(batches):
            if self.stop():
                raise Interrupted(f"interrupted in epoch {epoch + 1}; epoch {epoch} is saved")
            lr = recipe.lr_at(epoch * steps + number, steps)
            losses.append(self._step(images, labels, lr, number))
            if number % every == 0 and not math.isfinite(losses[-1].item()):
                raise Diverged(f"the loss is {losses[-1].item()} in epoch {epoch + 1}, step {number + 1} of {steps}")
        loss = torch.stack(losses).double().mean().item()
        with self.ema.applied(self.model):
            score = evaluate(
                self.model,
                self.data.validation,
                device=self.device,
                batch_size=4 * recipe.batch_size,
                workers=recipe.workers,
            )
        if not math.isfinite(loss + score.loss):
            raise Diverged(f"the loss is {loss} (validation {score.loss}) after epoch {epoch + 1}")
        seconds = time.perf_counter() - start
        self.curve.append(EpochRecord(epoch + 1, lr, loss, score.accuracy, score.loss, seconds))
        return self.curve[-1]

    def _step(self, images: Tensor, labels: Tensor, lr: float, number: int) -> Tensor:
        """Step `number` of the epoch under way; the loss, still on the device."""
        recipe = self.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group.get("lr_scale", 1)
        images = images.to(self.device, memory_format=self.memory_format, non_blocking=True)
        labels = labels.to(self.device, non_blocking=True)
        step = self.lesson.step(images, labels, len(self.curve), number)
        with self.autocast:
            answer = self.model(step.images)
        loss = step.loss(answer)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if recipe.clip_grad:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.parameters, recipe.clip_grad)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.ema.update()
        return loss.detach()

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs; the learning rate is a function of the epoch."""
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "updates": self.ema.updates,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "rng": rng_state(self.device),
            "curve": [list(astuple(record)) for record in self.curve],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"], state["updates"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        restore_rng(state["rng"], self.device)
        self.curve = [EpochRecord(*row) for row in state["curve"]]


def _restore(run: _Run, state: dict[str, Any], path: Path) -> None:
    try:
        run.load_state_dict(state)
    except Exception as error:  # a state that does not fit this model, whatever layer notices it
        raise damaged(path, error) from error


@contextmanager
def _memory_of(device: torch.device, recipe: Recipe) -> Generator[None]:
    """Turn what torch raises when memory runs out into OutOfMemory; not every device has a class for it."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        known = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not known and "allocate memory" not in str(error) and "out of memory" not in str(error):
            raise
        raise OutOfMemory(f"out of memory on {device} at batch size {recipe.batch_size}") from error
