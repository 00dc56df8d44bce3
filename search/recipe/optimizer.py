"""The optimiser of a recipe: its name, and what it takes beside the learning rate and the weight decay."""

from collections.abc import Mapping
from typing import Annotated, Any, cast, final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Option = float | int | bool | str | tuple[float, ...]
"""An argument of an optimiser: `momentum: 0.9`, `betas: [0.9, 0.98]`."""


@final
class OptimizerSpec(BaseModel):
    """An optimiser by name: `adamw`, or `{name: sgd, momentum: 0.9, nesterov: true}`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(default="adamw", pattern=r"^[a-z][a-z0-9_]*$", max_length=40, description="adamw, sgd, lamb, ...")
    options: dict[str, Option] = Field(default_factory=dict[str, Option], description="its further arguments")


def _mapping(raw: Any) -> Any:
    """A name as a mapping, and options that stand beside the name as its options."""
    if isinstance(raw, str):
        return {"name": raw}
    if isinstance(raw, Mapping) and "name" in raw and "options" not in raw:
        fields = dict(cast("Mapping[str, Any]", raw))
        return {"name": fields.pop("name"), "options": fields}
    return raw


AnyOptimizer = Annotated[OptimizerSpec, BeforeValidator(_mapping)]
"""Type of a pydantic field that holds an optimiser, however it was written."""
