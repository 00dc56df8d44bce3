"""One label per image: cross-entropy, scored by the share of images whose likeliest class is right."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, final

from archspec.errors import FieldError
from search.augment.mixing import Mixing, soft_labels
from search.augment.policy import Policy
from search.recipe.recipe import Recipe
from search.tasks.distillation import Teacher, distilled
from search.tasks.frozen_teacher import FrozenTeacher
from search.tasks.task import Answer, Lesson, Score, Student, Supervision, Tally, TrainingStep

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@final
class Classification(Supervision):
    """Labels (N,) int64; the network answers with logits (N, classes).

    Args:
        weights: of each class in the loss, on average 1 over the images; None for the same of all. They do not touch
            what is scored.
    """

    def __init__(self, weights: tuple[float, ...] | None = None) -> None:
        self.weights = weights

    @property
    def task(self) -> str:
        return "classification"

    @property
    def metric(self) -> str:
        return "top-1 accuracy"

    @property
    def short(self) -> str:
        return "accuracy"

    def check_output(self, shape: tuple[int, ...], classes: int) -> None:
        if shape != (classes,):
            raise FieldError("head", f"must give one vector of {classes} logits per image, not an output of {shape}")

    def check_recipe(self, recipe: Recipe) -> None:
        """Every field applies."""

    def tally(self, device: "torch.device") -> Tally:
        return ClassificationTally(device)

    def lesson(self, recipe: Recipe, seed: int, student: Student) -> Lesson:
        return ClassificationLesson(recipe, seed, student, self.weights)


@final
class ClassificationTally(Tally):
    """Right answers and cross-entropy, summed where the network is, so that only the score waits for the device."""

    def __init__(self, device: "torch.device") -> None:
        import torch

        self._count = 0
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self._loss = torch.zeros((), dtype=torch.float64, device=device)

    def add(self, answer: Answer, target: "Tensor") -> None:
        from torch.nn import functional as F

        self._count += len(target)
        self._correct += (answer.argmax(1) == target).sum()
        self._loss += F.cross_entropy(answer.float(), target, reduction="sum").double()

    def merge(self, add: "Callable[[Tensor], Tensor]") -> None:
        self._correct, self._loss = add(self._correct), add(self._loss)
        self._count = int(add(self._correct.new_tensor(self._count)).item())

    def score(self) -> Score:
        return Score(accuracy=self._correct.item() / self._count, loss=self._loss.item() / self._count)


@final
class ClassificationLesson(Lesson):
    """Augmentation and mixing by the recipe; the answers of an EMA teacher and of a frozen one join the labels."""

    def __init__(self, recipe: Recipe, seed: int, student: Student, weights: tuple[float, ...] | None = None) -> None:
        self._weights = weights
        self._recipe = recipe
        self._policy = Policy(recipe, seed)
        self._student = student
        self._teacher = None if recipe.distill is None else Teacher(student.model, student.ema)
        self._frozen = None if recipe.teacher is None else FrozenTeacher(recipe.teacher, student)

    @property
    def whole(self) -> bool:
        recipe = self._recipe
        return recipe.augments or bool(recipe.cutmix or recipe.mixup) or recipe.distill is not None

    def step(self, images: "Tensor", labels: "Tensor", epoch: int, number: int) -> TrainingStep:
        layout = self._student.memory_format
        if self._recipe.augments:  # each operation may leave another memory format
            images = self._policy.augment(images, epoch, number).contiguous(memory_format=layout)
        mixing = self._policy.mixing(images, epoch, number)
        mixed = images if mixing is None else mixing.images(images).contiguous(memory_format=layout)

        @cache
        def target(classes: int) -> "Tensor":
            return self._target(images, labels, mixing, classes)

        taught = None
        if self._frozen is not None:
            taught = self._student.spread(self._frozen.logits, mixed) if self.whole else self._frozen.logits(mixed)

        def loss(answer: Answer, part: slice) -> "Tensor":
            logits = answer.float()
            found = self._loss(logits, target(logits.shape[1])[part])
            if self._frozen is None or taught is None:
                return found
            return self._frozen.join(found, logits, taught[part])

        return TrainingStep(mixed, loss)

    def _loss(self, logits: "Tensor", target: "Tensor") -> "Tensor":
        """Cross-entropy to labels (N,), which are smoothed, or to distributions (N, classes), which are by now.

        With weights of classes, the sum over classes of weight * target * -log(answer), averaged over the images: a
        batch of a rare class counts for more.
        """
        from torch.nn import functional as F

        smoothing = 0.0 if target.is_floating_point() else self._recipe.label_smoothing
        weights = None if self._weights is None else logits.new_tensor(self._weights)
        return F.cross_entropy(logits, target, weight=weights, label_smoothing=smoothing)

    def _target(self, images: "Tensor", labels: "Tensor", mixing: Mixing | None, classes: int) -> "Tensor":
        """The labels, or distributions: mixed as the images were, and with EMA distillation with the teacher's answer.

        Both are of the whole batch: a mixed image has a partner in another part of it.
        """
        recipe = self._recipe
        if mixing is None and self._teacher is None and self._weights is None:
            return labels
        target = soft_labels(labels, classes, recipe.label_smoothing)
        if mixing is not None:
            target = mixing.labels(target)
        if self._teacher is not None and recipe.distill is not None:
            with self._student.autocast:
                maps = self._student.spread(self._teacher.maps, images)
            target = distilled(target, maps, mixing, recipe.distill)
        return target
