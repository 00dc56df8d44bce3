"""The course of the learning rate over a training, as a function of the step: there is nothing to save."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, cast, final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from archspec.documents.paths import suggest
from archspec.errors import FieldError
from search.plugins import first_problem

ScheduleName = Literal["cosine", "step", "onecycle", "constant"]


@final
class ScheduleSpec(BaseModel):
    """A schedule by name: `cosine`, or `{name: step, every: 30, factor: 0.1}`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    FIELDS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "cosine": ("lowest",),
        "step": ("every", "factor"),
        "onecycle": ("pct_start", "div_factor", "final_div_factor"),
        "constant": (),
    }
    """The fields that each schedule has."""

    name: ScheduleName = Field(default="cosine", description="cosine, step, onecycle or constant")
    lowest: float = Field(default=0, ge=0, le=10, strict=True, description="cosine: learning rate that it ends at")
    every: float = Field(
        default=30, gt=0, le=10_000, strict=True, description="step: epochs between two decays, from the start on"
    )
    factor: float = Field(
        default=0.1, gt=0, le=1, strict=True, description="step: what the learning rate is multiplied by"
    )
    pct_start: float = Field(
        default=0.3, gt=0, lt=1, strict=True, description="onecycle: share of the training that it rises for"
    )
    div_factor: float = Field(
        default=25, ge=1, le=1e9, strict=True, description="onecycle: the peak by the rate that it begins at"
    )
    final_div_factor: float = Field(
        default=1e4, ge=1, le=1e12, strict=True, description="onecycle: its first rate by its last"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for other, names in self.FIELDS.items():
            for name in names if other != self.name else ():
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise FieldError(name, f"belongs to the schedule {other}, not to {self.name}")
        return self

    def rate(self, peak: float, step: int, total: int, warmup: int, epoch: int) -> float:
        """The learning rate of optimiser step `step`, counted from 0.

        `cosine`, `step` and `constant` begin with `warmup` steps that rise linearly from peak / warmup to the peak.
        Then `cosine` falls by half a cosine that would reach `lowest` one step after the last (SGDR, Loshchilov and
        Hutter 2017, without restarts), and `step` is multiplied by `factor` every `every` epochs, counted from the
        start of the training (Goyal et al. 2017). `onecycle` has a rise of its own (Smith and Topin 2019, in the two
        phases of torch's OneCycleLR), without a cycle of the momentum.

        Args:
            peak: the highest learning rate.
            step: number of the step.
            total: steps of the training.
            warmup: steps of the warm-up, fewer than `total`.
            epoch: steps of an epoch.
        """
        if self.name == "onecycle":
            return self._one_cycle(peak, step, total)
        if step < warmup:
            return peak * (step + 1) / warmup
        if self.name == "step":
            return peak * self.factor ** (step // (self.every * epoch))
        if self.name == "constant":
            return peak
        fall = 1 + math.cos(math.pi * (step - warmup) / (total - warmup))
        return self.lowest + (peak - self.lowest) * 0.5 * fall

    def _one_cycle(self, peak: float, step: int, total: int) -> float:
        first, turn, last = peak / self.div_factor, self.pct_start * total - 1, total - 1
        if step <= turn:
            return _anneal(first, peak, step / turn if turn else 1)
        return _anneal(peak, first / self.final_div_factor, (step - turn) / (last - turn))


def _anneal(start: float, end: float, share: float) -> float:
    """The value after `share` of half a cosine from `start` to `end`."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


def parse_schedule(raw: object) -> ScheduleSpec:
    """A schedule from its name, from a mapping with its name and fields, or from itself.

    Raises:
        FieldError: no such schedule or field, or a value out of range.
    """
    if isinstance(raw, ScheduleSpec):
        return raw
    if not isinstance(raw, str | Mapping):
        raise FieldError("", f"must be the name of a schedule or a mapping with it, not {raw!r:.40}")
    fields = {"name": raw} if isinstance(raw, str) else dict(cast("Mapping[str, Any]", raw))
    name, known = fields.get("name", "cosine"), ScheduleSpec.FIELDS
    if name not in known:
        hint = suggest(str(name), known) or f" (known: {', '.join(known)})"
        raise FieldError("" if isinstance(raw, str) else "name", f"unknown schedule {name!r:.40}{hint}")
    try:
        return ScheduleSpec.model_validate(fields)
    except ValidationError as error:
        raise first_problem(error, ScheduleSpec) from None


AnySchedule = Annotated[ScheduleSpec, BeforeValidator(parse_schedule)]
"""Type of a pydantic field that holds a schedule, however it was written."""
