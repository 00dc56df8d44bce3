"""The rungs of a study: after how many epochs a training pauses, and what share of those that have goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, cast, final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_serializer, model_validator

from archspec.documents.wording import plural
from archspec.errors import FieldError
from search.plugins import first_problem

WARMUPS = 3
"""A rung has so many times the epochs of the warm-up at least: before, the learning rate ranks layouts, not they."""
MOST = 8
"""Rungs at most."""


def _fraction(raw: Any) -> Fraction:
    """A number, or `1/3` as text."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | str | Fraction):
        raise FieldError("", f"must be a number or a fraction such as 1/3, not {raw!r:.40}")
    try:
        return Fraction(str(raw).strip())
    except (ValueError, ZeroDivisionError):
        raise FieldError("", f"must be a number or a fraction such as 1/3, not {raw!r:.40}") from None


def _epochs(raw: Any) -> tuple[str, ...]:
    if isinstance(raw, str) or not isinstance(raw, Sequence):
        raise FieldError("", f"must be a list such as [1/3, 1] or [3, 9], not {raw!r:.40}")
    values = [_fraction(one) for one in cast("Sequence[Any]", raw)]
    shown = _show(values)
    if not 2 <= len(values) <= MOST:
        raise FieldError("", f"must name two rungs to {MOST}, the last of them the whole training, not {shown}")
    if any(later <= one for one, later in pairwise(values)):
        raise FieldError("", f"must ascend, not {shown}")
    if values[0] <= 0:
        raise FieldError("", f"must be above 0, not {shown}")
    whole = all(one.denominator == 1 for one in values)
    if not whole and values[-1] != 1:
        rule = "must be shares of the training, the last of them 1, or whole numbers of epochs"
        raise FieldError("", f"{rule}, not {shown}")
    return tuple(map(str, values))


def _keep(raw: Any) -> str:
    value = _fraction(raw)
    if not 0 < value < 1:
        raise FieldError("", f"must be above 0 and below 1, not {value}")
    return str(value)


@final
class RungsSpec(BaseModel):
    """Rungs: `{epochs: [1/3, 1], keep: 1/3}`, in shares of the training or, all of them whole, in epochs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: Annotated[tuple[str, ...], BeforeValidator(_epochs)] = Field(
        default=("1/3", "1"), description="where trainings pause, ascending; the last is the whole: [1/3, 1] or [3, 9]"
    )
    keep: Annotated[str, BeforeValidator(_keep)] = Field(
        default="1/3", description="share of the layouts at a rung that goes on to the next, at most"
    )

    @model_validator(mode="before")
    @classmethod
    def _name_fields(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            raise FieldError("", f"must be a mapping such as {{epochs: [1/3, 1], keep: 1/3}}, not {raw!r:.40}")
        return cast("Mapping[str, Any]", raw)

    @field_serializer("epochs")
    def _write(self, epochs: tuple[str, ...]) -> list[int | str]:
        return [int(one) if "/" not in one else one for one in epochs]

    @property
    def share(self) -> Fraction:
        """`keep` as a number."""
        return Fraction(self.keep)

    @property
    def count(self) -> int:
        """Rungs, the whole training among them."""
        return len(self.epochs)

    @property
    def stated(self) -> int | None:
        """The epochs of the whole training where rungs are whole numbers of epochs; None where they are shares."""
        last = Fraction(self.epochs[-1])
        return int(last) if last > 1 else None

    def resolve(self, total: int, warmup: float = 0) -> tuple[int, ...]:
        """The rungs in epochs, the last of them `total`.

        Args:
            total: epochs of the whole training.
            warmup: epochs of its warm-up.

        Raises:
            FieldError: the last rung is not the whole training, two are the same, or one is too near the warm-up.
        """
        stated = self.stated
        if stated is not None and stated != total:
            rule = (
                f"exceeds the training, which has {plural(total, 'epoch')}"
                if stated > total
                else f"must be all {plural(total, 'epoch')}"
            )
            raise FieldError("epochs", f"the last rung {rule}, not {stated}")
        values = [Fraction(one) for one in self.epochs]
        rungs = [max(1, round(one if stated else one * total)) for one in values]
        if any(later <= one for one, later in pairwise(rungs)):
            rule = f"must ascend: of {plural(total, 'epoch')} they are {', '.join(map(str, rungs))}"
            raise FieldError("epochs", rule)
        if rungs[0] < WARMUPS * warmup:
            least = math.ceil(WARMUPS * warmup)
            rule = f"the first rung has {rungs[0]} of {plural(total, 'epoch')} and needs {least}"
            raise FieldError("epochs", f"{rule}: {WARMUPS} times the recipe's warm-up of {warmup:g}")
        return tuple(rungs)


def _show(values: Sequence[Fraction]) -> str:
    return f"[{', '.join(map(str, values))}]"


def parse_rungs(raw: object) -> RungsSpec | None:
    """Rungs from a mapping of their fields, or from themselves; None where there are none.

    Raises:
        FieldError: the first field that breaks a rule.
    """
    if raw is None or isinstance(raw, RungsSpec):
        return raw
    try:
        return RungsSpec.model_validate(raw)
    except ValidationError as error:
        raise first_problem(error, RungsSpec) from None


AnyRungs = Annotated[RungsSpec | None, BeforeValidator(parse_rungs)]
"""Type of a pydantic field that holds rungs, or none."""
