"""Quality `top5`: the share of images whose label is among the five likeliest classes."""

from typing import Any, final

from archspec.cost.metrics import Metric
from archspec.errors import FieldError
from search.quality.quality_metric import QualityMetric, classification

COUNT = 5


@final
class Top5(QualityMetric):
    """Top-5 accuracy."""

    name = "top5"
    tasks = ("classification",)
    metrics = (Metric("top5", "Top-5 accuracy", "%", "maximize"),)

    def check_classes(self, classes: int) -> None:
        if classes <= COUNT:
            raise FieldError("", f"top5 needs more than {COUNT} classes, not {classes}: it would always be 100 %")

    def counter(self, classes: int, ignored: int | None) -> Any:
        return classification().MulticlassStatScores(classes, top_k=COUNT, average="micro", ignore_index=ignored)

    def values(self, computed: Any) -> dict[str, float]:
        right, *_, count = computed.tolist()
        return {"top5": right / max(count, 1)}
