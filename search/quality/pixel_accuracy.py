"""Quality `pixel_accuracy`: the share of labelled pixels whose class is right."""

from typing import Any, final

from archspec.cost.metrics import Metric
from search.quality.quality_metric import QualityMetric, classification


@final
class PixelAccuracy(QualityMetric):
    """Pixel accuracy."""

    name = "pixel_accuracy"
    tasks = ("segmentation",)
    metrics = (Metric("pixel_accuracy", "Pixel accuracy", "%", "maximize"),)

    def counter(self, classes: int, ignored: int | None) -> Any:
        return classification().MulticlassStatScores(classes, average="micro", ignore_index=ignored)

    def values(self, computed: Any) -> dict[str, float]:
        right, *_, count = computed.tolist()
        return {"pixel_accuracy": right / max(count, 1)}
