"""The NASWOT score: how differently an untrained network codes the images of a batch."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final

from pydantic import Field

from archspec.cost.metrics import Metric
from archspec.spec.schema import ArchSpec
from search.evaluator import Evaluator, Session
from search.inputs import Input
from search.train.device import DeviceName
from search.weights.initial import Drawn
from search.zero_cost.naswot import naswot
from search.zero_cost.role import GIVES, EstimateData, EstimateRole, FullEvaluator
from search.zero_cost.score_session import ScoreSession, ScoreSettings


@final
class Naswot(Evaluator):
    """The log determinant of the kernel of binary codes; see `search.zero_cost.naswot`. Nothing is trained."""

    FREE: ClassVar[dict[str, Any]] = {"device": True}
    estimates: ClassVar[bool] = True

    type: Literal["naswot"] = "naswot"
    data: EstimateData
    batch_size: int = Field(default=128, ge=2, le=4096, strict=True, description="images of a batch")
    init: Drawn = Field(default="fan_out", description="initial weights: vit or fan_out, see archspec.build")
    device: DeviceName = Field(default="auto", max_length=40, description="auto, cpu, cuda, cuda:1, mps or xpu")
    full: FullEvaluator = None

    @property
    def role(self) -> EstimateRole:
        """The score, its data, and what it estimates."""
        return EstimateRole("NASWOT score", self.data, self.full)

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
        settings = ScoreSettings("NASWOT", naswot, self.data, 1, self.batch_size, self.init, self.device)
        return ScoreSession(settings)
