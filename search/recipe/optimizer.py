"""The optimiser of a recipe: its name, and what it takes beside the learning rate and the weight decay."""

from collections.abc import Mapping
from typing import Annotated, Any, Self, cast, final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from archspec.errors import FieldError
from search.plugins import first_problem
from search.recipe.timm_optimizer import check_timm, refuse_reserved

Option = bool | int | float | str | tuple[float, ...] | tuple[str, ...]
"""An argument of an optimiser: `momentum: 0.9`, `betas: [0.9, 0.98]`."""
Share = Annotated[float, Field(ge=0, lt=1, strict=True)]


@final
class OptimizerSpec(BaseModel):
    """An optimiser by name: `adamw`, or `{name: sgd, momentum: 0.9, nesterov: true}`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(default="adamw", max_length=40, description="adamw, sgd, or timm's: lamb, lion, muon, ...")
    options: dict[str, Option] = Field(default_factory=dict[str, Option], description="its further arguments")


@final
class AdamWOptions(BaseModel):
    """Arguments of `adamw`, torch's AdamW."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    betas: tuple[Share, Share] = Field(default=(0.9, 0.999), description="decays of both moments")
    eps: float = Field(default=1e-8, ge=0, le=1, strict=True, description="added to the denominator")
    amsgrad: bool = Field(default=False, strict=True, description="keep the largest second moment")


@final
class SGDOptions(BaseModel):
    """Arguments of `sgd`, torch's SGD, with the momentum of 0.9 and Nesterov's form that timm gives it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    momentum: Share = Field(default=0.9, description="decay of the velocity; 0 for none")
    dampening: Share = Field(default=0, description="share of a gradient that the velocity leaves out")
    nesterov: bool | None = Field(
        default=None, strict=True, description="Nesterov's form; null where momentum and dampening allow it"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.nesterov and (not self.momentum or self.dampening):
            given = f"{self.momentum:g} and {self.dampening:g}"
            raise FieldError("nesterov", f"needs momentum above 0 and no dampening, not {given}")
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of torch's SGD."""
        nesterov = self.momentum > 0 and not self.dampening if self.nesterov is None else self.nesterov
        return self.model_dump() | {"nesterov": nesterov}


OWN: Mapping[str, type[BaseModel]] = {"adamw": AdamWOptions, "sgd": SGDOptions}
"""The optimisers that need no extra, each with what it takes."""


def parse_optimizer(raw: object) -> OptimizerSpec:
    """An optimiser from its name, from a mapping with its name and options, or from itself.

    What is not torch's is checked with timm, which is imported for it.

    Raises:
        FieldError: no such optimiser or option, a value that it does not take, or timm is not installed.
    """
    if isinstance(raw, OptimizerSpec):
        return raw
    if isinstance(raw, str):
        raw = {"name": raw}
    if not isinstance(raw, Mapping):
        raise FieldError("", f"must be the name of an optimizer or a mapping with it, not {raw!r:.40}")
    fields = dict(cast("Mapping[str, Any]", raw))
    name = fields.pop("name", None)
    if not isinstance(name, str):
        has = ", ".join(str(key) for key in list(fields)[:6])
        raise FieldError("name", "the optimizer needs its name" + (f"; it has {has}" if has else ""))
    inside = isinstance(fields.get("options"), Mapping)
    given = fields.pop("options") if inside and len(fields) == 1 else fields
    try:
        spec = OptimizerSpec(name=name, options=given)
    except ValidationError as error:
        raise _explain(error) from None
    try:
        _check(spec)
    except FieldError as error:
        place = f"options.{error.field}" if inside and error.field else error.field
        raise FieldError(place, error.rule) from None
    return spec


def _explain(error: ValidationError) -> FieldError:
    """The first problem of a name and options; of an option that is of no kind, in one line."""
    place = error.errors(include_url=False)[0]["loc"]
    if len(place) > 1:
        return FieldError(str(place[1]), "must be a finite number, true or false, text, or a list of numbers or texts")
    return first_problem(error, OptimizerSpec)


def _check(spec: OptimizerSpec) -> None:
    kind = OWN.get(spec.name)
    if kind is None:
        check_timm(spec.name, spec.options, tuple(OWN))
        return
    for option in spec.options:
        refuse_reserved(option)
    try:
        kind.model_validate(spec.options)
    except ValidationError as error:
        raise first_problem(error, kind) from None


AnyOptimizer = Annotated[OptimizerSpec, BeforeValidator(parse_optimizer)]
"""Type of a pydantic field that holds an optimiser, however it was written."""
