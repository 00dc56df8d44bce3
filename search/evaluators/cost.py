"""Cost alone as an estimate of accuracy: more of it, more accurate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal, final

from pydantic import Field

from archspec.cost.metrics import Metric, find_metric
from archspec.spec.schema import ArchSpec
from search.evaluator import Evaluator, Metrics, Progress, Session, Task, cost_metrics
from search.inputs import Input
from search.zero_cost.role import GIVES, EstimateData, EstimateRole, FullEvaluator


@final
class CostEstimate(Evaluator):
    """The logarithm of a cost in place of accuracy: what every other estimate has to beat. Nothing is trained."""

    estimates: ClassVar[bool] = True

    type: Literal["cost"] = "cost"
    data: EstimateData
    by: Literal["macs", "params", "activations"] = Field(default="macs", description="the cost that is taken")
    full: FullEvaluator = None

    @property
    def role(self) -> EstimateRole:
        """The score, its data, and what it estimates."""
        return EstimateRole(f"log {find_metric(self.by).text}", self.data, self.full)

    @property
    def gives(self) -> frozenset[str]:
        return GIVES

    @property
    def own_metrics(self) -> tuple[Metric, ...]:
        return self.role.own_metrics

    @property
    def metric(self) -> dict[str, str | None]:
        return self.role.metric

    def prepare(self, spec: ArchSpec) -> ArchSpec:
        return self.role.prepare(spec)

    def inputs(self) -> tuple[Input, ...]:
        return self.data.inputs()

    def settled(self, resolution: int) -> Evaluator:
        return self.role.settle(self, resolution)

    def finalist(self, changes: dict[str, Any]) -> Evaluator:
        return self.role.finalist(changes)

    def open(self) -> Session:
        return CostSession(self)


@final
class CostSession(Session):
    """A session that counts."""

    def __init__(self, config: CostEstimate) -> None:
        self.config = config

    def evaluate(self, task: Task, stop: Callable[[], bool], progress: Progress) -> Metrics:
        del stop, progress
        costs = cost_metrics(task.spec)
        return {"accuracy": math.log(costs[self.config.by]), **costs}
