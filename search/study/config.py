"""The configuration of a search: frozen, and read from a study file or a bare space."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, cast, final

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from archspec.cost.metrics import Metric, find_metric
from archspec.documents.kinds import SPACE, SPEC, refuse_kind
from archspec.documents.kinds import STUDY as STUDY_KIND
from archspec.documents.paths import PlaceError, place_of, suggest
from archspec.documents.reader import Document, read_document
from archspec.documents.safe_text import printable
from archspec.documents.shipped import Shelf
from archspec.edits.bases import ancestry, derive
from archspec.edits.draft import Draft
from archspec.edits.settings import Setting, apply_settings
from archspec.errors import FieldError, SpecError
from archspec.loader import find_document, parse
from archspec.spec.diagnosis import explain_config, known_fields
from search.budget.confinement import Confinement
from search.evaluator import AnyEvaluator, Evaluator, parse_evaluator
from search.inputs import Input, code_of, code_of_parts
from search.logger import AnyLoggers
from search.rungs.spec import AnyRungs, RungsSpec
from search.sampler import AnySampler, parse_sampler
from search.space.holes import Scalar, has_holes
from search.space.limits import Box, format_budget, parse_budget, settle
from search.space.space import Space, find_space_document, parse_space, spaces
from search.study.answerable import confine, tell_listed
from search.study.check_spec import CheckSpec
from search.study.recorded import STUDY, find_asked, refuse_other_kind
from search.study.stated_resolution import check_resolution, spell_out, tell_resolution

STUDIES = Shelf("study", "search.study", "studies")
EXTENDABLE = ("trials", "baseline", "final", "log", "check")
"""What may change when a run is continued; everything else would mix two experiments."""
HEADS = ("head", "family")
"""Holes whose options bring different heads."""


@final
class FinalSpec(BaseModel):
    """Re-training of the front with fresh seeds, scored on the test split."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)

    seeds: int = Field(default=3, ge=0, le=1000, description="seeds per member; 0 re-trains nothing")
    members: int = Field(
        default=12,
        ge=2,
        le=1000,
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
        default=100, ge=1, le=1_000_000, description="trained trials in all; with rungs, layouts that begin"
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="seed of sampler and training")
    baseline: int = Field(
        default=0, ge=0, le=1_000_000, description="trials of a random search to compare with; 0 for none"
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
            rule = f"{self.sampler.type} cannot learn from trainings that pause; tpe, nsga2, random and exact can"
            raise PlaceError(("sampler",), f"{rule}: choose one of them, or leave out rungs")
        total = self.evaluator.whole_epochs or rungs.stated
        if total is None:
            rule = (
                f"must be whole numbers such as [3, 9], or give evaluator.epochs: {self.evaluator.type} has no recipe"
            )
            raise PlaceError(("rungs", "epochs"), rule)
        try:
            rungs.resolve(total, self.evaluator.warmup_epochs)
        except FieldError as error:
            raise PlaceError(("rungs", error.field), error.rule) from None

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
        """Lines to tell at the start: resolutions that files state and that do not count."""
        layout = self.open_space().fill(lambda hole: hole.options[0]).spec
        lines = tell_resolution(self.space, layout, self.evaluator, "space")
        lines += tell_listed(self.confinement)
        for name in self.final.anchors:
            anchor = parse(find_document(name))
            image = self.evaluator.prepare(anchor).image
            if image != anchor.image:
                lines += (f"the anchor {printable(name)} is for images of {anchor.image}, and is trained at {image}",)
        return lines

    def inputs(self) -> tuple[Input, ...]:
        """Data, tables and code that a run of this study reads; see `Evaluator.inputs`."""
        evaluators = (self.evaluator, self.final_evaluator())
        found = tuple(one for evaluator in evaluators for one in evaluator.inputs())
        return (*found, *code_of(self.sampler, "sampler"), *code_of_parts(self.space))

    def dump(self) -> str:
        """Canonical YAML: what `runs/<name>/study.yaml` holds."""
        data = self.model_dump(mode="json")
        if self.rungs is None:  # as runs of earlier versions recorded it
            del data["rungs"]
        return yaml.safe_dump(data, sort_keys=False, width=120)


def studies() -> tuple[str, ...]:
    """Names of the shipped studies."""
    return STUDIES.names()


def load_study(source: str, runs: Path, asked: dict[str, Any], settings: Sequence[Setting] = ()) -> StudyConfig:
    """The study that `source` names, with the command line's options over it.

    Args:
        source: a run (its folder, or its name), a study file, a space file, or the name of a shipped study or space.
        runs: the folder of all runs.
        asked: options given on the command line.
        settings: `--set` of the command line, below `asked`.

    Raises:
        SpecError: nothing of these, or a rule is broken.
    """
    document, recorded = _find_study(source, runs)
    if not isinstance(document.data, dict):
        return parse_study(document)
    document = derive(document, _find_base, StudyConfig, {"space": _space_document})
    data = {**cast("dict[str, Any]", document.data), **asked}
    draft = Draft(replace(document, data=data), StudyConfig, {"space": _space_document})
    apply_settings(draft, [setting for setting in settings if setting.place not in {(key,) for key in asked}])
    return parse_study(draft.document, recorded=recorded)


def _find_study(source: str, runs: Path) -> tuple[Document, bool]:
    """The document of a study, and whether a run recorded it; a bare space becomes the study of it."""
    recorded = find_asked(STUDY, source, runs)
    if source in spaces():
        return Document({"space": source, "name": source}, source), False
    if recorded is None and source not in studies():
        refuse_other_kind(STUDY, source, runs)
    near = suggest(source, (*studies(), *spaces()))
    unknown = f"{source!r:.80} is no file, no shipped study or space{near} and no run in {runs}"
    document = read_document(recorded) if recorded else STUDIES.find(source, unknown)
    refuse_kind(document, STUDY_KIND, SPEC, SPACE)
    if not _is_space(document):
        return document, recorded is not None
    space = parse_space(document)
    known = {**space.document.lines, **space.document.origins}
    data = {"space": space.template, "name": space.name.replace(" ", "-")}
    return space.document.moved(data, ((("space", *place), place) for place in known)), False


def _is_space(document: Document) -> bool:
    """Whether a document, or what it stands over, is a space and not a study."""
    if not isinstance(document.data, dict):
        return False
    root = ancestry(document, _find_base)[-1].data
    return "space" not in document.data and "space" not in root and has_holes(root)


def _find_base(name: str) -> Document:
    """The study, or the space, that a file or the name of a shipped one gives."""
    if name in spaces() and not os.path.isfile(name):
        return find_space_document(name)
    return STUDIES.find(name, f"{name!r:.80} is no file and no shipped study{suggest(name, (*studies(), *spaces()))}")


def parse_study(document: Document, *, recorded: bool = False) -> StudyConfig:
    """The study in a document, over its `base` and with what its `set` changes.

    Args:
        document: a mapping.
        recorded: whether a run wrote it; of earlier versions some state what is refused now, and go on as they began.

    Raises:
        SpecError: a rule is broken; a space file is named relative to the study file.
    """
    if not isinstance(document.data, dict):
        refuse_kind(document, STUDY_KIND)
        raise SpecError("a study must be a mapping", source=document.source, line=1)
    refuse_kind(document, STUDY_KIND, SPEC, SPACE)
    document = derive(document, _find_base, StudyConfig, {"space": _space_document})
    data = dict(cast("dict[str, Any]", document.data))
    if "space" not in data:
        refuse_kind(document, STUDY_KIND)
        raise document.refuse((), "field space is required")
    space = _open_space(data["space"], document)
    data["space"] = space.template
    try:
        config = StudyConfig.model_validate(data)
    except ValidationError as error:
        raise explain_config(error, document, known_fields(StudyConfig)) from None
    try:
        if not recorded:
            check_resolution(document, space.document, "space", spaces())
        evaluator = spell_out(config.evaluator, space.template, space.fill(lambda hole: hole.options[0]).spec)
        evaluator = evaluator.over(space, config.budget)
        if config.rungs is not None and config.rungs.stated:
            evaluator = evaluator.with_epochs(config.rungs.stated)
        config = config.model_copy(update={"evaluator": evaluator})
        _check_fit(config, space)
    except ValidationError as error:
        raise explain_config(error, document, known_fields(StudyConfig)) from None
    except FieldError as error:
        place = place_of(error) if error.field else ()
        if place and place[0] in type(config.evaluator).model_fields:  # what the evaluator itself was asked
            raise document.refuse(("evaluator", *place), error.rule) from None
        raise document.refuse(("space",), f"does not fit the evaluator: {error}") from None
    _check_anchors(config, document)
    _check_changes(config, document)
    _check_tables(config, space, document)
    return config


def _check_anchors(config: StudyConfig, document: Document) -> None:
    for index, name in enumerate(config.final.anchors):
        place = ("final", "anchors", index)
        try:
            anchor = parse(find_document(name))
        except SpecError as error:
            raise error if error.line else document.refuse(place, str(error)) from None
        try:
            config.evaluator.prepare(anchor)
        except FieldError as error:
            rule = f"{error.field}: {error.rule}" if error.field else error.rule
            raise document.refuse(place, f"{printable(name)} does not fit the evaluator: {rule}") from None


def _check_changes(config: StudyConfig, document: Document) -> None:
    try:
        made = config.evaluator.finalist(config.final.changes)
        if config.final.start != "scratch":
            _check_start(config, made, document)
    except FieldError as error:
        raise document.refuse(("final", "changes", *place_of(error)), error.rule) from None


def _check_start(config: StudyConfig, made: Evaluator, document: Document) -> None:
    """Refuse finalists that do not begin as asked: without a supernet, or anchors that it lacks."""
    try:
        config.evaluator.fine_tuned(made)
    except FieldError as error:
        raise document.refuse(("final", *place_of(error)), error.rule) from None
    for index, name in enumerate(config.final.anchors):
        try:
            config.evaluator.check_held(parse(find_document(name)), config.open_space(), config.budget)
        except FieldError as error:
            rule = f"{printable(name)} cannot be cut out of this space's supernet: {error}"
            raise document.refuse(("final", "anchors", index), rule) from None


def _check_tables(config: StudyConfig, space: Space, document: Document) -> None:
    try:
        config.sampler.check_space(space)
    except (FieldError, SpecError) as error:
        raise document.refuse(("sampler",), error.rule) from None
    try:
        _ = config.confinement
    except (FieldError, SpecError) as error:
        if isinstance(error, FieldError) and error.field in ("evaluator", "nearest"):
            raise document.refuse(("evaluator", "nearest"), error.rule) from None
        rule = error.rule.replace("no layout", f"no layout of {space.name}", 1)
        raise document.refuse(("budget",), rule) from None


def _open_space(raw: Any, document: Document) -> Space:
    if isinstance(raw, dict):
        return parse_space(document.below("space"))
    if not isinstance(raw, str):
        raise document.refuse(("space",), f"must be a file, the name of a shipped space, or a space, not {raw!r:.40}")
    try:
        found = find_space_document(document.beside(raw, ("space",)))
    except SpecError as error:
        raise error if error.line else document.refuse(("space",), str(error)) from None
    return parse_space(found)


def _space_document(document: Document) -> Document:
    return _open_space(document.data["space"], document).document


def _check_fit(config: StudyConfig, space: Space) -> None:
    """Refuse a space whose layouts do not fit the evaluator, judged by one of them for each head or family."""
    config.evaluator.prepare(space.fill(lambda hole: hole.options[0]).spec)
    for chosen in space.holes:
        for option in chosen.options[1:] if chosen.path in HEADS else ():
            _check_option(config, space, chosen.path, option)


def _check_option(config: StudyConfig, space: Space, path: str, option: Scalar) -> None:
    try:
        layout = space.fill(lambda hole: option if hole.path == path else hole.options[0])
        config.evaluator.prepare(layout.spec)
    except SpecError:  # impossible with the first options of all else, perhaps not with others
        return
    except FieldError as error:
        if error.field == "head":
            raise FieldError("head", f"{error.rule} (with {path} {option!r:.40})") from None
