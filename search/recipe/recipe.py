"""The training recipe: how a network is trained, as plain data without torch.

A recipe is a mapping of fields, the name of a shipped one (`search/recipes/`), or both: `{base: hiri, epochs: 30}`.
"""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, cast, final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from archspec.documents.paths import suggest
from archspec.documents.shipped import Shelf
from archspec.errors import FieldError
from search.identity import identity
from search.plugins import first_problem
from search.recipe.augmentation import RandAugment
from search.recipe.auto_augment import parse_policy
from search.recipe.optimizer import AnyOptimizer, OptimizerSpec
from search.recipe.schedule import AnySchedule, ScheduleSpec
from search.recipe.teacher import TeacherSpec

RECIPES = Shelf("recipe", "search", "recipes")
READING = ("workers", "prefetch", "compile")
"""Fields that do not decide a result: how images are read, and how the same arithmetic is run."""
PER_IMAGE = ("auto_augment", "color_jitter", "repeats")
"""Fields that change images one by one, before they are numbers: for a data set to do."""


def _several(raw: object) -> object:
    return (raw,) if isinstance(raw, str) else raw


@final
class Recipe(BaseModel):
    """AdamW with a cosine schedule and an average of the weights (HIRI-ViT section 5.1, scaled down to small tasks)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    LATER: ClassVar[frozenset[str]] = frozenset(
        {"cutmix", "mixup", "mix_prob", "erasing", "randaugment", "distill", "optimizer", "schedule", "lr_batch"}
        | {"layer_decay", "no_decay", "accumulate", "compile", "tf32", "deterministic", "prefetch", "repeats"}
        | {"auto_augment", "color_jitter", "erasing_mode", "erasing_count", "teacher", "freeze", "validation_share"}
    )

    epochs: int = Field(default=10, ge=1, le=10_000, strict=True, description="passes over the training split")
    batch_size: int = Field(
        default=48, ge=4, le=65_536, strict=True, description="images per step; at least four, for batch norm"
    )
    lr: float = Field(
        default=4e-3, gt=0, le=10, strict=True, description="peak learning rate, reached after the warm-up"
    )
    weight_decay: float = Field(
        default=0.05,
        ge=0,
        le=10,
        strict=True,
        description="decay of matrices and kernels only; decoupled where the optimizer says",
    )
    warmup_epochs: float = Field(
        default=1,
        ge=0,
        le=1000,
        strict=True,
        description="epochs of linear warm-up, a fraction is allowed; onecycle has its own",
    )
    label_smoothing: float = Field(
        default=0.1, ge=0, lt=1, strict=True, description="probability spread over all classes"
    )
    clip_grad: float = Field(default=1, ge=0, le=1e6, strict=True, description="largest gradient norm; 0 does not clip")
    ema_decay: float = Field(
        default=0.98, ge=0, lt=1, strict=True, description="decay per step of the average of the weights; 0 keeps none"
    )
    precision: Literal["auto", "float32", "bf16", "fp16"] = Field(
        default="auto", description="of forward and backward; auto: 16-bit autocast where the device has it"
    )
    channels_last: bool | Literal["auto"] = Field(
        default="auto", description="memory format of images; auto: by device"
    )
    augment: bool = Field(default=True, description="augment training images in the data set's own way")
    workers: int = Field(
        default=0, ge=0, le=256, strict=True, description="processes that decode images; 0 decodes in the trainer"
    )
    cutmix: float = Field(
        default=0, ge=0, le=100, strict=True, description="CutMix with shares from Beta(cutmix, cutmix); 0 for none"
    )
    mixup: float = Field(
        default=0, ge=0, le=100, strict=True, description="Mixup with shares from Beta(mixup, mixup); 0 for none"
    )
    mix_prob: float = Field(
        default=1, ge=0, le=1, strict=True, description="share of batches mixed; with both kinds, each has half of them"
    )
    erasing: float = Field(
        default=0, ge=0, le=1, strict=True, description="probability that a rectangle of an image is erased to noise"
    )
    randaugment: RandAugment | None = Field(
        default=None,
        description="small RandAugment (9 operations, on batches, any device): {ops, magnitude}; null for none",
    )
    distill: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        strict=True,
        description="weight of the labels against an EMA teacher's answer; null for no teacher",
    )
    optimizer: AnyOptimizer = Field(
        default_factory=OptimizerSpec, description="adamw, sgd, or any of timm's: its name, or {name, ...}"
    )
    schedule: AnySchedule = Field(
        default_factory=ScheduleSpec, description="cosine, step, onecycle or constant; or {name, ...}"
    )
    lr_batch: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        strict=True,
        description="batch size that lr is for, and scaled from linearly; null: as is",
    )
    layer_decay: float = Field(
        default=1,
        gt=0,
        le=1,
        strict=True,
        description="factor of the learning rate from each layer to the one before it",
    )
    no_decay: Annotated[tuple[str, ...], BeforeValidator(_several)] = Field(
        default=(),
        description="parameters without weight decay beside vectors: patterns of names; published: as layers declare",
    )
    accumulate: int = Field(
        default=1,
        ge=1,
        le=1024,
        strict=True,
        description="parts in which a batch is computed, to save memory; batch norm sees a part",
    )
    compile: bool = Field(default=False, description="run the network by torch.compile")
    tf32: bool | Literal["auto"] = Field(default="auto", description="TensorFloat-32 on GPUs; auto: torch's default")
    deterministic: bool = Field(default=False, description="deterministic kernels only, at their cost")
    prefetch: int = Field(
        default=2, ge=1, le=64, strict=True, description="batches that each worker prepares in advance"
    )
    repeats: int = Field(
        default=1,
        ge=1,
        le=16,
        strict=True,
        description="copies of an image in a row, each augmented anew; as many fewer images",
    )
    auto_augment: str | None = Field(
        default=None,
        max_length=80,
        description="published policy as timm names it: rand-m9-mstd0.5-inc1, original, 3a, augmix-m3-w3; or ta_wide",
    )
    color_jitter: float = Field(
        default=0, ge=0, le=1, strict=True, description="strength of random brightness, contrast and saturation"
    )
    erasing_mode: Literal["pixel", "rand", "const"] = Field(
        default="pixel", description="what an erased rectangle becomes: noise per pixel, one random colour, the mean"
    )
    erasing_count: int = Field(default=1, ge=1, le=10, strict=True, description="most rectangles erased in an image")
    teacher: TeacherSpec | None = Field(default=None, description="a frozen network to learn from; null for none")
    validation_share: float = Field(
        default=1,
        gt=0,
        le=1,
        strict=True,
        description="share of the validation images that epochs before the last are scored on; the last has all",
    )
    freeze: Annotated[tuple[str, ...], BeforeValidator(_several)] = Field(
        default=(), description="parts that are not trained: stem, stages[0], stages, ...; all but the head: backbone"
    )

    _until: int | None = PrivateAttr(None)

    def pausing(self, epochs: int | None) -> "Recipe":
        """This recipe, by which a training pauses after so many epochs; None for none. Its identity is the same."""
        recipe = self.model_copy()
        recipe._until = epochs
        return recipe

    @property
    def until(self) -> int:
        """The epochs after which a training ends or pauses."""
        return self.epochs if self._until is None else min(self._until, self.epochs)

    @model_validator(mode="after")
    def _check(self) -> "Recipe":
        if self.accumulate > 1 and self.batch_size < 2 * self.accumulate:
            rule = f"must leave two images for each part, for batch norm: batch_size {self.batch_size} allows"
            raise FieldError("accumulate", f"{rule} {self.batch_size // 2}, not {self.accumulate}")
        if self.distill is not None and not self.ema_decay:
            raise FieldError("distill", f"needs ema_decay above 0: the teacher is the average, not {self.ema_decay:g}")
        self._check_schedule()
        self._check_images()
        return self

    def _check_images(self) -> None:
        if self.auto_augment is not None:
            parse_policy(self.auto_augment)
            if self.randaugment is not None:
                rule = f"must be null beside auto_augment ({self.auto_augment}): either of both"
                raise FieldError("randaugment", rule)
        if self.per_image and not self.augment:
            name, value = next(iter(self.per_image.items()))
            rule = f"needs augment: true, or its default: with false, images stay as they are, not {value}"
            raise FieldError(name, rule)

    def _check_schedule(self) -> None:
        plan, warmup = self.schedule, self.warmup_epochs
        if plan.name == "cosine" and plan.lowest and plan.lowest >= self.peak_lr:
            raise FieldError(
                "schedule.lowest", f"must be below the learning rate {self.peak_lr:g}, not {plan.lowest:g}"
            )
        if plan.name == "step" and plan.every < warmup:
            raise FieldError("schedule.every", f"must be at least the warm-up's {warmup:g} epochs, not {plan.every:g}")
        if plan.name == "onecycle" and warmup not in (0, type(self).model_fields["warmup_epochs"].default):
            raise FieldError("warmup_epochs", f"must be 0, not {warmup:g}: onecycle rises for its own pct_start")

    @property
    def per_image(self) -> dict[str, Any]:
        """The values of `PER_IMAGE` that are not at their defaults."""
        given = {name: getattr(self, name) for name in PER_IMAGE}
        return {name: value for name, value in given.items() if value != type(self).model_fields[name].default}

    @property
    def augments(self) -> bool:
        """Whether the images of a batch are changed, each for itself, on the device."""
        return self.erasing > 0 or self.randaugment is not None

    def identity(self) -> str:
        """JSON of what decides the result of a run; a field that came later counts where it is not at its default."""
        return identity(self, READING)

    @property
    def peak_lr(self) -> float:
        """The highest learning rate: `lr`, scaled by the batch size over `lr_batch` where that is given."""
        return self.lr if self.lr_batch is None else self.lr * self.batch_size / self.lr_batch

    def lr_at(self, step: int, steps: int) -> float:
        """Learning rate of optimiser step `step` (from 0) in an epoch of `steps` steps: a function, so nothing to save.

        Parameters below the head have it times their `lr_scale` where there is a `layer_decay`.
        """
        total = self.epochs * steps
        warmup = min(round(self.warmup_epochs * steps), total - 1)
        return self.schedule.rate(self.peak_lr, step, total, warmup, steps)


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
