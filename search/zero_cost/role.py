"""The role of a cheap estimate: a quality on a scale of its own, beside the full evaluator that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast, final

from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationInfo

from archspec.cost.metrics import Metric
from archspec.errors import FieldError
from archspec.spec.schema import ArchSpec
from search.data.dataset import AnyDataset, Dataset, parse_dataset
from search.evaluator import Evaluator, cost_names, find_evaluator, parse_evaluator

GIVES = cost_names() | {"accuracy"}


def _parse_full(raw: object, info: ValidationInfo) -> object:
    """The full evaluator, on the data of the estimate: where it states none, and no other."""
    if raw is None:
        return None
    data = info.data.get("data")
    given = cast("Mapping[str, object]", {"type": raw} if isinstance(raw, str) else raw)
    tag = given.get("type") if isinstance(raw, str | Mapping) else None
    if data is not None and isinstance(tag, str) and "data" in find_evaluator(tag).model_fields:
        given = {"data": data, **given}
    found = parse_evaluator(given)
    if found.estimates:
        raise FieldError("type", f"must train, which {found.type} does not: it is an estimate itself")
    other = getattr(found, "data", None)
    if isinstance(data, Dataset) and isinstance(other, Dataset) and other != data:
        raise FieldError("data", f"{_difference(other, data)}: give both the same, or leave it out here")
    return found


def _difference(other: Dataset, data: Dataset) -> str:
    """The first field in which the data of the full evaluator is not that of the estimate."""
    if other.type != data.type:
        return f"is {other.type}, and that of the estimate is {data.type}"
    mine, theirs = other.model_dump(), data.model_dump()
    name = next(name for name in mine if mine[name] != theirs[name])
    return f"has {name} {mine[name]!r:.60}, and that of the estimate {theirs[name]!r:.60}"


EstimateData = Annotated[
    AnyDataset,
    Field(
        default_factory=lambda: parse_dataset("cluttered_digits"),
        description="the data set: it says resolution and classes, and gives the images of a score",
    ),
]
"""Type of the field `data` of an estimate."""
FullEvaluator = Annotated[
    SerializeAsAny[Evaluator] | None,
    BeforeValidator(_parse_full),
    Field(description="the evaluator that is estimated and trains check and finalists, on the same data; null: train"),
]
"""Type of the field `full` of an estimate."""


@final
@dataclass(frozen=True, slots=True)
class EstimateRole:
    """A cheap estimate as an evaluator.

    Attributes:
        name: of its score for people: `NASWOT score`.
        data: of the network's images.
        full: what the configuration states as the evaluator that is estimated.
    """

    name: str
    data: Dataset
    full: Evaluator | None

    @property
    def label(self) -> str:
        """The name in reports, which says that this is no accuracy."""
        return f"{self.name} (not an accuracy)"

    @property
    def own_metrics(self) -> tuple[Metric, ...]:
        """The metric `accuracy` of the estimate: a number of any size and sign, more is better."""
        return (Metric("accuracy", self.label, "", "maximize"),)

    @property
    def metric(self) -> dict[str, str | None]:
        """See `Evaluator.metric`."""
        return {"name": "accuracy", "label": self.label, "dataset": self.data.type, "benchmark": None}

    def estimated(self) -> Evaluator:
        """The evaluator that is estimated; training on the same data where none is stated."""
        if self.full is not None:
            return self.full
        return parse_evaluator({"type": "train", "data": self.data})

    def finalist(self, changes: dict[str, Any]) -> Evaluator:
        """The evaluator of the check and of the finalists."""
        return self.estimated().finalist(changes)

    def settle(self, config: Evaluator, resolution: int) -> Evaluator:
        """The configuration of the estimate with the full evaluator spelt out."""
        return cast("Any", config).model_copy(update={"full": self.estimated().settled(resolution)})

    def prepare(self, spec: ArchSpec) -> ArchSpec:
        """A layout for the data, which the full evaluator must take in the same form.

        Raises:
            FieldError: it does not fit the data, or not the full evaluator.
        """
        fitted = self.data.fit(spec)
        if self.full is None:
            return fitted
        try:
            other = self.full.prepare(spec)
        except FieldError as error:
            raise FieldError(".".join(filter(None, ("full", error.field))), error.rule) from None
        if other.digest != fitted.digest:
            rule = f"{self.full.type} sees layouts at {other.resolution} px, this estimate at {fitted.resolution} px"
            raise FieldError("full", f"{rule}: give both the same data")
        return fitted
