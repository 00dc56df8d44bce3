"""The check of a study whose evaluator estimates: how many layouts are trained in full to judge it."""

from __future__ import annotations

from typing import final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from search.estimate.resampling import FEWEST


@final
class CheckSpec(BaseModel):
    """Full trainings of layouts drawn at random, which tell what a cheap estimate is worth before finalists train."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layouts: int = Field(
        default=24,
        ge=0,
        le=10_000,
        strict=True,
        description="layouts drawn uniformly; 0 for none, which every report then says",
    )
    seeds: int = Field(default=1, ge=1, le=100, strict=True, description="trainings of each")

    @model_validator(mode="after")
    def _check(self) -> CheckSpec:
        if 0 < self.layouts < FEWEST:
            raise ValueError(f"layouts must be 0 or at least {FEWEST}, not {self.layouts}: fewer decide nothing")
        return self
