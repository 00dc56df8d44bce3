"""A label per pixel: cross-entropy at the size of the mask, scored by the mean intersection over union of the classes.

The network answers with logits on a map of any size, which are brought to the mask's bilinearly. In training it may
answer with a tuple, whose outputs after the first are auxiliary.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast, final

from archspec.errors import FieldError
from search.augment.mixing import Mixing
from search.augment.policy import Policy
from search.recipe.auto_augment import parse_policy
from search.recipe.recipe import Recipe
from search.tasks.task import Answer, Lesson, Score, Student, Supervision, Tally, TrainingStep

if TYPE_CHECKING:
    import torch
    from torch import Tensor

IGNORE = 255
"""Label of pixels that are neither learnt nor scored."""
AUXILIARY = 0.4
"""Weight of each auxiliary output's loss (PSPNet section 4.1)."""
INAPPLICABLE = ("mixup", "randaugment", "distill", "teacher")
"""Fields of a recipe that speak of one label (or answer) per image, or move pixels without their masks."""


@final
class Segmentation(Supervision):
    """Masks (N, H, W) int64 of class indices below `classes`, or `IGNORE`; logits (N, classes, h, w)."""

    def __init__(self, classes: int) -> None:
        self.classes = classes

    @property
    def task(self) -> str:
        return "segmentation"

    @property
    def metric(self) -> str:
        return "mIoU"

    @property
    def short(self) -> str:
        return "mIoU"

    def check_output(self, shape: tuple[int, ...], classes: int) -> None:
        if len(shape) != 3 or shape[0] != classes:
            raise FieldError("head", f"must give a map of {classes} logits per position, not an output of {shape}")

    def check_recipe(self, recipe: Recipe) -> None:
        for name in INAPPLICABLE:
            value = getattr(recipe, name)
            if value:
                off = Recipe.model_fields[name].default
                given = value if isinstance(value, float) else value.model_dump()
                rule = f"must be {'null' if off is None else off} where labels are masks, not {given}"
                raise FieldError(name, rule)
        if recipe.auto_augment is not None and parse_policy(recipe.auto_augment).geometric:
            rule = f"must be null or 3a where labels are masks, not {recipe.auto_augment}: it moves pixels"
            raise FieldError("auto_augment", f"{rule} without their masks")

    def tally(self, device: "torch.device") -> Tally:
        return ConfusionTally(self.classes, device)

    def lesson(self, recipe: Recipe, seed: int, student: Student) -> Lesson:
        self.check_recipe(recipe)
        return SegmentationLesson(recipe, seed, student)


@final
class ConfusionTally(Tally):
    """The confusion matrix of all pixels: rows are the masks' classes, columns the predicted ones."""

    def __init__(self, classes: int, device: "torch.device") -> None:
        import torch

        self._classes = classes
        self.matrix = torch.zeros((classes, classes), dtype=torch.int64, device=device)
        self._loss = torch.zeros((), dtype=torch.float64, device=device)

    def add(self, answer: Answer, target: "Tensor") -> None:
        from torch.nn import functional as F

        logits = resized(outputs(answer)[0], target)
        self._loss += F.cross_entropy(logits, target, ignore_index=IGNORE, reduction="sum").double()
        known = target != IGNORE
        cells = target[known] * self._classes + logits.argmax(1)[known]
        self.matrix += cells.bincount(minlength=self._classes**2).view_as(self.matrix)

    def merge(self, add: "Callable[[Tensor], Tensor]") -> None:
        self.matrix, self._loss = add(self.matrix), add(self._loss)

    def score(self) -> Score:
        """mIoU over the classes that occur, in the masks or in the answers; the loss is a mean over pixels."""
        matrix = self.matrix.double()
        return Score(mean_iou(matrix), self._loss.item() / max(matrix.sum().item(), 1))


@final
class SegmentationLesson(Lesson):
    """Erased pixels lose their label; CutMix mixes the masks by the same rectangle as the images."""

    def __init__(self, recipe: Recipe, seed: int, student: Student) -> None:
        self._recipe = recipe
        self._policy = Policy(recipe, seed)
        self._student = student

    def step(self, images: "Tensor", labels: "Tensor", epoch: int, number: int) -> TrainingStep:
        layout = self._student.memory_format
        if self._recipe.erasing:
            images, labels = self._erased(images, labels, epoch, number)
        mixing = self._policy.mixing(images, epoch, number)
        if mixing is not None:
            images, labels = mixing.images(images), mixed_masks(labels, mixing)
        seen = images.contiguous(memory_format=layout)
        return TrainingStep(seen, lambda answer, part: self._loss(answer, part, labels))

    def _erased(self, images: "Tensor", masks: "Tensor", epoch: int, number: int) -> "tuple[Tensor, Tensor]":
        images, boxes = self._policy.erase(images, epoch, number)
        masks = masks.clone()
        for mask, rectangles in zip(masks, boxes, strict=True):
            for left, top, right, bottom in rectangles:
                mask[top:bottom, left:right] = IGNORE
        return images, masks

    def _loss(self, answer: Answer, part: slice, batch: "Tensor") -> "Tensor":
        """Mean over labelled pixels: of the whole batch, so that a part with few of them does not count for more."""
        from torch.nn import functional as F

        smoothing, masks = self._recipe.label_smoothing, batch[part]
        labelled = (batch != IGNORE).sum()
        masks = masks.where(labelled > 0, 0)  # a mean over nothing is no number: any label will do, and counts nothing
        whole = len(masks) == len(batch)
        reduction = "mean" if whole else "sum"
        main, *others = (
            F.cross_entropy(
                resized(output, masks), masks, ignore_index=IGNORE, label_smoothing=smoothing, reduction=reduction
            )
            for output in outputs(answer)
        )
        loss = main + AUXILIARY * sum(others) if others else main
        loss = loss * (labelled > 0)
        return loss if whole else loss * (len(batch) / len(masks)) / labelled.clamp(min=1)


def outputs(answer: Answer) -> "tuple[Tensor, ...]":
    """The main output and then the auxiliary ones."""
    return tuple(cast("Any", answer)) if isinstance(answer, tuple | list) else (answer,)


def resized(logits: "Tensor", masks: "Tensor") -> "Tensor":
    """Logits (N, classes, h, w) as float32 at the size of masks (N, H, W), bilinearly."""
    from torch.nn import functional as F

    size = masks.shape[-2:]
    return logits.float() if logits.shape[-2:] == size else F.interpolate(logits.float(), size, mode="bilinear")


def mixed_masks(masks: "Tensor", mixing: Mixing) -> "Tensor":
    """Masks (N, H, W) mixed as CutMix mixes images: each pixel has the label of the image that it comes from."""
    return masks.where(mixing.mask[:, 0] > 0.5, masks[mixing.partner])


def mean_iou(matrix: "Tensor") -> float:
    """Mean intersection over union of a confusion matrix (classes, classes); classes that never occur do not count.

    0 for an empty matrix.
    """
    hit = matrix.diagonal().double()
    union = matrix.sum(0) + matrix.sum(1) - hit
    occurs = union > 0
    return (hit[occurs] / union[occurs]).mean().item() if occurs.any() else 0.0
