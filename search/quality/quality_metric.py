"""Qualities of a trained network beyond the one that is its score: what each records, and how it is computed.

Each is one file in this folder, and an entry of `QUALITIES` in `search/quality/catalog.py`; torchmetrics computes them.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar

from archspec.cost.metrics import Metric
from archspec.errors import FieldError


def classification() -> Any:
    """The module torchmetrics.classification, of an extra."""
    return import_module("torchmetrics.classification")


class QualityMetric(ABC):
    """A quality that an evaluator records when asked."""

    name: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]]
    """Tasks whose labels it is for, as `Supervision.task` names them."""
    metrics: ClassVar[tuple[Metric, ...]]
    """Its numbers in trials."""

    def check(self, task: str) -> None:
        """Refuse labels that it is not for.

        Raises:
            FieldError: they are of another task.
        """
        if task not in self.tasks:
            raise FieldError("", f"{self.name} is for {' and '.join(self.tasks)}, not for {task}")

    def check_classes(self, classes: int) -> None:
        """Refuse a number of classes for which it says nothing.

        Raises:
            FieldError: there are too few.
        """
        del classes

    @abstractmethod
    def counter(self, classes: int, ignored: int | None) -> Any:
        """A metric of torchmetrics, with `update` and `compute`, which takes probabilities (N, classes) and labels
        (N,), or classes (N, H, W) and masks (N, H, W).

        Args:
            classes: number of labels.
            ignored: label of pixels that do not count.
        """

    @abstractmethod
    def values(self, computed: Any) -> dict[str, float]:
        """The numbers, by the names of `metrics`, in what the counter has computed."""

    def columns(self, computed: Any) -> Mapping[str, Sequence[float]]:
        """A number per class, by the names of columns; NaN for a class that does not occur."""
        del computed
        return {}
