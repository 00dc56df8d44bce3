"""The interface of the phases of a run, each a source of orders: search, random baseline, finalists, ablation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, final

from optuna.trial import FrozenTrial

from archspec.cost.metrics import find_metric
from archspec.errors import FieldError, RunError, SpecError
from archspec.files.output import write_text
from archspec.loader import dump
from archspec.spec.schema import ArchSpec
from archspec.spec.short_code import encode
from search.evaluator import Epoch, cost_metrics
from search.logger import LoggedTrial
from search.run.journal import MAX_ATTEMPTS
from search.run.worker import UNFINISHED, Order, Report
from search.sampler import Problem, recorded_covariates
from search.space.holes import Params
from search.space.space import Space
from search.study.config import StudyConfig

SEARCH, FINAL = "search", "final"
"""Names of the two evaluator configurations of a search."""


@final
class Restarts:
    """The restarts of evaluations whose workers no journal counts.

    What was interrupted, or has lost its place, begins again without a limit; what ended with its worker does until
    `MAX_ATTEMPTS` workers have.
    """

    def __init__(self) -> None:
        self._deaths = Counter[Hashable]()

    def allow(self, key: Hashable, report: Report) -> bool:
        """Whether an evaluation that ended like this begins again; a worker's death counts from here on."""
        self._deaths[key] += report.kind == "died"
        return report.kind in UNFINISHED and self._deaths[key] < MAX_ATTEMPTS


class Phase(ABC):
    """A source of orders.

    Attributes:
        title: of this part of a run, for people.
        noun: what its orders are, in the plural.
    """

    title: str
    noun: str

    def __init__(self) -> None:
        self._said = list[str]()

    def take_lines(self) -> list[str]:
        """Lines for people on what was answered without an order, or beside one, since this was asked last."""
        said, self._said = self._said, []
        return said

    def closing(self) -> list[str]:
        """Lines for people at the end of this part of the run."""
        return []

    @abstractmethod
    def next_order(self) -> Order | None:
        """The next layout to evaluate; None when there is none, or none until an answer comes in."""

    @abstractmethod
    def label(self, order: Order) -> str:
        """An order under way in a few words for people: `trial 7`."""

    @abstractmethod
    def describe(self, order: Order) -> LoggedTrial:
        """An order under way as loggers see it."""

    def note_epoch(self, order: Order, epoch: Epoch) -> None:
        """Note an epoch of an order under way, where its record can take one before the answer."""
        del order, epoch

    @abstractmethod
    def finish(self, order: Order, report: Report) -> str:
        """Note the answer to an order; one line about it for people."""

    @property
    @abstractmethod
    def progress(self) -> tuple[int, int]:
        """Evaluations done, and wanted."""


def describe_order(
    order: Order, root: Path, name: str, title: str, part: str, number: int | None, params: Mapping[str, Any]
) -> LoggedTrial:
    """An order as loggers see it, with its exact costs.

    Args:
        order: under way.
        root: folder of the run.
        name, title, part, number, params: see `LoggedTrial`.
    """
    spec = ArchSpec.model_validate(order.spec)
    costs, folder = cost_metrics(spec), order.folder(root)
    return LoggedTrial(name, title, part, number, order.digest, encode(spec), order.seed, params, costs, folder)


def pose_problem(config: StudyConfig, space: Space, seed: int, attributes: Mapping[str, Any]) -> Problem:
    """A study as its sampler sees it.

    Args:
        config: what was asked.
        space: the parsed space.
        seed: of this process.
        attributes: of the study.
    """
    layout = space.fill(lambda hole: hole.options[0])
    return Problem(
        space=space,
        confinement=config.confinement,
        objectives=tuple(find_metric(name, config.evaluator.own_metrics) for name in config.objectives),
        resolution=config.evaluator.prepare(layout.spec).resolution,
        seed=seed,
        study_seed=config.seed,
        trainings=config.evaluator.trainings,
        covariates=recorded_covariates(attributes),
    )


def search_order(spec: ArchSpec, seed: int) -> Order:
    """The order of a layout's whole training by the search, with a seed."""
    return Order(spec.canonical(), spec.digest, seed, f"search-seed{seed}", SEARCH)


def recorded_spec(trial: FrozenTrial, config: StudyConfig, space: Space, place: str) -> ArchSpec:
    """The layout that a trial of a search evaluated.

    Args:
        trial: with a digest.
        config: what was asked.
        space: the parsed space.
        place: the journal, for messages.

    Raises:
        RunError: the trial's parameters are not those of its layout.
    """
    # A proposal that was repaired was evaluated as the layout that it became, which a budget may have moved far.
    params: Params = trial.user_attrs.get("placed", trial.params)
    try:
        spec = config.evaluator.prepare(space.fill(lambda hole: params[hole.path]).spec)
    except (KeyError, TypeError, SpecError, FieldError) as error:
        reason = f"no parameter {error}" if isinstance(error, KeyError) else f"parameters of no layout: {error}"
        raise RunError(f"{place}: damaged: trial {trial.number} of search has {reason}; kept as it is") from None
    if spec.digest != trial.user_attrs["digest"]:
        rule = f"is of layout {trial.user_attrs['digest']}, but its parameters are those of {spec.digest}"
        raise RunError(f"{place}: damaged: trial {trial.number} of search {rule}; kept as it is")
    return spec


def write_spec(order: Order, root: Path) -> None:
    """Write the canonical spec of an order's layout beside its evaluations."""
    path = root / "artifacts" / order.digest / "spec.yaml"
    if not order.place and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, dump(ArchSpec.model_validate(order.spec)))


def encode_order(order: Order) -> str:
    """Compact label of an order's layout."""
    return encode(ArchSpec.model_validate(order.spec))
