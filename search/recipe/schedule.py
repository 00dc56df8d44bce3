"""The course of the learning rate over a training, as a function of the step: there is nothing to save."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast, final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

ScheduleName = Literal["cosine", "step", "onecycle", "constant"]


@final
class ScheduleSpec(BaseModel):
    """A schedule by name: `cosine`, or `{name: step, every: 30, factor: 0.1}`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: ScheduleName = Field(default="cosine", description="cosine, step, onecycle or constant, after the warm-up")
    lowest: float = Field(default=0, ge=0, le=10, description="learning rate that a cosine ends at")
    every: float = Field(default=30, gt=0, le=10_000, description="step: epochs between two decays")
    factor: float = Field(default=0.1, gt=0, le=1, description="step: what the learning rate is multiplied by")


def _mapping(raw: Any) -> Any:
    return {"name": raw} if isinstance(raw, str) else dict(cast("Any", raw)) if isinstance(raw, Mapping) else raw


AnySchedule = Annotated[ScheduleSpec, BeforeValidator(_mapping)]
"""Type of a pydantic field that holds a schedule, however it was written."""
