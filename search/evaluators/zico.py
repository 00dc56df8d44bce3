"""The ZiCo score: how steady an untrained network's gradients are from batch to batch."""

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
from search.zero_cost.zico import zico


@final
class Zico(Evaluator):
    """The inverse coefficient of variation of gradients; see `search.zero_cost.zico`. Nothing is trained."""

    FREE: ClassVar[dict[str, Any]] = {"device": True}
    estimates: ClassVar[bool] = True

    type: Literal["zico"] = "zico"
    data: EstimateData
    batch_size: int = Field(default=64, ge=2, le=4096, strict=True, description="images of a batch")
    batches: int = Field(
        default=2, ge=2, le=64, strict=True, description="batches over which gradients vary; the paper's 2"
    )
    init: Drawn = Field(default="fan_out", description="initial weights: vit or fan_out, see archspec.build")
    device: DeviceName = Field(default="auto", max_length=40, description="auto, cpu, cuda, cuda:1, mps or xpu")
    full: FullEvaluator = None

    @property
    def role(self) -> EstimateRole:
        """The score, its data, and what it estimates."""
        return EstimateRole("ZiCo score", self.data, self.full)

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
        settings = ScoreSettings("ZiCo", zico, self.data, self.batches, self.batch_size, self.init, self.device)
        return ScoreSession(settings)
