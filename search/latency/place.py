"""The place where inference times are measured, where it is not that of the training."""

from collections.abc import Mapping
from typing import Annotated, Any, Protocol, cast, final, runtime_checkable

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from archspec.documents.paths import suggest
from archspec.documents.reader import is_file_name
from archspec.documents.safe_text import PlainLine
from archspec.errors import FieldError
from search.evaluator import Session
from search.plugins import tags

ENGINES = ("search.engines", "archspec.engines")
"""Package and entry-point group of engines."""


def _known(engine: Any) -> Any:
    """Refuse the name of an engine that there is not, where a study states it."""
    if engine is None:
        return None
    name = cast("Mapping[str, Any]", engine).get("type") if isinstance(engine, Mapping) else engine
    if not isinstance(name, str):
        given = "a mapping without type" if isinstance(engine, Mapping) else f"{engine!r:.40}"
        raise FieldError("", f"must be an engine's name, a file, or a mapping with type, not {given}")
    if name not in (known := tags(*ENGINES)) and not (name is engine and is_file_name(name)):
        hint = suggest(name, known) or f" (known: {', '.join(known)})"
        raise FieldError("", f"unknown engine {name!r:.60}{hint}")
    return engine


@final
class LatencyOn(BaseModel):
    """The nodes on which inference times are measured, by an order of its own for each trained network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: Annotated[str | dict[str, Any] | None, BeforeValidator(_known)] = Field(
        default=None, description="whose nodes: its name, a file, or a mapping; that of the run when not stated"
    )
    constraint: PlainLine = Field(
        default="", max_length=200, description="kind of its nodes; of SLURM what --constraint takes: h200"
    )

    @model_validator(mode="after")
    def _check(self) -> "LatencyOn":
        if self.engine is None and not self.constraint:
            raise FieldError("", "needs engine, constraint, or both: {engine: slurm, constraint: h200}")
        return self


def _as_mapping(raw: Any) -> Any:
    """An engine's name or file stands for itself."""
    if raw is not None and not isinstance(raw, str | Mapping | LatencyOn):
        raise FieldError(
            "", f"must be an engine's name, a file, or a mapping of engine and constraint, not {raw!r:.40}"
        )
    return {"engine": raw} if isinstance(raw, str) else raw


AnyLatencyOn = Annotated[LatencyOn | None, BeforeValidator(_as_mapping)]
"""Type of a pydantic field that holds a place; a text is its engine."""


@runtime_checkable
class TimingEvaluator(Protocol):
    """An evaluator that trains networks and measures their inference times, and can do the two apart."""

    @property
    def latency_on(self) -> LatencyOn | None:
        """The place of the measurements; None for that of the training."""

    @property
    def timed(self) -> frozenset[str]:
        """Names of the metrics that measuring gives."""
        ...

    def open_timing(self) -> Session:
        """The session that measures trained networks and trains none; it needs no data."""
        ...


def timed_by(evaluator: object) -> frozenset[str]:
    """Names of the metrics that an evaluator can measure apart from a training."""
    return evaluator.timed if isinstance(evaluator, TimingEvaluator) else frozenset()
