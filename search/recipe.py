"""The training recipe: how a network is trained, as plain data without torch.

A recipe is a mapping of fields, the name of a shipped one (`search/recipes/`), or both: `{base: hiri, epochs: 30}`.
"""

import math
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, cast, final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from archspec.documents.paths import suggest
from archspec.documents.shipped import Shelf
from archspec.errors import FieldError
from search.plugins import first_problem

RECIPES = Shelf("recipe", "search", "recipes")
LATER = ("cutmix", "mixup", "mix_prob", "erasing", "randaugment", "distill")
"""Fields that recipes did not always have: at their defaults they are left out of a run's identity."""


@final
class RandAugment(BaseModel):
    """A few random operations on each image, all of one strength (Cubuk et al. 2020)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    ops: int = Field(
        default=2, ge=1, le=10, strict=True, description="operations on each image, drawn with replacement"
    )
    magnitude: float = Field(default=9, ge=0, le=10, description="strength of every operation, of 10")


@final
class Recipe(BaseModel):
    """AdamW with a cosine schedule and an average of the weights (HIRI-ViT section 5.1, scaled down to small tasks)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(default=10, ge=1, le=10_000, description="passes over the training split")
    batch_size: int = Field(default=48, ge=4, le=65_536, description="images per step; at least four, for batch norm")
    lr: float = Field(default=4e-3, gt=0, le=10, description="peak learning rate, reached after the warm-up")
    weight_decay: float = Field(default=0.05, ge=0, le=10, description="decoupled decay of matrices and kernels only")
    warmup_epochs: float = Field(
        default=1, ge=0, le=1000, description="epochs of linear warm-up; a fraction is allowed"
    )
    label_smoothing: float = Field(default=0.1, ge=0, lt=1, description="probability spread over all classes")
    clip_grad: float = Field(default=1, ge=0, le=1e6, description="largest gradient norm; 0 does not clip")
    ema_decay: float = Field(
        default=0.98, ge=0, lt=1, description="decay per step of the average of the weights; 0 keeps none"
    )
    precision: Literal["auto", "float32"] = Field(
        default="auto", description="auto: 16-bit autocast where the device has it"
    )
    channels_last: bool | Literal["auto"] = Field(
        default="auto", description="memory format of images; auto: by device"
    )
    augment: bool = Field(default=True, description="augment training images in the data set's own way")
    workers: int = Field(default=0, ge=0, le=256, description="processes that decode images; 0 decodes in the trainer")
    cutmix: float = Field(
        default=0, ge=0, le=100, description="CutMix with shares from Beta(cutmix, cutmix); 0 for none"
    )
    mixup: float = Field(default=0, ge=0, le=100, description="Mixup with shares from Beta(mixup, mixup); 0 for none")
    mix_prob: float = Field(
        default=1, ge=0, le=1, description="share of batches mixed; with both kinds, each has half of them"
    )
    erasing: float = Field(
        default=0, ge=0, le=1, description="probability that a rectangle of an image is erased to noise"
    )
    randaugment: RandAugment | None = Field(default=None, description="RandAugment: {ops, magnitude}; null for none")
    distill: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="weight of the labels against an EMA teacher's answer; null for no teacher",
    )

    @model_validator(mode="after")
    def _check(self) -> "Recipe":
        if self.distill is not None and not self.ema_decay:
            raise FieldError("distill", f"needs ema_decay above 0: the teacher is the average, not {self.ema_decay:g}")
        return self

    @property
    def augments(self) -> bool:
        """Whether single images are changed beyond the data set's own augmentation."""
        return self.erasing > 0 or self.randaugment is not None

    def identity(self) -> str:
        """JSON of what decides the result of a run; a field that came later counts where it is not at its default."""
        fields = Recipe.model_fields
        silent = {name for name in LATER if getattr(self, name) == fields[name].default}
        return self.model_dump_json(exclude={"workers", *silent})

    def lr_at(self, step: int, steps: int) -> float:
        """Learning rate of optimiser step `step` (from 0) in an epoch of `steps` steps: a function, so nothing to save.

        Linear from lr / warm-up steps to lr, then half a cosine that would reach zero one step after the last.
        """
        total = self.epochs * steps
        warmup = min(round(self.warmup_epochs * steps), total - 1)
        if step < warmup:
            return self.lr * (step + 1) / warmup
        return self.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


@cache
def recipes() -> tuple[str, ...]:
    """Names of the shipped recipes."""
    return RECIPES.names()


def parse_recipe(raw: object) -> Recipe:
    """A recipe from a shipped one's name, from a mapping of fields (with `base`, over that one), or from itself.

    Raises:
        FieldError: the first field that breaks a rule, or a name that no recipe has.
    """
    if isinstance(raw, Recipe):
        return raw
    if isinstance(raw, str):
        return _validate(_shipped(raw, ""))
    if not isinstance(raw, Mapping):
        raise FieldError("", f"must be the name of a recipe or a mapping, not {raw!r:.40}")
    fields = dict(cast("Mapping[str, Any]", raw))
    base = _shipped(fields.pop("base"), "base") if "base" in fields else {}
    return _validate(base | fields)


def _shipped(name: object, field: str) -> dict[str, Any]:
    if not isinstance(name, str) or name not in recipes():
        hint = suggest(str(name), recipes()) or f" (known: {', '.join(recipes())})"
        raise FieldError(field, f"unknown recipe {name!r:.40}{hint}")
    return dict(RECIPES.read(name).data)


def _validate(fields: dict[str, Any]) -> Recipe:
    try:
        return Recipe.model_validate(fields)
    except ValidationError as error:
        raise first_problem(error, Recipe) from None


AnyRecipe = Annotated[Recipe, BeforeValidator(parse_recipe)]
"""Type of a pydantic field that holds a recipe, however it was written."""
