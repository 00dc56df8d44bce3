"""The layouts of a search with rungs that go on: orders for their next rung, and the record of the answers.

A promotion is recorded when it has come to its rung, and not before: what is under way when a run is killed stands in
no journal, and follows from the results that do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, final

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from archspec.documents.wording import plural
from search.attributes import metric_attributes
from search.evaluator import Metrics
from search.run.answers import answer_attributes, curve_attributes, intermediate_values, pause_attributes
from search.run.journal import MAX_ATTEMPTS, find_trial
from search.run.phase import recorded_spec, search_order
from search.run.worker import Order, Report
from search.rungs.history import next_order, rung_trials
from search.rungs.promotion import Promotion, Promotions, RungResult, expected_steps
from search.space.space import Space
from search.study.config import StudyConfig

OF_LAYOUT = ("digest", "code", "seed", "placed")
"""Attributes of the trial that began a layout that its promotions take over."""


@final
class PromotionQueue:
    """The promotions of a search, as its journal calls for them.

    Args:
        study: the search.
        config: what was asked, with rungs.
        space: the parsed space.
        root: folder of the run.
    """

    def __init__(self, study: Study, config: StudyConfig, space: Space, root: Path) -> None:
        assert config.rungs is not None
        self.study, self.config, self.space, self.root = study, config, space, root
        self.epochs = config.rung_epochs
        self._rule = Promotions(config.rungs.count, config.rungs.share)
        self._under_way: dict[str, Promotion] = {}
        self._failed: dict[Promotion, int] = {}
        self._again: list[Promotion] = []
        self._workers: dict[Promotion, int] = {}
        """Workers that each promotion has ended with."""
        trials = study.get_trials(deepcopy=False)
        self._next = next_order(trials)
        for one in rung_trials(trials):
            self._rule.add(one.result(study.directions))
            if not one.values:
                self._failed[Promotion(one.layout, one.rung)] = one.trial.number
        for attrs in (trial.user_attrs for trial in trials):
            if attrs.get("requeued") and "promoted_from" in attrs:
                promotion = Promotion(int(attrs["promoted_from"]), int(attrs["rung"]) - 1)
                self._workers[promotion] = int(attrs["attempt"])

    def steps(self, begun: int, wanted: int) -> tuple[int, int]:
        """Results at rungs, and how many there will be, where so many layouts have begun and are wanted."""
        done = begun + self._rule.settled
        return done, max(done, sum(expected_steps(wanted, len(self.epochs), self._rule.keep)))

    def retry_failed(self) -> int:
        """Queue the promotions that failed for good once more; how many."""
        self._again = list(self._failed)
        return len(self._again)

    def next_order(self, *, closed: bool) -> Order | None:
        """The next promotion; None when there is none, or none until an answer comes in.

        Args:
            closed: whether no further layout begins.
        """
        if closed:
            self._rule.close()
        under_way = set(self._under_way.values())
        for promotion in (*self._again, *self._rule.open):
            if promotion not in under_way:
                order = self._order(promotion)
                self._under_way[order.digest] = promotion
                return order
        return None

    def pausing(self, order: Order, rung: int = 0) -> Order:
        """An order that pauses at a rung, unless that is the last."""
        if rung == len(self.epochs) - 1:
            return order
        return replace(order, epochs=self.epochs[rung], wanted=self.config.objectives)

    def holds(self, order: Order) -> bool:
        """Whether an order under way is a promotion."""
        return order.digest in self._under_way

    def began(self, order: Order) -> FrozenTrial:
        """The trial that began the layout of a promotion under way."""
        return find_trial(self.study, self._under_way[order.digest].layout)

    def label(self, order: Order) -> str:
        """A promotion under way in a few words for people."""
        promotion = self._under_way[order.digest]
        return f"trial {promotion.layout}, promoted to {self.place(promotion.rung)}"

    def place(self, rung: int) -> str:
        """A rung in words: `rung 1 of 2 (3 of 9 epochs)`."""
        return f"rung {rung + 1} of {len(self.epochs)} ({self.epochs[rung]} of {plural(self.epochs[-1], 'epoch')})"

    def pause(self, number: int, order: Order, metrics: Metrics, values: Sequence[float]) -> dict[str, Any]:
        """Tell the rule of a layout that came to the first rung; the attributes of its trial, which must be told next.

        Args:
            number: of the trial.
            order: that it answers.
            metrics, values: the answer, and its objectives.
        """
        attrs = self._reached(Promotion(number, 0), values)
        return attrs | {"rung_metrics": metric_attributes(metrics), **pause_attributes(order.folder(self.root))}

    def finish(self, order: Order, metrics: Metrics, values: list[float], said: str) -> tuple[str, FrozenTrial]:
        """Record a promotion that came to its rung: a line for people, and the trial.

        Args:
            order: of the promotion.
            metrics, values: the answer, and its objectives.
            said: these, for people.
        """
        promotion = self._under_way.pop(order.digest)
        if promotion in self._again:
            self._again.remove(promotion)
        attrs = self._attributes(promotion) | self._reached(promotion, values)
        whole = order.epochs is None
        state, end = (TrialState.COMPLETE, "") if whole else (TrialState.PRUNED, "; paused")
        if whole:
            attrs |= answer_attributes(metrics, order.folder(self.root)) | {"audited": "audited_macs" in metrics}
        else:
            attrs |= {"rung_metrics": metric_attributes(metrics), **pause_attributes(order.folder(self.root))}
        trial = self._add(promotion, state, attrs, values if whole else None)
        self._failed.pop(promotion, None)
        where = f"trial {trial.number}, promoted from trial {promotion.layout}: {self.place(promotion.rung)}"
        return f"{where}: {said}{end}", trial

    def fail(self, order: Order, report: Report) -> str:
        """Note that a promotion did not come to its rung; one line about it for people."""
        name = self.label(order)
        promotion = self._under_way.pop(order.digest)
        attrs = self._attributes(promotion) | {"rung": promotion.rung + 1, "failure": report.text}
        text = f"{name} {report.state}: {report.text.removeprefix('interrupted ')}"
        if report.kind in ("interrupted", "lost"):
            return f"{text}; it goes on with the run"
        if report.kind == "died":
            count = self._workers[promotion] = self._workers.get(promotion, 0) + 1
            attrs |= {"attempt": count}
            if count < MAX_ATTEMPTS:
                self._add(promotion, TrialState.FAIL, attrs | {"requeued": True})
                return f"{text}; tried again (attempt {count + 1} of {MAX_ATTEMPTS})"
            text = f"{text}; given up after {count} workers"
        if promotion in self._again:
            self._again.remove(promotion)
        self._workers.pop(promotion, None)
        attrs |= self._reached(promotion, ()) | curve_attributes(order.folder(self.root))
        self._failed[promotion] = self._add(promotion, TrialState.FAIL, attrs).number
        return text

    def _order(self, promotion: Promotion) -> Order:
        began = find_trial(self.study, promotion.layout)
        spec = recorded_spec(began, self.config, self.space, str(self.root / "journal.log"))
        return self.pausing(search_order(spec, self.config.seed), promotion.rung)

    def _reached(self, promotion: Promotion, values: Sequence[float]) -> dict[str, Any]:
        """Tell the rule of a result, or of a failure; the attributes that record it."""
        signs = [-1.0 if one.direction == "maximize" else 1.0 for one in self.config.metrics]
        losses = tuple(sign * value for sign, value in zip(signs, values, strict=bool(values)))
        self._rule.add(RungResult(promotion.layout, promotion.rung, losses))
        attrs: dict[str, Any] = {"rung": promotion.rung + 1, "rung_order": self._next}
        self._next += 1
        if values:
            attrs |= {"rung_epochs": self.epochs[promotion.rung], "rung_values": list(values)}
        return attrs

    def _attributes(self, promotion: Promotion) -> dict[str, Any]:
        began = find_trial(self.study, promotion.layout).user_attrs
        attrs: dict[str, Any] = {name: began[name] for name in OF_LAYOUT if name in began}
        attrs["promoted_from"] = promotion.layout
        return attrs | ({"requeued_from": self._failed[promotion]} if promotion in self._failed else {})

    def _add(
        self, promotion: Promotion, state: TrialState, attrs: dict[str, Any], values: list[float] | None = None
    ) -> FrozenTrial:
        began = find_trial(self.study, promotion.layout)
        course = intermediate_values(attrs, self.config.objectives)
        self.study.add_trial(
            create_trial(
                state=state,
                values=values,
                params=began.params,
                distributions=began.distributions,
                user_attrs=attrs,
                intermediate_values=course,
            )
        )
        return self.study.get_trials(deepcopy=False)[-1]
