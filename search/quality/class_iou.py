"""Quality `class_iou`: intersection over union of each class of a mask; its mean is the score itself (mIoU)."""

from collections.abc import Mapping, Sequence
from typing import Any, final

from archspec.cost.metrics import Metric
from search.quality.quality_metric import QualityMetric, classification


@final
class ClassIou(QualityMetric):
    """IoU per class, and its minimum over the classes that occur in masks or answers."""

    name = "class_iou"
    tasks = ("segmentation",)
    metrics = (Metric("iou_min_class", "Worst class IoU", "%", "maximize"),)

    def counter(self, classes: int, ignored: int | None) -> Any:
        return classification().MulticlassConfusionMatrix(classes, ignore_index=ignored)

    def values(self, computed: Any) -> dict[str, float]:
        ious = _ious(computed)
        known = ious[~ious.isnan()]
        return {"iou_min_class": known.min().item() if len(known) else 0.0}

    def columns(self, computed: Any) -> Mapping[str, Sequence[float]]:
        return {"count": computed.sum(1).tolist(), "iou": _ious(computed).tolist()}


def _ious(matrix: Any) -> Any:
    """Intersection over union of each class of a confusion matrix; NaN for a class that never occurs."""
    hit = matrix.diagonal().double()
    return hit / (matrix.sum(0) + matrix.sum(1) - hit)
