"""The phase of a run in which the covariates of its sampler are computed, of layouts drawn at random.

The scores stand in the attribute `covariates` of the study `search`; each is on disk beside the layout that it is of,
so that a run which goes on, or is begun anew over the same artifacts, computes none twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from optuna.study import Study

from archspec.documents.wording import plural
from archspec.errors import FieldError, SpecError
from archspec.spec.schema import ArchSpec
from search.attributes import set_changed
from search.budget.confinement import Confinement
from search.evaluator import Evaluator
from search.logger import LoggedTrial
from search.monitor.header import COVARIATES
from search.monitor.run_log import trial_folder_name
from search.run.phase import Phase, Restarts, describe_order
from search.run.worker import Order, Report
from search.sampler import COVARIATES_ATTRIBUTE
from search.seeding import mix
from search.space.encoding import Encoding
from search.study.answerable import ANY
from search.study.config import StudyConfig

Ints = NDArray[np.int64]

BLOCK = 64
"""Layouts drawn at a time."""
MAX_FRUITLESS = 64
"""Blocks without a layout that is new, after which there is taken to be none."""


def covariate_evaluators(config: StudyConfig) -> dict[str, Evaluator]:
    """The evaluators of the covariates of a study's sampler, by the name that orders give."""
    asked = config.sampler.estimates
    return {} if asked is None else {_evaluator_name(name): one for name, one in asked.evaluators.items()}


@final
@dataclass(frozen=True, slots=True)
class _Score:
    """A covariate of a layout: which one, and of which row of the layouts drawn."""

    name: str
    row: int


@final
class CovariatePhase(Phase):
    """Scores of layouts at random by the estimates that a study's sampler takes as covariates.

    Args:
        config: what was asked, with such estimates.
        search: the study `search`, which receives the scores.
        root: folder of the run.
    """

    title, noun = COVARIATES, "estimates"

    def __init__(self, config: StudyConfig, search: Study, root: Path) -> None:
        super().__init__()
        self.search, self.root = search, root
        asked = config.sampler.estimates
        assert asked is not None
        self._names = tuple(asked.evaluators)
        self._layouts, self._rows = asked.layouts, list(draw_rows(config, asked.layouts))
        self._found: dict[_Score, float] = {}
        self._failed = 0
        self._restarts = Restarts()
        self._of: dict[tuple[str, str], _Score] = {}
        self._orders: list[Order] = []
        known: dict[str, Any] = search.user_attrs.get(COVARIATES_ATTRIBUTE, {})
        self._complete = all(known.get(name, {}).get("asked") == asked.layouts for name in self._names)
        if not self._complete:
            encoding = Encoding(config.open_space())
            for index, row in enumerate(self._rows):
                self._add(encoding.spec(row), index, asked.evaluators, config.seed)
        self._orders.reverse()

    @property
    def progress(self) -> tuple[int, int]:
        wanted = len(self._names) * len(self._rows)
        return (wanted if self._complete else len(self._found) + self._failed), wanted

    def next_order(self) -> Order | None:
        return self._orders.pop() if self._orders else None

    def label(self, order: Order) -> str:
        return f"{self._of[order.digest, order.run].name} of {order.digest[:8]}"

    def describe(self, order: Order) -> LoggedTrial:
        name = trial_folder_name(COVARIATES, order.digest[:8], order.run)
        return describe_order(order, self.root, name, self.label(order), self.title, None, {})

    def finish(self, order: Order, report: Report) -> str:
        key = (order.digest, order.run)
        if report.kind == "done" and report.metrics is not None:
            value = self._found[self._of[key]] = float(report.metrics["accuracy"])
            self._record()
            return f"{self.label(order)}: {value:.4f}"
        again = self._restarts.allow(key, report)
        if again:
            self._orders.insert(0, order)
        self._failed += not again
        self._record()
        return f"{self.label(order)} {report.state}: {report.text}"

    def closing(self) -> list[str]:
        known: dict[str, Any] = self.search.user_attrs.get(COVARIATES_ATTRIBUTE, {})
        return [f"covariate {name}: known of {plural(len(one['values']), 'layout')}" for name, one in known.items()]

    def _add(self, layout: ArchSpec, index: int, evaluators: Mapping[str, Evaluator], seed: int) -> None:
        """Add an order for each covariate of a layout."""
        for name, evaluator in evaluators.items():
            try:
                spec = evaluator.prepare(layout)
            except (SpecError, FieldError):
                self._failed += 1
                continue
            run = f"{_evaluator_name(name)}-seed{seed}"
            self._of[spec.digest, run] = _Score(name, index)
            self._orders.append(Order(spec.canonical(), spec.digest, seed, run, _evaluator_name(name)))

    def _record(self) -> None:
        """Write the scores to the journal, once all that are asked for have come in."""
        done, wanted = self.progress
        if done < wanted:
            return
        found: dict[str, Any] = {}
        for name in self._names:
            scores = sorted((key.row, value) for key, value in self._found.items() if key.name == name)
            choices = [self._rows[row].tolist() for row, _ in scores]
            found[name] = {"asked": self._layouts, "choices": choices, "values": [value for _, value in scores]}
        set_changed(self.search, COVARIATES_ATTRIBUTE, found)


def _evaluator_name(name: str) -> str:
    return f"covariate-{name}"


def draw_rows(config: StudyConfig, count: int) -> Iterator[Ints]:
    """Different layouts [components] inside the budget, uniformly at random; fewer where there are no more.

    The same whenever they are drawn.
    """
    inside = config.confinement or Confinement(config.open_space(), ANY)
    rng = np.random.default_rng(mix(config.seed, COVARIATES_ATTRIBUTE))
    seen = set[bytes]()
    fruitless = 0
    while len(seen) < count and fruitless < MAX_FRUITLESS:
        before = len(seen)
        for row in inside.draw(rng, BLOCK):
            if len(seen) < count and row.tobytes() not in seen:
                seen.add(row.tobytes())
                yield row
        fruitless = fruitless + 1 if len(seen) == before else 0
