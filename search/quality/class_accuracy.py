"""Quality `class_accuracy`: the share of right answers in each class."""

from collections.abc import Mapping, Sequence
from typing import Any, final

from archspec.cost.metrics import Metric
from search.quality.quality_metric import QualityMetric, classification


@final
class ClassAccuracy(QualityMetric):
    """Accuracy per class (recall), its mean and its minimum over the classes that occur among the labels."""

    name = "class_accuracy"
    tasks = ("classification", "segmentation")
    metrics = (
        Metric("accuracy_mean_class", "Mean class accuracy", "%", "maximize"),
        Metric("accuracy_min_class", "Worst class accuracy", "%", "maximize"),
    )

    def counter(self, classes: int, ignored: int | None) -> Any:
        return classification().MulticlassConfusionMatrix(classes, ignore_index=ignored)

    def values(self, computed: Any) -> dict[str, float]:
        known = _recall(computed)[computed.sum(1) > 0]
        if not len(known):  # every pixel is one that does not count
            return {"accuracy_mean_class": 0.0, "accuracy_min_class": 0.0}
        return {"accuracy_mean_class": known.mean().item(), "accuracy_min_class": known.min().item()}

    def columns(self, computed: Any) -> Mapping[str, Sequence[float]]:
        return {"count": computed.sum(1).tolist(), "accuracy": _recall(computed).tolist()}


def _recall(matrix: Any) -> Any:
    """Right answers of each class over its labels; NaN for a class without any."""
    return matrix.diagonal().double() / matrix.sum(1)
