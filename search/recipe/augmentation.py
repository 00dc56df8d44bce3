"""Augmentations of a recipe that have several numbers."""

from typing import final

from pydantic import BaseModel, ConfigDict, Field


@final
class RandAugment(BaseModel):
    """A small RandAugment: a few random operations on each image of a batch, all of one strength.

    After Cubuk et al. 2020, but not as published: of its 14 operations identity and 9 others, on normalised images,
    with additive brightness. The published form is `auto_augment: rand-m9`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    ops: int = Field(
        default=2, ge=1, le=10, strict=True, description="operations on each image, drawn with replacement"
    )
    magnitude: float = Field(default=9, ge=0, le=10, strict=True, description="strength of every operation, of 10")
