"""A plan: one base spec, named edits of it, and the views that say which of them are made together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, cast, final

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from archspec.documents.kinds import PLAN as PLAN_KIND
from archspec.documents.kinds import refuse_kind
from archspec.documents.paths import Place, place_of, suggest
from archspec.documents.reader import Document, read_document
from archspec.documents.safe_text import PlainLine, PlainText
from archspec.documents.shipped import Shelf
from archspec.documents.wording import show
from archspec.edits.draft import Draft
from archspec.edits.settings import Setting, apply_settings
from archspec.errors import FieldError, SpecError
from archspec.loader import find_document, parse, presets, written
from archspec.spec.diagnosis import explain_config, known_fields
from archspec.spec.schema import ArchSpec
from search.ablation.views import AnyView
from search.evaluator import AnyEvaluator
from search.logger import AnyLoggers
from search.study.recorded import PLAN, find_asked, refuse_other_kind
from search.study.stated_resolution import FIELDS, check_resolution, spell_out, tell_resolution

PLANS = Shelf("plan", "search.ablation", "plans")
TRAINING = "evaluator"
"""Paths that begin so edit how rows are trained; all others edit the spec."""
MAX_EDITS = 200


@final
class EditSpec(BaseModel):
    """One named edit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: PlainLine = Field(default="", max_length=200, description="for tables; its name if empty")
    set: dict[str, Any] = Field(min_length=1, description="values by dotted path")

    @property
    def spec(self) -> dict[str, Any]:
        """The changes to the spec."""
        return {path: value for path, value in self.set.items() if not trains(path)}

    @property
    def training(self) -> dict[str, Any]:
        """The changes to the evaluator."""
        return {path: value for path, value in self.set.items() if trains(path)}


@final
class StopSpec(BaseModel):
    """Sequential stopping of a row's seeds: looks at its p value, with the level spent over them (Lan and DeMets)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    looks: tuple[Annotated[int, Field(strict=True)], ...] = Field(
        min_length=1, max_length=20, description="seeds after which rows are looked at"
    )
    spending: Literal["obrien-fleming", "pocock"] = Field(
        default="obrien-fleming", description="how the level is spent"
    )

    @field_validator("looks")
    @classmethod
    def _rising(cls, looks: tuple[int, ...]) -> tuple[int, ...]:
        if looks[0] < 2 or any(one >= other for one, other in pairwise(looks)):
            raise FieldError("", f"must be rising numbers of seeds from 2 on, not {list(looks)}")
        return looks


def trains(path: str) -> bool:
    """Whether a path names something of the evaluator and not of the spec."""
    return path == TRAINING or path.startswith((f"{TRAINING}.", f"{TRAINING}["))


def _edit(raw: Any) -> Any:
    given = cast("dict[Any, Any]", raw) if isinstance(raw, dict) else {}
    return {"set": raw} if given and "set" not in given else raw


@final
class PlanConfig(BaseModel):
    """An ablation: what is edited, how rows are trained, and how often."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        default="ablation", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100, description="folder under runs/"
    )
    description: PlainText = Field(default="", max_length=2000, description="one line for people")
    base: Any = Field(description="the spec that is edited: a preset, a file beside the plan, or the spec itself")
    base_label: PlainLine = Field(default="", max_length=200, description="the base in tables; its name if empty")
    evaluator: AnyEvaluator | None = Field(
        default=None, description="how rows are trained; null in a plan of costs alone"
    )
    edits: dict[PlainLine, Annotated[EditSpec, BeforeValidator(_edit)]] = Field(
        default_factory=dict[str, EditSpec], max_length=MAX_EDITS, description="named edits: values by dotted path"
    )
    views: tuple[AnyView, ...] = Field(min_length=1, max_length=50, description="which edits are made together")
    seeds: int = Field(default=5, ge=1, le=1000, strict=True, description="trainings of each row")
    seed: int = Field(
        default=0, ge=0, lt=2**31, strict=True, description="seed of the first training; the others follow it"
    )
    score: Literal["test", "validation"] = Field(
        default="test", description="the split whose accuracy (or mIoU) tables state"
    )
    stop: StopSpec | None = Field(default=None, description="stop rows that are decided; null trains every seed")
    log: AnyLoggers = Field(
        default=(), description="who is told of every epoch: csv, tensorboard, mlflow, wandb; or {type, ...}"
    )

    def dump(self) -> str:
        """Canonical YAML: what `runs/<name>/plan.yaml` holds."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, width=120)


@final
class Plan:
    """A plan with its base spec, the file that errors point to, and notes to tell when it is run."""

    def __init__(self, config: PlanConfig, base: ArchSpec, document: Document, notes: tuple[str, ...] = ()) -> None:
        self.config, self.base, self.document, self.notes = config, base, document, notes

    @property
    def base_label(self) -> str:
        """The base in tables."""
        return self.config.base_label or self.base.name

    def error(self, error: FieldError, *place: str | int) -> SpecError:
        """`error` with its file, line and field, which stands below `place`."""
        return self.document.refuse((*place, *place_of(error)), error.rule)


def plans() -> tuple[str, ...]:
    """Names of the shipped plans."""
    return PLANS.names()


def load_plan(source: str, runs: Path, asked: dict[str, Any] | None = None, settings: Sequence[Setting] = ()) -> Plan:
    """The plan in a file, the one that a run recorded (by its folder or name), or a shipped one by its name.

    Args:
        source: names it; a run comes before a file, and a file before a shipped plan.
        runs: the folder of all runs.
        asked: options given on the command line.
        settings: `--set` of the command line, below `asked`.

    Raises:
        SpecError: nothing of these, or a rule is broken.
    """
    recorded, shipped = find_asked(PLAN, source, runs), plans()
    if recorded is None and source not in shipped:
        refuse_other_kind(PLAN, source, runs)
    unknown = f"{source!r:.80} is no plan file, no shipped plan{suggest(source, shipped)} and no run in {runs}"
    unknown = f"{unknown}; shipped are {', '.join(shipped)}"
    document = read_document(recorded) if recorded else PLANS.find(source, unknown)
    if isinstance(document.data, dict):
        options = asked or {}
        draft = Draft(replace(document, data={**cast("dict[str, Any]", document.data), **options}), PlanConfig)
        apply_settings(draft, [setting for setting in settings if setting.place not in {(key,) for key in options}])
        document = draft.document
    return parse_plan(document, recorded=recorded is not None)


def parse_plan(document: Document, *, recorded: bool = False) -> Plan:
    """The plan in a document; a base file is named relative to it.

    Args:
        document: a mapping.
        recorded: whether a run wrote it; of earlier versions some state what is refused now, and go on as they began.

    Raises:
        SpecError: a rule is broken.
    """
    if not isinstance(document.data, dict):
        refuse_kind(document, PLAN_KIND)
        rule = f"must be a mapping with base, edits and views, not {show(document.data)}"
        raise SpecError(rule, source=document.source, line=1)
    data = cast("dict[str, Any]", document.data)
    try:
        config = PlanConfig.model_validate(data)
    except ValidationError as error:
        refuse_kind(document, PLAN_KIND)
        raise _explain(error, document) from None
    opened = _open_base(config.base, document)
    base = parse(opened)
    notes: tuple[str, ...] = ()
    evaluator = config.evaluator
    if evaluator is not None and not recorded:
        check_resolution(document, opened, "base", presets())
        if not any(path.split(".")[0] in FIELDS for path in _edited(config)):
            evaluator = spell_out(evaluator, opened.data, base)
            config = config.model_copy(update={"evaluator": evaluator})
        with suppress(FieldError):  # edits may make it fit
            notes = tell_resolution(opened.data, base, evaluator, "base")
    return Plan(config.model_copy(update={"base": written(base)}), base, document, notes)


def _edited(config: PlanConfig) -> Iterator[str]:
    """The dotted paths that edits of a plan set."""
    edits = [*config.edits.values()]
    yield from (path for edit in edits for path in edit.set)
    yield from (path for view in config.views for changes in view.own_edits().values() for path in changes)


def _open_base(raw: Any, document: Document) -> Document:
    if isinstance(raw, dict):
        return document.below("base")
    if not isinstance(raw, str):
        raise document.refuse(("base",), f"must be a preset, a file, or a spec, not {show(raw)}")
    try:
        return find_document(document.beside(raw))
    except SpecError as error:
        raise error if error.line else document.refuse(("base",), str(error)) from None


def _explain(error: ValidationError, document: Document) -> SpecError:
    names: set[str] = {str(step) for one in error.errors() for step in one["loc"][1:2] if one["loc"][0] == "edits"}
    known: dict[Place, set[str]] = {("edits", name): set(EditSpec.model_fields) for name in names}
    return explain_config(error, document, known_fields(PlanConfig) | known)
