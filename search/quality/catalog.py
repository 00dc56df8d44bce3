"""The qualities that `metrics` of the evaluator `train` may name."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import AfterValidator, BeforeValidator

from archspec.cost.metrics import Metric
from archspec.documents.paths import suggest
from archspec.errors import FieldError
from search.quality.calibration_error import CalibrationError
from search.quality.class_accuracy import ClassAccuracy
from search.quality.class_iou import ClassIou
from search.quality.pixel_accuracy import PixelAccuracy
from search.quality.quality_metric import QualityMetric
from search.quality.top5 import Top5

if TYPE_CHECKING:
    from search.data.dataset import Dataset

QUALITIES: Mapping[str, QualityMetric] = {
    one.name: one for one in (Top5(), ClassAccuracy(), CalibrationError(), ClassIou(), PixelAccuracy())
}
"""By the name that a study gives."""
PACKAGE, EXTRA = "torchmetrics", "archspec-vision[metrics]"


def _listed(raw: Any) -> Any:
    if isinstance(raw, str):
        return [raw]
    if not isinstance(raw, list | tuple):
        raise FieldError("", f"must be a list of qualities such as [top5], not {raw!r:.40}")
    return cast("Any", raw)


def _known(name: object) -> str:
    if not isinstance(name, str) or name not in QUALITIES:
        hint = suggest(str(name), QUALITIES)
        raise FieldError("", f"unknown quality {name!r:.40}{hint}: known are {', '.join(QUALITIES)}")
    return name


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise FieldError("", f"must differ, not {', '.join(names)}")
    return names


QualityNames = Annotated[
    tuple[Annotated[str, BeforeValidator(_known)], ...], BeforeValidator(_listed), AfterValidator(_distinct)
]
"""Type of a pydantic field that names qualities: one, or a list."""


def quality_metrics(names: Sequence[str]) -> tuple[Metric, ...]:
    """The metrics that these qualities record."""
    return tuple(metric for name in names for metric in QUALITIES[name].metrics)


def quality_of(metric: str) -> str | None:
    """The quality that records a metric; None where none does."""
    return next((name for name, one in QUALITIES.items() if metric in [each.name for each in one.metrics]), None)


def check_qualities(names: Sequence[str], data: "Dataset") -> None:
    """Refuse qualities that the labels of `data` do not have, and any without torchmetrics.

    Raises:
        FieldError: the first such quality.
    """
    for index, name in enumerate(names):
        try:
            QUALITIES[name].check(data.supervision.task)
            QUALITIES[name].check_classes(data.classes)
        except FieldError as error:
            raise FieldError(f"metrics[{index}]", error.rule) from None
    if names and find_spec(PACKAGE) is None:
        raise FieldError("metrics", f"need the package {PACKAGE}: pip install '{EXTRA}'")
