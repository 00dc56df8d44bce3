"""The SynFlow score: the synaptic saliency of an untrained network's weights, without data."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final

from pydantic import Field

from archspec.cost.metrics import Metric
from archspec.spec.schema import ArchSpec
from search.evaluator import Evaluator, Session
from search.inputs import Input
from search.train.device import DeviceName
from search.weights.initial import Drawn
from search.zero_cost.role import GIVES, EstimateData, EstimateRole, FullEvaluator
from search.zero_cost.score_session import ScoreSession, ScoreSettings
from search.zero_cost.synflow import synflow


@final
class Synflow(Evaluator):
    """The logarithm of the summed synaptic saliency; see `search.zero_cost.synflow`. No image is looked at."""

    FREE: ClassVar[dict[str, Any]] = {"device": True}
    estimates: ClassVar[bool] = True

    type: Literal["synflow"] = "synflow"
    data: EstimateData
    init: Drawn = Field(default="fan_out", description="initial weights: vit or fan_out, see archspec.build")
    device: DeviceName = Field(default="auto", max_length=40, description="auto, cpu, cuda, cuda:1, mps or xpu")
    full: FullEvaluator = None

    @property
    def role(self) -> EstimateRole:
        """The score, its data, and what it estimates."""
        return EstimateRole("SynFlow score", self.data, self.full)

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
        settings = ScoreSettings("SynFlow", synflow, self.data, 0, 1, self.init, self.device)
        return ScoreSession(settings)
