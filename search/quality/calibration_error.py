"""Quality `calibration_error`: how far the confidence of the likeliest class is from the share of right answers."""

from typing import Any, final

from archspec.cost.metrics import Metric
from search.quality.quality_metric import QualityMetric, classification

BINS = 15


@final
class CalibrationError(QualityMetric):
    """Expected calibration error: 15 equal bins of confidence, mean absolute gap weighted by images.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 2.
    """

    name = "calibration_error"
    tasks = ("classification",)
    metrics = (Metric("calibration_error", "Calibration error", "%", "minimize"),)

    def counter(self, classes: int, ignored: int | None) -> Any:
        return classification().MulticlassCalibrationError(classes, n_bins=BINS, norm="l1", ignore_index=ignored)

    def values(self, computed: Any) -> dict[str, float]:
        return {"calibration_error": computed.item()}
