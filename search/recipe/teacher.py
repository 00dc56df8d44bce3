"""The frozen network whose answers a training learns from beside the labels."""

from typing import final

from pydantic import BaseModel, ConfigDict, Field


@final
class TeacherSpec(BaseModel):
    """A frozen teacher: a model of timm's, or a spec with weights."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str = Field(min_length=1, description="timm:NAME, a preset, a spec file, or a run's layout")
    weights: str | None = Field(default=None, description="file of its weights; of timm's models, else timm's own")
    weight: float = Field(default=0.5, gt=0, le=1, description="weight of the teacher's answer against the labels")
    temperature: float = Field(default=1, gt=0, le=100, description="temperature of both answers")
    hard: bool = Field(default=False, description="learn its likeliest class instead of its distribution")
