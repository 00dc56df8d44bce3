"""The demands of a data set's labels on a network: which output, which loss, which score.

The training loop is the same for all of them; a kind of labels is one subclass in a file of its own
(`search/tasks/classification.py`, `search/tasks/segmentation.py`). Importing these modules does not import torch.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, final

from archspec.errors import RunError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from search.recipe.recipe import Recipe
    from search.tasks.ema import Ema

Answer: TypeAlias = Any
"""What a network returns: a tensor, or in training a tuple of the main output and auxiliary ones."""


@final
@dataclass(frozen=True)
class Score:
    """Quality (fraction, 0 to 1: what `Supervision.metric` names) and mean cross-entropy (nats, no label smoothing)."""

    accuracy: float
    loss: float


class Tally(ABC):
    """Sums over the batches of a split, of which its score is made."""

    @abstractmethod
    def add(self, answer: Answer, target: "Tensor") -> None:
        """Count one batch: the network's answer and its labels, on the network's device."""

    def merge(self, add: "Callable[[Tensor], Tensor]") -> None:
        """Take in what other processes have counted, of images of their own.

        Args:
            add: the sum of a tensor of each process; all processes call it for the same ones, in the same order.
        """
        raise RunError(f"{type(self).__name__} cannot be added up over processes: train with one (gpus: 1)")

    @abstractmethod
    def score(self) -> Score:
        """The score of everything that was added; at least one batch."""


@final
@dataclass(frozen=True)
class Normalisation:
    """Images as (pixels - mean) / std, by channel, with pixels from 0 to 1."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def _alone(answer: "Callable[[Tensor], Tensor]", images: "Tensor") -> "Tensor":
    return answer(images)


@final
@dataclass(frozen=True)
class Student:
    """The network under training: its average, and how its batches are made and computed.

    Attributes:
        spread: computes a function of each image (N, C, H, W) of a whole batch, (N, ...); where several processes train
            together, each does so for a part of the images.
    """

    model: "nn.Module"
    ema: "Ema"
    autocast: AbstractContextManager[Any]
    memory_format: "torch.memory_format"
    normalisation: Normalisation | None = None
    spread: "Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]" = _alone


@final
@dataclass(frozen=True)
class TrainingStep:
    """One training step: what the network sees (N, C, H, W), and the loss of its answer to that.

    A batch may be computed in parts: `loss` takes the answer to some of the images, and which these are, and gives a
    scalar. The mean of the parts' losses, weighted by their images, is the loss of the batch.
    """

    images: "Tensor"
    loss: Callable[[Answer, slice], "Tensor"]


class Lesson(ABC):
    """The steps of one training run, each a function of seed, epoch and step number alone."""

    @property
    def whole(self) -> bool:
        """Whether a step needs the whole batch where several processes train together; else it takes a part of it as it
        takes a batch, and the mean of the parts' losses, weighted by their images, is the loss of the batch."""
        return True

    @abstractmethod
    def step(self, images: "Tensor", labels: "Tensor", epoch: int, number: int) -> TrainingStep:
        """Step `number` of epoch `epoch` on a batch of the split, on the network's device."""


class Supervision(ABC):
    """A kind of labels."""

    @property
    @abstractmethod
    def task(self) -> str:
        """Name of the task that such labels are for: `classification`."""

    @property
    @abstractmethod
    def metric(self) -> str:
        """Name of the quality metric for people, for an axis: `top-1 accuracy`."""

    @property
    @abstractmethod
    def short(self) -> str:
        """The same in a line of progress: `accuracy`."""

    @abstractmethod
    def check_output(self, shape: tuple[int, ...], classes: int) -> None:
        """Refuse a network whose output for one image has this shape.

        Raises:
            FieldError: such an output cannot be scored; the field is `head`.
        """

    @abstractmethod
    def check_recipe(self, recipe: "Recipe") -> None:
        """Refuse what a recipe cannot do to such labels.

        Raises:
            FieldError: the first field of the recipe that cannot be applied.
        """

    @abstractmethod
    def tally(self, device: "torch.device") -> Tally:
        """An empty tally, kept on `device`."""

    @abstractmethod
    def lesson(self, recipe: "Recipe", seed: int, student: Student) -> Lesson:
        """The training steps of `student`.

        Raises:
            FieldError: the recipe or the head does not allow it.
        """
