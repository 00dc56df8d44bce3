"""The session of a zero-cost score: a network at its initial weights, some batches of images, one number."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias, final

from archspec.errors import RunError
from search.data.dataset import Batch, Dataset, Splits
from search.evaluator import Metrics, Progress, Session, Task, cost_metrics
from search.recipe.recipe import Recipe
from search.train.device import find_device, use_device, worker_place
from search.weights.initial import Drawn, begin

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

PLAIN = {"augment": False, "label_smoothing": 0, "ema_decay": 0, "cutmix": 0, "mixup": 0, "erasing": 0}
"""Fields of a recipe that leaves images and labels as they are: the loss is cross-entropy."""


@final
@dataclass(frozen=True)
class Probe:
    """A network that has not been trained, on its device, and what a score looks at it with.

    Attributes:
        network: with all branches at work: none begins at zero, as branches do in training.
        batches: of images and labels.
        loss: of one batch, with the network as it is.
        shape: of one image: channels, height and width.
    """

    network: nn.Module
    batches: list[Batch]
    loss: Callable[[Tensor, Tensor], Tensor]
    shape: tuple[int, int, int]


ScoreFunction: TypeAlias = Callable[[Probe], float]


@final
@dataclass(frozen=True)
class ScoreSettings:
    """A zero-cost score and what it is computed of.

    Attributes:
        name: of the score for people.
        score: the function.
        data: of the images.
        batches: how many it takes.
        batch_size: images in each.
        init: how weights begin.
        device: by its name.
    """

    name: str
    score: ScoreFunction
    data: Dataset
    batches: int
    batch_size: int
    init: Drawn
    device: str


@final
class ScoreSession(Session):
    """A session that keeps the data in memory. The seed of a task decides weights and images."""

    def __init__(self, settings: ScoreSettings) -> None:
        import torch

        torch.set_num_threads(1)  # as a training of this run, so that a score does not depend on how many there are
        self.settings = settings
        self.device = find_device(settings.device, worker_place())
        use_device(self.device)
        self.data: Splits | None = settings.data.load() if settings.batches else None

    def evaluate(self, task: Task, stop: Callable[[], bool], progress: Progress) -> Metrics:
        from search.seeding import mix, seed_everything

        del stop  # a score takes no longer than a few steps of a training
        progress(self.settings.name)
        seed_everything(mix(task.seed, "init"))
        begun = begin(task.spec, self.settings.init, zero_init_residual=False, weights=None)
        network = begun.network.to(self.device)
        batches = list(self._batches(task.seed))
        shape = (task.spec.channels, *_sides(task))
        score = float(self.settings.score(Probe(network, batches, self._loss(network, task.seed), shape)))
        if not math.isfinite(score):
            raise RunError(f"{self.settings.name} of this layout is {score}, which ranks nothing")
        return {"accuracy": score, **cost_metrics(task.spec)}

    def _batches(self, seed: int) -> Iterator[Batch]:
        if self.data is None:
            return
        drawn = self.data.train.batches(self.settings.batch_size, seed=seed, epoch=0, shuffle=True)
        for images, labels in islice(drawn, self.settings.batches):
            yield images.to(self.device), labels.to(self.device)

    def _loss(self, network: nn.Module, seed: int) -> Callable[[Tensor, Tensor], Tensor]:
        """The loss that training on such labels has, without augmentation and smoothing."""
        import torch

        from search.tasks.ema import Ema
        from search.tasks.task import Student

        recipe = Recipe.model_validate(PLAIN)
        student = Student(network, Ema(network, 0), nullcontext(), torch.contiguous_format)
        lesson = self.settings.data.supervision.lesson(recipe, seed, student)

        def loss(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            step = lesson.step(images, labels, 0, 0)
            return step.loss(network(step.images), slice(0, len(images)))

        return loss


def _sides(task: Task) -> tuple[int, int]:
    image = task.spec.image
    return (image[0], image[1]) if isinstance(image, tuple) else (image, image)
