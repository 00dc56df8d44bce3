"""The configuration of a search, frozen."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal, final

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from archspec.cost.metrics import Metric, find_metric
from archspec.documents.paths import PlaceError
from archspec.documents.reader import Document
from archspec.documents.safe_text import printable
from archspec.errors import FieldError
from archspec.loader import find_document, parse
from search.budget.confinement import Confinement
from search.evaluator import AnyEvaluator, Evaluator, parse_evaluator
from search.inputs import Input, code_of, code_of_parts
from search.logger import AnyLoggers
from search.rungs.spec import AnyRungs, RungsSpec
from search.sampler import AnySampler, parse_sampler
from search.space.limits import Box, format_budget, parse_budget, settle
from search.space.space import Space, parse_space
from search.study.answerable import confine, tell_listed
from search.study.check_spec import CheckSpec
from search.study.stated_resolution import tell_resolution

EXTENDABLE = ("trials", "baseline", "final", "log", "check")
"""What may change when a run is continued; everything else would mix two experiments."""


@final
class FinalSpec(BaseModel):
    """Re-training of the front with fresh seeds, scored on the test split."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)

    seeds: int = Field(default=3, ge=0, le=1000, strict=True, description="seeds per member; 0 re-trains nothing")
    members: int = Field(
        default=12,
        ge=2,
        le=1000,
        strict=True,
        description="most members; of a longer front the best of each objective, then evenly spaced ones",
    )
    anchors: tuple[str, ...] = Field(
        default=(), description="presets trained beside the front, as points of comparison"
    )
    changes: dict[str, Any] = Field(default_factory=dict[str, Any], description="changes to the recipe, such as epochs")
    start: Literal["scratch", "supernet"] = Field(
        default="scratch",
        alias="from",
        description="how their trainings begin: scratch, or with their slices of the run's supernet",
    )


def _budget(raw: Any, info: ValidationInfo) -> dict[str, str]:
    evaluator = info.data.get("evaluator")
    return format_budget(parse_budget(raw, evaluator.own_metrics if isinstance(evaluator, Evaluator) else ()))


@final
class StudyConfig(BaseModel):
    """A search: a space, an evaluator, objectives, a sampler, and what it may spend."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        default="search", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100, description="folder under runs/"
    )
    space: dict[str, Any] = Field(description="the space: a file, the name of a shipped space, or the space itself")
    evaluator: AnyEvaluator = Field(
        default_factory=lambda: parse_evaluator("train"), description="how layouts are scored"
    )
    objectives: tuple[str, ...] = Field(
        default=("accuracy", "macs"),
        min_length=1,
        max_length=4,
        description="metrics that the evaluator gives; accuracy is maximised, costs are minimised",
    )
    sampler: AnySampler = Field(default_factory=lambda: parse_sampler("tpe"), description="who proposes layouts")
    budget: Annotated[dict[str, str], BeforeValidator(_budget)] = Field(
        default_factory=dict[str, str], description="limits that every layout meets: {macs: '<= 5G', params: '<= 35M'}"
    )
    rungs: AnyRungs = Field(
        default=None, description="where trainings pause, and what share goes on: {epochs: [1/3, 1], keep: 1/3}"
    )
    trials: int = Field(
        default=100,
        ge=1,
        le=1_000_000,
        strict=True,
        description="trained trials in all; with rungs, layouts that begin",
    )
    seed: int = Field(default=0, ge=0, lt=2**32, strict=True, description="seed of sampler and training")
    baseline: int = Field(
        default=0, ge=0, le=1_000_000, strict=True, description="trials of a random search to compare with; 0 for none"
    )
    final: FinalSpec = Field(default_factory=lambda: FinalSpec.model_validate({}))
    check: CheckSpec | None = Field(
        default=None, description="check of an evaluator that estimates (cost, naswot, ...), which alone has one"
    )
    log: AnyLoggers = Field(
        default=(), description="who is told of every epoch: csv, tensorboard, mlflow, wandb; or {type, ...}"
    )

    @model_validator(mode="after")
    def _check(self) -> StudyConfig:
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError(f"objectives must differ, not {', '.join(self.objectives)}")
        for index, name in enumerate(self.objectives):
            self._check_objective(index, name)
        self.sampler.check(self.metrics, budget=bool(self.budget))
        if self.rungs is not None:
            self._check_rungs(self.rungs)
        if self.check is not None and not self.evaluator.estimates:
            rule = f"goes with an evaluator that estimates, such as naswot, and {self.evaluator.type} does not"
            raise PlaceError(("check",), rule)
        return self

    def _check_rungs(self, rungs: RungsSpec) -> None:
        try:
            self.evaluator.check_pauses()
        except FieldError as error:
            raise PlaceError(("rungs",), error.rule) from None
        if not self.sampler.rungs:
            known = "tpe, nsga2, nsga3, gp, qmc, random and exact can"
            rule = f"{self.sampler.type} cannot learn from trainings that pause; {known}"
            raise PlaceError(("sampler",), f"{rule}: choose one of them, or leave out rungs (--set rungs=null)")
        if self.sampler.trains_again:
            rule = "must be false with rungs: a layout that is trained again is trained from beginning to end"
            raise PlaceError(("sampler", "repeats"), rule)
        total = self.evaluator.whole_epochs or rungs.stated
        if total is None:
            rule = (
                f"must be whole numbers such as [3, 9], or give evaluator.epochs: {self.evaluator.type} has no recipe"
            )
            raise PlaceError(("rungs", "epochs"), rule)
        try:
            rungs.resolve(total, self.evaluator.warmup_epochs)
        except FieldError as error:
            way_out = "without rungs (--set rungs=null) every layout is trained to its end"
            raise PlaceError(("rungs", error.field), f"{error.rule}; {way_out}") from None

    @property
    def rung_epochs(self) -> tuple[int, ...]:
        """The rungs in epochs, the last of them the whole training; empty without rungs."""
        if self.rungs is None:
            return ()
        return self.rungs.resolve(self.evaluator.whole_epochs or self.rungs.stated or 0, self.evaluator.warmup_epochs)

    @property
    def checked(self) -> CheckSpec | None:
        """The check that this study makes; None where its evaluator is no estimate."""
        if not self.evaluator.estimates:
            return None
        return self.check or CheckSpec.model_validate({})

    @property
    def reported(self) -> bool:
        """Whether a report can be made of the run: its page is about accuracy."""
        return "accuracy" in self.objectives

    def _check_objective(self, index: int, name: str) -> None:
        try:
            find_metric(name, (*self.evaluator.own_metrics, *self.evaluator.optional_metrics))
        except FieldError as error:
            raise PlaceError(("objectives", index), f"{error.rule}{self.evaluator.remedy(name)}") from None
        if name not in self.evaluator.gives:
            rule = f"evaluator {self.evaluator.type} does not give {name}{self.evaluator.remedy(name)}"
            raise PlaceError(("objectives", index), rule)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that are the objectives."""
        return tuple(find_metric(name, self.evaluator.own_metrics) for name in self.objectives)

    @property
    def titles(self) -> tuple[str, ...]:
        """The objectives as lines for people call them: `mIoU` where that is what `accuracy` holds."""
        return tuple(self.evaluator.quality if name == "accuracy" else name for name in self.objectives)

    def open_space(self) -> Space:
        """The parsed space."""
        return parse_space(Document(self.space, f"space of {self.name}"))

    @cached_property
    def box(self) -> Box:
        """The budget; where it names no resolution, at that of the evaluator, of which the objectives speak too."""
        layout = self.open_space().fill(lambda hole: hole.options[0])
        return settle(parse_budget(self.budget), self.evaluator.prepare(layout.spec).resolution)

    @cached_property
    def confinement(self) -> Confinement | None:
        """The layouts inside the budget, and those alone that the evaluator can answer; None without either.

        Raises:
            SpecError: there are none, or the space cannot be tabulated.
            FieldError: the evaluator knows none of the space.
        """
        return confine(self.open_space(), self.box if self.budget else None, self.evaluator)

    def final_evaluator(self) -> Evaluator:
        """The evaluator of the finalists."""
        made = self.evaluator.finalist(self.final.changes)
        return made if self.final.start == "scratch" else self.evaluator.fine_tuned(made)

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines to tell at the start: resolutions that files state and that do not count, and the want of a report."""
        layout = self.open_space().fill(lambda hole: hole.options[0]).spec
        lines = tell_resolution(self.space, layout, self.evaluator, "space")
        lines += tell_listed(self.confinement)
        for name in self.final.anchors:
            anchor = parse(find_document(name))
            image = self.evaluator.prepare(anchor).image
            if image != anchor.image:
                lines += (f"the anchor {printable(name)} is for images of {anchor.image}, and is trained at {image}",)
        if not self.reported:
            lines += ("accuracy is no objective: the front is shown at the end, and archspec report has no page of it",)
        return lines

    def inputs(self) -> tuple[Input, ...]:
        """Data, tables and code that a run of this study reads; see `Evaluator.inputs`."""
        evaluators = (self.evaluator, self.final_evaluator())
        found = tuple(one for evaluator in evaluators for one in evaluator.inputs())
        asked = self.sampler.estimates
        found += tuple(one for each in (asked.evaluators.values() if asked else ()) for one in each.inputs())
        return (*found, *code_of(self.sampler, "sampler"), *code_of_parts(self.space))

    def dump(self) -> str:
        """Canonical YAML: what `runs/<name>/study.yaml` holds."""
        data = self.model_dump(mode="json")
        if self.rungs is None:  # as runs of earlier versions recorded it
            del data["rungs"]
        return yaml.safe_dump(data, sort_keys=False, width=120)
