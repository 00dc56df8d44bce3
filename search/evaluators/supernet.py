"""Quality by a supernet (experimental): trained once for a whole space, it answers for each layout without training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, final

from pydantic import Field, ValidationError, model_validator

from archspec.cost.metrics import Metric
from archspec.documents.wording import plural
from archspec.errors import FieldError, SpecError
from archspec.spec.schema import ArchSpec
from search.data.dataset import AnyDataset, parse_dataset
from search.evaluator import (
    Epoch,
    Evaluator,
    Metrics,
    Pretraining,
    Progress,
    Session,
    Task,
    cost_metrics,
    cost_names,
)
from search.evaluators.train import Train, load_splits
from search.inputs import Input
from search.plugins import first_problem
from search.recipe.recipe import READING, AnyRecipe, Recipe
from search.space.space import Space
from search.supernet.plan import FOLDER, SupernetPlan, check_passes, check_recipe, digest_space, read_plan
from search.train.device import DeviceName, find_device, sharing_note, use_device, worker_place
from search.weights.initial import OWN, SupernetWeights

if TYPE_CHECKING:
    from search.supernet.trained import TrainedSupernet
    from search.train.curve import EpochRecord

LOSS = Metric("validation_loss", "Validation loss", unit="nats")


@final
class SupernetEvaluator(Evaluator):
    """A supernet of the study's space, trained once with `recipe`; costs are exact, quality is an estimate.

    Finalists are networks of their own, trained with the recipe `member`.
    """

    FREE: ClassVar[dict[str, Any]] = {
        "device": True,
        "recipe": dict.fromkeys(READING, True),
        "member": dict.fromkeys(READING, True),
    }

    pretrains: ClassVar[str] = FOLDER
    estimates: ClassVar[bool] = True

    type: Literal["supernet"] = "supernet"
    data: AnyDataset = Field(
        default_factory=lambda: parse_dataset("cluttered_digits"), description="the data set: its name, or its options"
    )
    recipe: AnyRecipe = Field(
        default_factory=lambda: Recipe.model_validate({}), description="how the supernet is trained"
    )
    member: AnyRecipe = Field(
        default_factory=lambda: Recipe.model_validate({}), description="how finalists are trained, one by one"
    )
    paths: int = Field(
        default=1, ge=0, le=64, strict=True, description="uniformly drawn layouts that are trained in each step"
    )
    sandwich: bool = Field(default=True, description="train the largest and the smallest layout in every step, too")
    distill: bool = Field(default=False, description="let the others learn from the answer of the largest one alone")
    images: int = Field(
        default=512,
        ge=8,
        le=100_000,
        strict=True,
        description="training images over which a layout's batch norm is estimated",
    )
    init: Literal["vit", "fan_out"] = Field(default="fan_out", description="initial weights: see archspec.build")
    zero_init_residual: bool = Field(default=True, description="start every residual branch at zero")
    device: DeviceName = Field(default="auto", max_length=40, description="auto, cpu, cuda, cuda:1, mps or xpu")
    space: str | None = Field(
        default=None, max_length=16, description="digest of space and budget; a study fills it in, leave it out"
    )

    @model_validator(mode="after")
    def _check(self) -> SupernetEvaluator:
        check_passes(self.paths, sandwich=self.sandwich, distill=self.distill)
        for name in ("recipe", "member"):
            recipe: Recipe = getattr(self, name)
            try:
                self.data.check_recipe(recipe)
                if name == "recipe":
                    check_recipe(recipe)
            except FieldError as error:
                raise FieldError(f"{name}.{error.field}", error.rule) from None
        if self.data.supervision.task != "classification":
            rule = f"must be for classification, not {self.data.supervision.task}: other heads are not shared so far"
            raise FieldError("data", rule)
        return self

    @property
    def gives(self) -> frozenset[str]:
        return cost_names() | {"accuracy", LOSS.name}

    @property
    def own_metrics(self) -> tuple[Metric, ...]:
        return (LOSS,)

    @property
    def metric(self) -> dict[str, str | None]:
        return self.data.metric | {"label": f"{self.data.metric_label} in the supernet", "benchmark": None}

    def prepare(self, spec: ArchSpec) -> ArchSpec:
        return self.data.fit(spec)

    def check_ready(self, workers: int) -> None:
        super().check_ready(workers)
        if self.space is None:
            rule = "supernet answers for the layouts of a search's space alone; evaluator train is for all others"
            raise SpecError(rule, field="evaluator.type")
        self._as_training(self.recipe).check_ready(workers)
        try:
            self.finalist({}).check_ready(workers)
        except SpecError as error:
            raise SpecError(error.rule, field=error.field.replace(".recipe", ".member", 1)) from None

    def inputs(self) -> tuple[Input, ...]:
        return self.data.inputs()

    def over(self, space: Space, budget: Mapping[str, str]) -> Evaluator:
        from search.supernet.shapes import check_space

        digest = digest_space(space.template, dict(budget))
        if self.space not in (None, digest):
            raise FieldError(
                "space", f"is of another space or budget ({self.space}, this one is {digest}): leave it out"
            )
        check_space(space, self.prepare)
        return self.model_copy(update={"space": digest})

    def pretraining(self, space: Space, budget: Mapping[str, str], seed: int) -> Pretraining | None:
        plan = self.plan(space, budget, seed)
        return Pretraining(FOLDER, plan.draws.largest, self.recipe.epochs, plan.write)

    def plan(self, space: Space, budget: Mapping[str, str], seed: int) -> SupernetPlan:
        """The plan of the supernet of a space.

        Args:
            space: of the study.
            budget: the study's limits, as it states them.
            seed: of the study.
        """
        shared = set(SupernetPlan.model_fields) - {"space", "budget", "seed"}
        own = {name: getattr(self, name) for name in shared}
        return SupernetPlan(space=space.template, budget=dict(budget), seed=seed, **own)

    def open(self) -> Session:
        return SupernetSession(self)

    def finalist(self, changes: dict[str, Any]) -> Evaluator:
        try:
            return self._as_training(Recipe.model_validate(self.member.model_dump() | changes))
        except ValidationError as error:
            raise first_problem(error, Recipe) from None

    def fine_tuned(self, made: Evaluator) -> Evaluator:
        return made.model_copy(update={"init": SupernetWeights(supernet=OWN)})

    def _as_training(self, recipe: Recipe) -> Train:
        kept = ("data", "init", "zero_init_residual", "device")
        return Train(recipe=recipe, **{name: getattr(self, name) for name in kept})

    def check_held(self, spec: ArchSpec, space: Space, budget: Mapping[str, str]) -> None:
        from search.supernet.trained import check_member

        check_member(self.plan(space, budget, 0), spec)


@final
class SupernetSession(Session):
    """A session that trains the supernet, or has it in memory and answers from it."""

    def __init__(self, config: SupernetEvaluator) -> None:
        import torch

        torch.set_num_threads(1)  # as in `TrainSession`
        self.config = config
        self.place = worker_place()
        self.device = find_device(config.device, self.place)
        use_device(self.device)
        self.data = load_splits(config.data)
        self._trained: TrainedSupernet | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        note = sharing_note(self.device, self.config.device, self.place)
        return (note,) if note else ()

    def evaluate(self, task: Task, stop: Callable[[], bool], progress: Progress) -> Metrics:
        if task.pretraining:
            return self._train(task, stop, progress)
        from search.supernet.trained import TrainedSupernet

        if self._trained is None:
            self._trained = TrainedSupernet(task.root / FOLDER, self.data, self.device)
        score = self._trained.score(task.spec)
        return {"accuracy": score.accuracy, LOSS.name: score.loss} | cost_metrics(task.spec)

    def _train(self, task: Task, stop: Callable[[], bool], progress: Progress) -> Metrics:
        from search.supernet.trained import train_supernet

        plan = read_plan(task.folder)
        epochs = plan.recipe.epochs
        progress(f"in training of {plural(plan.passes, 'layout')} a step on {self.device}")

        def show(record: EpochRecord) -> None:
            quality = f"largest: {self.config.data.supervision.short} {record.val_accuracy:.3f}"
            progress(Epoch(record.epoch, epochs, record.values, quality, str(self.device)))

        result = train_supernet(plan, self.data, self.device, folder=task.folder, stop=stop, progress=show)
        last = result.curve[-1]
        metrics: Metrics = {"accuracy": last.val_accuracy, LOSS.name: last.val_loss, "train_seconds": result.seconds}
        return metrics | cost_metrics(task.spec)
