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
from search.train.parallel.ranks import current_ranks, floats
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
    many of the batches only: of images drawn at random, always the same ones. Processes that train together score a
    part each, and all of them have the score of the whole.
    """
    training, layout, ranks = model.training, memory_format(device), current_ranks()
    model.eval()
    tally = split.supervision.tally(device)
    with torch.inference_mode():
        batches = ranks.read(split, batch_size, seed=0, epoch=0, shuffle=share < 1, workers=workers)
        for images, labels in islice(batches, math.ceil(share * math.ceil(len(split) / batch_size))):
            target = labels.to(device, non_blocking=True)
            answer = model(images.to(device, memory_format=layout, non_blocking=True))
            tally.add(answer, target)
            if watch is not None:
                watch(answer, target)
    model.train(training)
    if ranks.count > 1:
        tally.merge(ranks.add)
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
    Processes that train together (`search.train.parallel.ranks`) all call it: the first one writes, and all return
    the same.

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
    ranks = current_ranks()
    ranks.check_batches(len(data.train), recipe.batch_size)
    trained = ranks.prepared(model, device)
    with arithmetic(recipe, device), explained(model, recipe, device):
        result = _train(_Run(trained, data, recipe, seed, device, stop), folder, fingerprint, progress)
    if trained is not model:
        model.load_state_dict(trained.state_dict())
    model.requires_grad_(True).eval()  # whatever was frozen
    return result


def _train(run: "_Run", folder: Path, fingerprint: str, progress: Callable[[EpochRecord], None]) -> TrainResult:
    recipe, seed, until = run.recipe, run.seed, run.recipe.until
    identity = {"fingerprint": fingerprint, "seed": seed, "recipe": recipe.identity()}
    path = folder / "checkpoint.pt"
    state = load_checkpoint(path, identity)
    own = (run.ranks.rank,) if run.ranks.rank else ()  # what layers draw for one part of a batch is not that of another
    seed_everything(mix(seed, "train", *own))  # the streams of a device that a checkpoint does not know, too
    if state is not None:
        _restore(run, state, path)
    if state is not None and run.ranks.first:
        write_curve(folder / "curve.csv", run.curve)  # a kill may have come between checkpoint and curve
    while len(run.curve) < until:
        record = run.epoch()
        state = run.state_dict()
        if run.ranks.first:
            save_checkpoint(path, {**identity, **state})
            write_curve(folder / "curve.csv", run.curve)
        progress(record)
    run.ema.copy_to(run.model)
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
        self.ranks = current_ranks()
        freeze(self.model, self.recipe.freeze)
        self.stepper = Stepper(self.model, self.recipe, self.device)
        self.ema = Ema(self.model, self.recipe.ema_decay)
        self.memory_format = memory_format(self.device, self.recipe.channels_last)
        normalisation = self.data.train.normalisation
        autocast, spread = self.stepper.autocast, self.ranks.spread
        student = Student(self.model, self.ema, autocast, self.memory_format, normalisation, spread)
        self.lesson = self.data.train.supervision.lesson(self.recipe, self.seed, student)

    def epoch(self) -> EpochRecord:
        """One pass over the training split and one over the validation split."""
        start = time.perf_counter()
        number = len(self.curve) + 1
        lr, loss = self._learn()
        self._agree()
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
        how = {"epoch": epoch, "shuffle": True, "workers": recipe.workers, "augment": recipe.augment}
        batches = self.ranks.read(self.data.train, recipe.batch_size, seed=self.seed, **how)
        every = 1 if self.device.type == "cpu" else CHECK_LOSS_EVERY
        losses: list[Tensor] = []
        lr = recipe.lr
        self.model.train()
        hold(self.model, recipe.freeze)
        for number, (batch, labels) in enumerate(batches):
            if self.ranks.any(self.stop()):
                raise Interrupted(f"interrupted in epoch {epoch + 1}; epoch {epoch} is saved")
            lr = recipe.lr_at(epoch * steps + number, steps)
            images = batch.to(self.device, memory_format=self.memory_format, non_blocking=True)
            images, target, total = self._share(images, labels.to(self.device, non_blocking=True))
            step = self.lesson.step(images, target, epoch, number)
            losses.append(self.stepper.learn(step, lr, epoch * steps + number, total))
            self.ema.update()
            if number % every == 0:
                place = Place(epoch + 1, number + 1, steps, lr, len(images))
                check_loss(losses[-1], place, step.images, recipe, self.stepper.dtype)
                check_scale(self.stepper.scaler.get_scale(), place)
        return lr, self.ranks.add(torch.stack(losses).double()).mean().item()

    def _share(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, int | None]:
        """What a step takes of the part of a batch that is this process's: that, and the number of all images, or the
        whole batch where the lesson needs it."""
        ranks = self.ranks
        if ranks.count == 1:
            return images, labels, None
        if not self.lesson.whole:
            return images, labels, int(ranks.add(torch.tensor(len(images))).item())
        return ranks.gather(images).contiguous(memory_format=self.memory_format), ranks.gather(labels), None

    def _agree(self) -> None:
        """Have all processes hold the same statistics of batch norm: the mean of those that each has seen."""
        names = [name for name, _ in self.model.named_buffers()]
        averages = self.ema.state_dict()
        self.ranks.average(floats([*self.model.buffers(), *(averages[name] for name in names if name in averages)]))

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs; the learning rate is a function of the epoch."""
        rng, *others = self.ranks.gather_objects(rng_state(self.device))
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "updates": self.ema.updates,
            **self.stepper.state_dict(),
            "rng": rng,
            "curve": [list(astuple(record)) for record in self.curve],
            **({"other_rng": others} if others else {}),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"], state["updates"])
        self.stepper.load_state_dict(state)
        self.curve = [EpochRecord(*row) for row in state["curve"]]
        streams = [state["rng"], *state.get("other_rng", ())]
        if self.ranks.rank < len(streams):
            restore_rng(streams[self.ranks.rank], self.device)
        else:  # as many processes did not take part when it was saved
            seed_everything(mix(self.seed, "train", self.ranks.rank, len(self.curve)))


def evaluation_batch(recipe: Recipe, device: torch.device) -> int:
    """Images per batch of an evaluation: what keeps an accelerator busy, and what a CPU's caches hold."""
    return recipe.batch_size if device.type == "cpu" else 4 * recipe.batch_size


def _restore(run: _Run, state: dict[str, Any], path: Path) -> None:
    try:
        run.load_state_dict(state)
    except Exception as error:  # a state that does not fit this model, whatever layer notices it
        raise damaged(path, error) from error
