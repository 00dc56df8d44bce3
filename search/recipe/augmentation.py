"""Augmentations of a recipe that have several numbers."""

from typing import final

from pydantic import BaseModel, ConfigDict, Field


@final
class RandAugment(BaseModel):
    """A few random operations on each image, all of one strength (after Cubuk et al. 2020; 9 of its 14 operations)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    ops: int = Field(
        default=2, ge=1, le=10, strict=True, description="operations on each image, drawn with replacement"
    )
    magnitude: float = Field(default=9, ge=0, le=10, description="strength of every operation, of 10")
