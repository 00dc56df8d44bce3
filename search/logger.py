"""The interface of loggers, which carry a run to a dashboard. Each is one file in `search/loggers/`, named by its tag.

A logger is configuration; `open` gives the session that writes during one start of a run, in the process that conducts
it. Other packages add theirs through the entry-point group `archspec.loggers`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast, final

from pydantic import BaseModel, BeforeValidator, ConfigDict, SerializeAsAny

from archspec.errors import FieldError, SpecError
from search.evaluator import Epoch
from search.plugins import find_class, missing_package, parse_config, tags

PACKAGE, GROUP = "search.loggers", "archspec.loggers"

TrialEnd = Literal["done", "failed", "interrupted"]
"""An interrupted trial may go on when its run is continued."""
RunEnd = Literal["finished", "interrupted", "failed"]


@final
@dataclass(frozen=True, slots=True)
class LoggedRun:
    """A run as loggers see it.

    Attributes:
        name: of the run.
        kind: `search` or `ablation`.
        root: its folder.
        config: canonical YAML of what was asked.
        facts: what was asked in a few words each, by name: data, space, budget.
        quality: name of what `val_accuracy` holds: `accuracy`, `mIoU`.
        objectives: names of metrics; the first is the one that matters most.
        params: the options of each parameter of a trial, by its name.
    """

    name: str
    kind: str
    root: Path
    config: str
    facts: Mapping[str, str]
    quality: str
    objectives: Sequence[str]
    params: Mapping[str, Sequence[Any]]


@final
@dataclass(frozen=True, slots=True)
class LoggedTrial:
    """A training, or another evaluation, as loggers see it.

    Attributes:
        name: the same whenever the run is continued, and that of no other trial; fit for a folder.
        title: for people: `trial 7`, `random baseline trial 3`, `finalist, seed 1`.
        part: of the run: `search`, `random baseline`, `finalists`, `ablation`.
        number: of the Optuna trial that is under way; None for a finalist.
        digest, code, seed: of the layout, and of its evaluation.
        params: of the trial, by hole or edit.
        costs: exact, by name.
        folder: of the evaluation.
    """

    name: str
    title: str
    part: str
    number: int | None
    digest: str
    code: str
    seed: int
    params: Mapping[str, Any]
    costs: Mapping[str, float | int]
    folder: Path


@final
@dataclass(frozen=True, slots=True)
class LoggedMember:
    """A member of a front, or a row of an ablation: its name, its numbers by name, and its layout."""

    name: str
    values: Mapping[str, float]
    layout: str


class LogSession(ABC):
    """A logger at work. All calls come from one thread; an exception ends the session, and the run goes on."""

    @abstractmethod
    def begin_trial(self, trial: LoggedTrial) -> int:
        """Open a trial, or open again one that an earlier start of the run has begun.

        Returns:
            the last epoch that is logged of it, 0 where none is: later ones follow.
        """

    @abstractmethod
    def log_epoch(self, trial: LoggedTrial, epoch: Epoch) -> None:
        """Log an epoch of an open trial; numbers rise."""

    @abstractmethod
    def end_trial(self, trial: LoggedTrial, state: TrialEnd, metrics: Mapping[str, float | int]) -> None:
        """Close a trial with the metrics of its answer; none unless it is done."""

    @abstractmethod
    def log_members(self, title: str, members: Sequence[LoggedMember]) -> None:
        """Log the front of a search, or the rows of an ablation, at the end of a start of the run."""

    @abstractmethod
    def close(self, state: RunEnd) -> None:
        """End this start of the run; trials may still be open."""


class Logger(BaseModel, ABC):
    """Configuration of a logger; a final subclass narrows `type` to its tag and adds options of its own.

    Attributes:
        packages: modules that it imports beside those archspec depends on, each with what to install for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    packages: ClassVar[Mapping[str, str]] = {}

    type: Any

    @abstractmethod
    def open(self, run: LoggedRun) -> LogSession:
        """Begin, or go on with, the record of a run.

        Raises:
            Exception: any, where it cannot start: the run is then refused before its first trial.
        """

    def check_installed(self) -> None:
        """Refuse to run without a package that this logger needs.

        Raises:
            SpecError: it is not installed, with the command that installs it.
        """
        if rule := missing_package(self.type, self.packages):
            raise SpecError(rule, field="log")


def loggers() -> list[str]:
    """Tags of every logger that is installed."""
    return tags(PACKAGE, GROUP)


def parse_logger(raw: object) -> Logger:
    """A logger from its tag, from a mapping with `type`, or from itself.

    Raises:
        FieldError: the first field that breaks a rule.
    """
    return parse_config(raw, "logger", lambda tag: find_class(tag, Logger, PACKAGE, GROUP))


def _as_list(raw: Any) -> Any:
    """What stands under `log`: a list, or a single logger."""
    one = isinstance(raw, str | dict | Logger)
    given = [raw] if one else raw
    if not isinstance(given, list | tuple):
        raise FieldError("", f"must be a list of loggers such as [tensorboard], not {raw!r:.40}")
    found = [_parse_at(value, "" if one else f"[{index}]") for index, value in enumerate(cast("list[Any]", given))]
    for index, logger in enumerate(found):
        if logger in found[:index]:
            raise FieldError(f"[{index}]", f"{logger.type} is named twice")
    return found


def _parse_at(raw: object, place: str) -> Logger:
    try:
        return parse_logger(raw)
    except FieldError as error:
        inner = "" if error.field == "type" and isinstance(raw, str) else error.field
        raise FieldError(f"{place}.{inner}" if place and inner else place or inner, error.rule) from None


AnyLoggers = Annotated[tuple[SerializeAsAny[Logger], ...], BeforeValidator(_as_list)]
"""Type of a pydantic field that holds loggers: a list of tags and mappings, or a single one."""
