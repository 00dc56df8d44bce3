"""The interface of engines, which say where trials run. Each is one file in `search/engines/`, named by its tag.

An engine is configuration; `open` gives the pool that takes the orders of one start of a run. It is no part of what a
run was asked: the same run may go on with another engine. Other packages add theirs through the entry-point group
`archspec.engines`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr

from archspec.documents.paths import place_of
from archspec.documents.reader import Document, is_file_name, read_document
from archspec.documents.wording import plural
from archspec.errors import FieldError, SpecError
from archspec.files.output import clear_partial
from search.evaluator import Evaluator
from search.installation import record_installation
from search.latency.place import LatencyOn, TimingEvaluator
from search.logger import Logger
from search.plugins import find_class, missing_package, parse_config, tags
from search.run.pools.measuring import MeasuringPool
from search.run.pools.pool import Pool
from search.run.pools.simulated import SimulatedPool

PACKAGE, GROUP = "search.engines", "archspec.engines"
AUTO = "auto"
"""In place of a number of workers: as many as this machine is for."""
LOCAL = "local"
"""The engine of a run that asks for none."""
MAX_WORKERS = 10_000
JOBS = "jobs"
"""Folder of a run with what it has handed over to others, whose `batch.json` says that they may be at work."""


def _check_workers(value: Any) -> Any:
    if value != AUTO and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_WORKERS):
        raise FieldError("", f"must be a number from 1 to {MAX_WORKERS}, or {AUTO}, not {value!r:.40}")
    return value


class Engine(BaseModel, ABC):
    """Configuration of an engine; a final subclass narrows `type` to its tag and adds options of its own.

    Attributes:
        packages: modules that it imports beside those archspec depends on, each with what to install for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    packages: ClassVar[Mapping[str, str]] = {}

    type: Any
    workers: Annotated[Annotated[int, Field(strict=True)] | Literal["auto"], BeforeValidator(_check_workers)] = Field(
        default=1, description="orders at a time; auto: as many as this machine has GPUs, or cores, for"
    )

    _source: str = PrivateAttr(default="")

    @property
    def gpus_per_order(self) -> int | None:
        """GPUs that each order has, which are its field `gpus`; None where they are those of this machine."""
        return getattr(self, "gpus", None)

    def count_workers(self, asked: int | Literal["auto"], evaluators: Mapping[str, Evaluator]) -> int:
        """The orders at a time that somebody asks for; see `auto_workers`."""
        return self.auto_workers(evaluators) if asked == AUTO else asked

    def auto_workers(self, evaluators: Mapping[str, Evaluator]) -> int:
        """The orders at a time that are right for some evaluators.

        Args:
            evaluators: by the name that orders give.

        Raises:
            SpecError: nobody here can say.
        """
        del evaluators
        rule = f"must be a number, not {AUTO}: how many orders {self.type} may work on at a time is for you to say"
        raise SpecError(rule, field="workers")

    @property
    def option(self) -> list[str]:
        """The option of a command that asks for it again; empty where nobody asked by a name or a file."""
        return ["--engine", self._source] if self._source else []

    def asked_as(self, source: str) -> Self:
        """This engine as somebody asks for it by a name or a file."""
        engine = self.model_copy()
        engine._source = source
        return engine

    @abstractmethod
    def open(self, evaluators: Mapping[str, Evaluator], root: Path, workers: int) -> Pool:
        """The pool that takes the orders of one start of a run.

        Args:
            evaluators: by the name that orders give.
            root: folder of the run.
            workers: orders at a time.
        """

    def check_gpus(self, evaluators: Mapping[str, Evaluator], workers: int) -> None:
        """Refuse evaluators that need more GPUs than an order has.

        Args:
            evaluators: by the name that orders give.
            workers: orders at a time.

        Raises:
            SpecError: an evaluator does.
        """
        del workers
        given, needed = self.gpus_per_order, gpus_needed(evaluators)
        if given is not None and given < needed:
            rule = f"must be at least the {needed} of evaluator.gpus, not {given}: a layout is trained within one order"
            raise SpecError(f"{rule} of {self.type}", field="engine.gpus")

    def for_latency(self, constraint: str) -> Engine:
        """This engine for orders that measure inference times, beside another pool of it in the same run.

        Args:
            constraint: kind of its nodes; empty for any.

        Raises:
            FieldError: its nodes have no kinds.
        """
        if constraint:
            rule = f"goes with an engine whose nodes have kinds, such as slurm, not {self.type}: leave it out"
            raise FieldError("constraint", rule)
        return self

    def check_ready(self, evaluators: Mapping[str, Evaluator]) -> None:
        """Refuse what could not run, before anything is written.

        Args:
            evaluators: by the name that orders give; none where the engine alone is to be checked.

        Raises:
            SpecError: a package or a program is missing, or an evaluator cannot run there.
        """
        del evaluators
        if rule := missing_package(str(self.type), self.packages):
            raise SpecError(rule, field="engine")


Workers = int | Literal["auto"] | None
"""Orders at a time, as somebody asks for them: None for those that the engine states."""
EngineSource = str | Path | Mapping[str, Any] | Engine | None
"""What names an engine: its tag, a file, a mapping with `type`, or itself; None for this machine."""


def describe_engines() -> dict[str, str]:
    """The first sentence of every engine's description, by its tag."""
    kinds = {tag: find_class(tag, Engine, PACKAGE, GROUP) for tag in tags(PACKAGE, GROUP)}
    return {tag: " ".join((kind.__doc__ or "").partition(".")[0].split()) for tag, kind in kinds.items()}


def parse_engine(raw: object) -> Engine:
    """An engine from its tag, from a mapping with `type`, or from itself.

    Raises:
        FieldError: the first field that breaks a rule.
    """
    return parse_config(raw, "engine", lambda tag: find_class(tag, Engine, PACKAGE, GROUP))


def load_engine(source: EngineSource) -> Engine:
    """The engine that a user names: by its tag, by a file, or as a mapping; `local` where nobody does.

    Raises:
        SpecError: no such engine or file, or a field that breaks a rule, with its line.
    """
    document = Document(LOCAL if source is None else source, "")
    if isinstance(source, Path) or (isinstance(source, str) and is_file_name(source)):
        document = read_document(Path(source))
    try:
        return parse_engine(document.data).asked_as(str(source) if isinstance(source, str | Path) else "")
    except FieldError as error:
        if not document.source:
            field = f"engine.{error.field}" if error.field not in ("", "type") else "engine"
            raise SpecError(error.rule, field=field) from None
        raise document.refuse(place_of(error), error.rule) from None


def settle(
    engine: Engine | None, workers: Workers, evaluators: Mapping[str, Evaluator], log: Sequence[Logger]
) -> tuple[Engine, int]:
    """The engine that is meant and how many orders it takes at a time, once nothing speaks against its start.

    Args:
        engine: that is asked for; None for processes on this machine.
        workers: that are asked for; None for as many as the engine states, `auto` for as many as are right.
        evaluators: by the name that orders give.
        log: loggers.

    Raises:
        SpecError: an evaluator lacks what its configuration cannot say, or cannot run there; a logger or a program
            is not installed.
    """
    chosen = parse_engine(LOCAL) if engine is None else engine
    asked = chosen.workers if workers is None else workers
    try:
        _check_workers(asked)
    except FieldError as error:
        raise SpecError(error.rule, field="workers") from None
    count = chosen.count_workers(asked, evaluators)
    for evaluator in evaluators.values():
        evaluator.check_ready(count)
        if evaluator.simulated_workers and chosen.type != LOCAL:
            rule = f"must be {LOCAL}, not {chosen.type}: virtual workers work in this process"
            raise SpecError(rule, field="engine")
    for logger in log:
        logger.check_installed()
    chosen.check_ready(evaluators)
    if (measuring := latency_engine(chosen, evaluators)) is not None:
        try:
            measuring.check_ready(evaluators)
        except SpecError as error:
            raise SpecError(error.rule, field=f"evaluator.latency_on.{error.field}") from None
    chosen.check_gpus(evaluators, count)
    return chosen, count


def gpus_needed(evaluators: Mapping[str, Evaluator]) -> int:
    """The most GPUs without which one of some evaluators cannot evaluate a layout."""
    return max((one.gpus_per_order for one in evaluators.values()), default=0)


def latency_engine(engine: Engine, evaluators: Mapping[str, Evaluator]) -> Engine | None:
    """The engine of the nodes on which inference times are measured; None where each training measures its own.

    Args:
        engine: that of the run.
        evaluators: by the name that orders give.

    Raises:
        SpecError: no such engine, or one whose nodes have no kinds.
    """
    places = {name: place for name, one in evaluators.items() if (place := _latency_on(one)) is not None}
    if not places:
        return None
    first = next(iter(places.values()))
    field = "evaluator.latency_on"
    for name, place in places.items():
        if place != first:
            raise SpecError(f"must be one for all that a run trains; that of {name} is another one", field=field)
    try:
        found = engine if first.engine is None else load_engine(first.engine)
        return found.for_latency(first.constraint)
    except SpecError as error:
        if error.source:  # a file, with its line
            raise
        raise SpecError(error.rule, field=f"{field}.{error.field}") from None
    except FieldError as error:
        raise SpecError(error.rule, field=f"{field}.{error.field}") from None


def _latency_on(evaluator: Evaluator) -> LatencyOn | None:
    return evaluator.latency_on if isinstance(evaluator, TimingEvaluator) else None


def workers_of(engine: Engine, workers: int) -> str:
    """The workers of an engine for people: `2 workers`, `64 workers of slurm`."""
    return plural(workers, "worker") + (f" of {engine.type}" if engine.type != LOCAL else "")


def clear_dead(root: Path) -> None:
    """Remove what killed processes left on the way to files of a run, unless jobs of an earlier start may be alive."""
    if not any((root / JOBS).glob("*/batch.json")):
        clear_partial(root)


def open_pool(engine: Engine, evaluators: Mapping[str, Evaluator], root: Path, workers: int, now: float = 0.0) -> Pool:
    """The pool of an engine, or of this process for evaluators whose workers are virtual.

    Args:
        engine: that is meant.
        evaluators: by the name that orders give.
        root: folder of the run.
        workers: orders at a time.
        now: virtual time at the start, in seconds, where workers are virtual.
    """
    record_installation(root)
    size = max((evaluator.simulated_workers for evaluator in evaluators.values()), default=0)
    if size:
        return SimulatedPool(size, evaluators, root, now)
    pool, measuring = engine.open(evaluators, root, workers), latency_engine(engine, evaluators)
    if measuring is None:
        return pool
    timed = {name: one.timed for name, one in evaluators.items() if isinstance(one, TimingEvaluator)}
    at_a_time = measuring.count_workers(measuring.workers, evaluators)
    return MeasuringPool(pool, measuring.open(evaluators, root, at_a_time), timed, root)
