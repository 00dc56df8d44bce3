"""The training loop: one network, one recipe, one seed; stoppable, and bit-identical when resumed."""

import math
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from archspec.errors import Interrupted
from search.data.dataset import DatasetSplit, Splits
from search.recipe.recipe import Recipe
from search.seeding import mix, restore_rng, rng_state, seed_everything
from search.tasks.ema import Ema
from search.tasks.task import Answer, Score, Student
from search.train.arithmetic import arithmetic, memory_format
from search.train.checkpoint import damaged, load_checkpoint, save_checkpoint
from search.train.curve import EpochRecord, write_curve
from search.train.failures import Place, check_epoch, check_loss, check_scale, explained
from search.train.freezing import freeze, hold
from search.train.step import Stepper

CHECK_LOSS_EVERY = 25  # steps between looks at the loss where a look waits for the device


@final
@dataclass(frozen=True)
class TrainResult:
    """The result of a finished run: its last epoch's validation quality (not the best one, which would flatter)."""

    val_accuracy: float
    curve: list[EpochRecord]
    seconds: float
    epochs: int


def evaluate(
    model: nn.Module,
    split: DatasetSplit,
    *,
    device: torch.device,
    batch_size: int,
    workers: int = 0,
    watch: Callable[[Answer, Tensor], None] | None = None,
    share: float = 1,
) -> Score:
    """Score `model` on every image of `split`, in evaluation mode and float32; the model's mode is restored.

    `watch` is shown the answer to each batch and its labels, on the device. With a `share` below 1 the score is of so
    many of the batches only: of images drawn at random, always the same ones.
    """
    training, layout = model.training, memory_format(device)
    model.eval()
    tally = split.supervision.tally(device)
    with torch.inference_mode():
        batches = split.batches(batch_size, seed=0, epoch=0, shuffle=share < 1, workers=workers)
        for images, labels in islice(batches, math.ceil(share * math.ceil(len(split) / batch_size))):
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
    A recipe that is `pausing` ends after fewer epochs, to be continued by another call on the same folder; the result
    is that of the last of them, with the learning rate on its way.
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
    with arithmetic(recipe, device), explained(model, recipe, device):
        return _train(_Run(model, data, recipe, seed, device, stop), folder, fingerprint, progress)


def _train(run: "_Run", folder: Path, fingerprint: str, progress: Callable[[EpochRecord], None]) -> TrainResult:
    recipe, seed, until = run.recipe, run.seed, run.recipe.until
    identity = {"fingerprint": fingerprint, "seed": seed, "recipe": recipe.identity()}
    path = folder / "checkpoint.pt"
    state = load_checkpoint(path, identity)
    seed_everything(mix(seed, "train"))  # the streams of a device that a checkpoint does not know, too
    if state is not None:
        _restore(run, state, path)
        write_curve(folder / "curve.csv", run.curve)  # a kill may have come between checkpoint and curve
    while len(run.curve) < until:
        record = run.epoch()
        save_checkpoint(path, {**identity, **run.state_dict()})
        write_curve(folder / "curve.csv", run.curve)
        progress(record)
    run.ema.copy_to(run.model)
    run.model.requires_grad_(True).eval()  # whatever was frozen
    curve = run.curve[:until]  # a training that paused later before is not asked for more
    return TrainResult(curve[-1].val_accuracy, curve, sum(record.seconds for record in curve), len(curve))


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
        freeze(self.model, self.recipe.freeze)
        self.stepper = Stepper(self.model, self.recipe, self.device)
        self.ema = Ema(self.model, self.recipe.ema_decay)
        self.memory_format = memory_format(self.device, self.recipe.channels_last)
        normalisation = self.data.train.normalisation
        student = Student(self.model, self.ema, self.stepper.autocast, self.memory_format, normalisation)
        self.lesson = self.data.train.supervision.lesson(self.recipe, self.seed, student)

    def epoch(self) -> EpochRecord:
        """One pass over the training split and one over the validation split."""
        start = time.perf_counter()
        number = len(self.curve) + 1
        lr, loss = self._learn()
        with self.ema.applied(self.model):
            score = evaluate(
                self.model,
                self.data.validation,
                device=self.device,
                batch_size=evaluation_batch(self.recipe, self.device),
                workers=self.recipe.workers,
                share=self.recipe.validation_share if number < self.recipe.epochs else 1,
            )
        check_epoch(loss, score.loss, number, self.recipe)
        seconds = time.perf_counter() - start
        self.curve.append(EpochRecord(number, lr, loss, score.accuracy, score.loss, seconds))
        return self.curve[-1]

    def _learn(self) -> tuple[float, float]:
        """One pass over the training split; its last learning rate and mean loss."""
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
        for number, (batch, labels) in enumerate(batches):
            if self.stop():
                raise Interrupted(f"interrupted in epoch {epoch + 1}; epoch {epoch} is saved")
            lr = recipe.lr_at(epoch * steps + number, steps)
            images = batch.to(self.device, memory_format=self.memory_format, non_blocking=True)
            step = self.lesson.step(images, labels.to(self.device, non_blocking=True), epoch, number)
            losses.append(self.stepper.learn(step, lr))
            self.ema.update()
            if number % every == 0:
                place = Place(epoch + 1, number + 1, steps, lr, len(images))
                check_loss(losses[-1], place, step.images, recipe, self.stepper.dtype)
                check_scale(self.stepper.scaler.get_scale(), place)
        return lr, torch.stack(losses).double().mean().item()

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs; the learning rate is a function of the epoch."""
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "updates": self.ema.updates,
            **self.stepper.state_dict(),
            "rng": rng_state(self.device),
            "curve": [list(astuple(record)) for record in self.curve],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"], state["updates"])
        self.stepper.load_state_dict(state)
        restore_rng(state["rng"], self.device)
        self.curve = [EpochRecord(*row) for row in state["curve"]]


def evaluation_batch(recipe: Recipe, device: torch.device) -> int:
    """Images per batch of an evaluation: what keeps an accelerator busy, and what a CPU's caches hold."""
    return recipe.batch_size if device.type == "cpu" else 4 * recipe.batch_size


def _restore(run: _Run, state: dict[str, Any], path: Path) -> None:
    try:
        run.load_state_dict(state)
    except Exception as error:  # a state that does not fit this model, whatever layer notices it
        raise damaged(path, error) from error
