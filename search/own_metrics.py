"""Metrics that an evaluator adds to those of the catalog, as a study file states them.

```yaml
metrics:
  energy_j: {title: Energy, unit: J}             # minimised
  top5: {unit: "%", direction: maximize}         # "%": fractions, 0 to 1
  latency_ms: minimize                           # of the catalog, which says title and unit
```
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from archspec.cost.metrics import Direction, Metric, find_metric, known_metrics
from archspec.documents.paths import PlaceError
from archspec.documents.safe_text import PlainLine, printable
from archspec.errors import FieldError, RunError
from search.attributes import RESERVED

_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
TAKEN = RESERVED | {"number", "state", "value", "values", "test_accuracy", "test_loss", "audited_macs"}
"""Names that tables of trials give to other things."""


@final
class MetricSpec(BaseModel):
    """A metric that an evaluator measures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: PlainLine = Field(default="", max_length=60, description="its name for people; its key if empty")
    unit: PlainLine = Field(default="", max_length=12, description="behind numbers: ms, J; % for fractions from 0 to 1")
    direction: Direction = Field(default="minimize", description="which way is better")

    def metric(self, name: str) -> Metric:
        """The metric, under its key."""
        return Metric(name, self.title or name, self.unit, self.direction)


def _spec(raw: Any) -> Any:
    return {"direction": raw} if isinstance(raw, str) else raw


def _check(specs: Mapping[str, MetricSpec]) -> dict[str, MetricSpec]:
    checked: dict[str, MetricSpec] = {}
    for name, spec in specs.items():
        if not NAME.fullmatch(name):
            raise PlaceError((name,), "must be a word such as energy_j")
        found = known_metrics().get(name)
        if found is None and name in TAKEN:
            raise FieldError(name, "is what trials call something else; give the metric another name")
        checked[name] = spec if found is None else _complete(found, spec)
    return checked


def _complete(metric: Metric, spec: MetricSpec) -> MetricSpec:
    """What is stated of a metric of the catalog, spelt out as the catalog has it.

    Raises:
        FieldError: it is not for an evaluator to add, or is stated as another one.
    """
    if metric.exact:
        raise FieldError(metric.name, "is computed exactly for every layout; it is an objective without being named")
    if metric.name == "accuracy":
        raise FieldError(metric.name, "is what every evaluator gives; it is an objective without being named")
    for field in sorted(spec.model_fields_set):
        given, known = getattr(spec, field), getattr(metric, field)
        if given != known:
            rule = f"is {known!r} in the catalog of metrics, not {given!r:.40}; give the metric another name"
            raise FieldError(f"{metric.name}.{field}", rule)
    return MetricSpec(title=metric.title, unit=metric.unit, direction=metric.direction)


OwnMetrics = Annotated[
    dict[str, Annotated[MetricSpec, BeforeValidator(_spec)]], AfterValidator(_check), Field(max_length=20)
]
"""Type of a pydantic field that maps names to metrics: `{title, unit, direction}`, or the direction alone."""


def own_metrics(specs: Mapping[str, MetricSpec]) -> tuple[Metric, ...]:
    """Those that the catalog lacks."""
    return tuple(spec.metric(name) for name, spec in specs.items() if name not in known_metrics())


def check_value(metric: Metric, value: object) -> str:
    """The rule that the value of an evaluator's metric breaks; empty where it breaks none."""
    low, high = (0, 1) if metric.unit == "%" else (-sys.float_info.max, sys.float_info.max)
    if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
        return ""
    wanted = "number from 0 to 1" if metric.unit == "%" else "finite number"
    return f"{metric.name} must be a {wanted}, not {value!r:.40}{_hint(metric, value)}"


def _hint(metric: Metric, value: object) -> str:
    """The likely slip behind a value that is refused, as an addition to the message."""
    if isinstance(value, str):
        return ": remove the quotes" if value and _NUMBER.fullmatch(value.strip()) else ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if value != value:
        return ": did the training diverge?"
    if metric.unit == "%" and 1 < value <= 100:
        return f": {value} looks like per cent: divide by 100"
    if metric.name == "accuracy":
        return ": a score on another scale is a metric of its own, such as `metrics: {score: maximize}`"
    return ""


def check_answer(answer: Mapping[str, object], specs: Mapping[str, MetricSpec], *, final: bool, place: str) -> None:
    """Check what a user's code answered for one layout: its accuracy, and every metric that it promised.

    Args:
        answer: values by name.
        specs: the metrics that were promised beside accuracy.
        final: whether the layout is a finalist, of which `test_accuracy` is checked too where it is given.
        place: where the answer came from, for the message.

    Raises:
        RunError: a value that is missing, no number, or out of its range.
    """
    accuracy, own = find_metric("accuracy"), own_metrics(specs)
    tested = [replace(accuracy, name="test_accuracy")] if final and "test_accuracy" in answer else []
    for metric in (accuracy, *tested, *(find_metric(name, own) for name in specs)):
        if metric.name not in answer:
            has = ", ".join(printable(str(name)[:40]) for name in list(answer)[:8]) or "nothing"
            raise RunError(f"no `{metric.name}` in the record (it has {has}) ({place})")
        wrong = check_value(metric, answer[metric.name])
        if wrong:
            raise RunError(f"{wrong} ({place})")
