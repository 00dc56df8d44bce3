"""The frozen network whose answers a training learns from beside the labels."""

from typing import final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from archspec.errors import FieldError


@final
class TeacherSpec(BaseModel):
    """A frozen teacher: a model of timm's, or a spec with weights.

    With probabilities p of the student and q of the teacher the loss is (1 - weight) * cross-entropy to the labels +
    weight * T² * KL(q_T || p_T), both at temperature T (Hinton et al. 2015, arXiv 1503.02531, section 2). `hard` has
    the cross-entropy to the teacher's likeliest class in place of the second term (DeiT, Touvron et al. 2021, arXiv
    2012.12877, section 4).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str = Field(
        min_length=1, max_length=1000, description="timm:NAME, RUN/MEMBER, saved weights, or a spec or preset"
    )
    weights: str | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="of a spec, or of a model of timm's in place of its own: what `init` takes",
    )
    weight: float = Field(
        default=0.5, gt=0, le=1, strict=True, description="weight of the teacher's answer against the labels"
    )
    temperature: float = Field(default=1, gt=0, le=100, strict=True, description="temperature of both answers")
    hard: bool = Field(default=False, description="learn its likeliest class instead of its distribution")
    resolution: int | None = Field(
        default=None,
        ge=8,
        le=4096,
        strict=True,
        description="side to which its images are resized; null for that of its spec",
    )

    @model_validator(mode="after")
    def _check(self) -> "TeacherSpec":
        if self.hard and self.temperature != 1:
            raise FieldError("temperature", f"must be 1 where hard is true, not {self.temperature:g}: it has no effect")
        return self
