"""The check of a cheap estimate: layouts drawn at random, trained in full, and the gate that these decide.

It stands between the search and its finalists, so that an estimate which ranks no better than cost alone stops the run
before more is spent. Its trainings are those of finalists: of the same layout and seed, each finds the other's.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from archspec.cost.metrics import find_metric
from archspec.cost.tables import MetricAt
from archspec.documents.wording import plural
from archspec.errors import FieldError, SpecError
from archspec.files.journal import RunStorage
from archspec.spec.schema import ArchSpec
from search.attributes import recorded_metrics, set_changed
from search.budget.confinement import Confinement
from search.estimate.gate import COSTS, Gate, judge
from search.logger import LoggedTrial
from search.monitor.header import CHECK, CHECK_ESTIMATES
from search.monitor.run_log import trial_folder_name
from search.run.conductor import Conductor
from search.run.finalists import FinalPhase, Purpose
from search.run.journal import open_study
from search.run.phase import Phase, Restarts, describe_order, search_order
from search.run.worker import Order, Report
from search.seeding import mix
from search.space.limits import Limit
from search.space.space import Space
from search.study.config import StudyConfig

GATE = "gate"
"""Attribute of the study `search` that holds the gate."""
ESTIMATE = "checked_estimate"
"""Attribute of a trial of the check that holds what the estimate gave of its layout."""
BLOCK = 64
"""Layouts drawn at a time."""
MAX_FRUITLESS = 64 * BLOCK


@final
@dataclass(frozen=True)
class CheckOutcome:
    """The outcome of a check.

    Attributes:
        finished: whether it came to its end; False where it was interrupted.
        lines: for people.
        refusal: why the finalists should not be trained; empty where they may be.
    """

    finished: bool
    lines: tuple[str, ...] = ()
    refusal: str = ""


def run_check(
    conductor: Conductor,
    storage: RunStorage,
    search: Study,
    config: StudyConfig,
    root: Path,
    *,
    retry_failed: bool = False,
) -> CheckOutcome:
    """Make the check of a study whose evaluator estimates, or what is missing of it, and record the gate.

    Args:
        conductor: of the run.
        storage: of the journal.
        search: the study `search`, whose attribute `gate` receives the outcome.
        config: what was asked.
        root: folder of the run.
        retry_failed: train once more what failed for good before.
    """
    asked, full = config.checked, config.final_evaluator()
    name, wanted = config.evaluator.quality, 0 if asked is None else asked.layouts
    if asked is None or not wanted:
        conductor.write(lambda: set_changed(search, GATE, {"skipped": True, "estimate": name}))
        line = f"check: none was asked for (check.layouts: 0), so nothing tells whether {name} ranks layouts better"
        return CheckOutcome(True, (f"{line} than cost alone does",))
    specs = list(draw_layouts(config, wanted))
    attrs = {"metric": full.metric, "resolution": specs[0].resolution if specs else None, "seed": config.seed}
    study = conductor.write(lambda: open_study(storage, CHECK, ["accuracy"], attrs, full.own_metrics))
    estimates = EstimatePhase(config, specs, known_estimates(study), root)
    if not conductor.run(estimates):
        return CheckOutcome(False)
    about = {digest: {ESTIMATE: value} for digest, value in estimates.found.items()}
    rated = [spec for spec in specs if spec.digest in about]
    purpose = Purpose(CHECK, CHECK, "check training", CHECK, tested=False, about=about)
    phase = FinalPhase(study, config, rated, {}, root, retry_failed=retry_failed, purpose=purpose, seeds=asked.seeds)
    if phase.retried:
        conductor.screen.say(f"check: {plural(phase.retried, 'failed training')} tried again")
    if not conductor.run(phase):
        return CheckOutcome(False)
    gate = gate_of(study, estimates.found, config.seed)
    noted = {**gate.record(), "kind": CHECK, "estimate": name, "quality": full.quality}
    conductor.write(lambda: set_changed(search, GATE, noted))
    titles = {cost: find_metric(cost).text for cost in COSTS}
    said = gate.describe(name, titles)
    lines = [f"check: {said}", f"check: {gate.conclude()}"]
    if missing := phase.missing():
        lines.insert(0, f"check: {missing}")
    return CheckOutcome(True, tuple(lines), "" if gate.front else f"{said}: {gate.conclude()}")


def draw_layouts(config: StudyConfig, count: int) -> Iterator[ArchSpec]:
    """Different layouts inside the budget as the evaluator sees them, uniformly at random.

    The same whenever they are drawn, the first of them however many there are. Fewer where the space has no more. A
    space that cannot be tabulated is drawn from hole by hole.
    """
    digests = set[str]()
    fruitless = 0
    for spec in _draws(config):
        try:
            prepared = config.evaluator.prepare(spec)
        except (SpecError, FieldError):
            fruitless += 1
        else:
            fruitless = 0 if prepared.digest not in digests else fruitless + 1
            if prepared.digest not in digests:
                digests.add(prepared.digest)
                yield prepared
        if len(digests) == count or fruitless > MAX_FRUITLESS:
            return


def _draws(config: StudyConfig) -> Iterator[ArchSpec]:
    """Layouts at random, without an end."""
    space = config.open_space()
    try:
        every = Limit(MetricAt(COSTS[0], space.fill(lambda hole: hole.options[0]).spec.resolution), 0, None)
        inside = config.confinement or Confinement(space, (every,))
    except (SpecError, FieldError):
        yield from _drawn_by_hole(space, mix(config.seed, CHECK))
        return
    rng = np.random.default_rng(mix(config.seed, CHECK))
    while True:
        for row in inside.draw(rng, BLOCK):
            yield inside.encoding.spec(row)


def _drawn_by_hole(space: Space, seed: int) -> Iterator[ArchSpec]:
    rng = random.Random(seed)
    while True:
        params = space.choose(lambda hole: rng.choice(hole.options))
        try:
            yield space.decode(params)
        except SpecError:  # what is possible remains equally likely
            continue


def known_estimates(study: Study) -> dict[str, float]:
    """Estimates by digest, of the layouts that a check has trained."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return {str(one.user_attrs["digest"]): float(one.user_attrs[ESTIMATE]) for one in trials if _whole(one)}


def gate_of(study: Study, estimates: Mapping[str, float], seed: int) -> Gate:
    """The gate of the trainings that a check has recorded.

    Args:
        study: of the check.
        estimates: by digest; other layouts do not count.
        seed: of the resamples.
    """
    trials = [one for one in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)) if _whole(one)]
    rows: dict[str, dict[int, float]] = {}
    costs: dict[str, dict[str, float | int]] = {}
    for one in trials:
        digest = str(one.user_attrs["digest"])
        if digest in estimates and one.values is not None:
            rows.setdefault(digest, {})[int(one.user_attrs["seed"])] = one.values[0]
            costs[digest] = recorded_metrics(one.user_attrs)
    seeds = sorted({seed for row in rows.values() for seed in row})
    full = np.array([[row.get(seed, np.nan) for seed in seeds] for row in rows.values()]).reshape(len(rows), -1)
    columns = {name: np.array([float(costs[digest][name]) for digest in rows]) for name in COSTS}
    return judge(np.array([estimates[digest] for digest in rows]), full, columns, seed=mix(seed, GATE))


def _whole(trial: FrozenTrial) -> bool:
    return {"digest", "seed", ESTIMATE, *COSTS} <= trial.user_attrs.keys()


@final
class EstimatePhase(Phase):
    """The estimates of layouts that are to be trained in full; those that the search made are found on disk.

    Args:
        config: what was asked.
        specs: the layouts.
        known: estimates by digest that are recorded.
        root: folder of the run.

    Attributes:
        found: estimates by digest.
    """

    title, noun = CHECK_ESTIMATES, "estimates"

    def __init__(self, config: StudyConfig, specs: list[ArchSpec], known: Mapping[str, float], root: Path) -> None:
        super().__init__()
        self.config, self.root = config, root
        self.found = {spec.digest: known[spec.digest] for spec in specs if spec.digest in known}
        self._wanted = len(specs)
        self._restarts = Restarts()
        self._orders = [search_order(spec, config.seed) for spec in reversed(specs) if spec.digest not in self.found]

    @property
    def progress(self) -> tuple[int, int]:
        return len(self.found), self._wanted

    def next_order(self) -> Order | None:
        return self._orders.pop() if self._orders else None

    def label(self, order: Order) -> str:
        return f"estimate of {order.digest[:8]}"

    def describe(self, order: Order) -> LoggedTrial:
        name = trial_folder_name(CHECK, order.digest[:8], "estimate")
        return describe_order(order, self.root, name, self.label(order), self.title, None, {})

    def finish(self, order: Order, report: Report) -> str:
        if report.kind == "done" and report.metrics is not None:
            value = self.found[order.digest] = float(report.metrics["accuracy"])
            return f"{self.label(order)}: {self.config.evaluator.quality} {value:.4f}"
        if self._restarts.allow(order.digest, report):
            self._orders.insert(0, order)
        return f"{self.label(order)} {report.state}: {report.text}"
