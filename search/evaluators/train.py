"""Quality (accuracy, mIoU) by training: every layout trained from scratch on one data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, final
from weakref import WeakValueDictionary

from pydantic import Field, ValidationError, model_validator

from archspec.errors import FieldError, SpecError
from archspec.spec.schema import ArchSpec
from archspec.tree.tree import plant_head
from search.data.dataset import AnyDataset, Dataset, Splits, parse_dataset
from search.evaluator import Evaluator, Metrics, Session, Task, cost_metrics, cost_names
from search.identity import identity
from search.inputs import Input
from search.plugins import first_problem
from search.recipe.recipe import READING, AnyRecipe, Recipe
from search.tasks.distillation import check_head
from search.train.device import check_name, find_device, sharing_note, use_device, worker_place

if TYPE_CHECKING:
    from search.train.loop import EpochRecord

_OPEN: WeakValueDictionary[str, Splits] = WeakValueDictionary()
"""What sessions of this process hold in memory, by the configuration of the data set."""


BESIDE = ("recipe", "latency_rounds", "device")
"""Fields that the weights do not depend on, or not but for rounding, or that a checkpoint states by themselves."""


@final
class Train(Evaluator):
    """Training on `data` with `recipe`; cost is exact, audited by fvcore on the trained model, latency is measured."""

    FREE: ClassVar[dict[str, Any]] = {"device": True, "recipe": dict.fromkeys(READING, True)}

    type: Literal["train"] = "train"
    data: AnyDataset = Field(
        default_factory=lambda: parse_dataset("cluttered_digits"), description="the data set: its name, or its options"
    )
    recipe: AnyRecipe = Field(
        default_factory=lambda: Recipe.model_validate({}), description="how to train: fields, a recipe's name, or both"
    )
    init: Literal["vit", "fan_out"] = Field(default="fan_out", description="initial weights; see archspec.build")
    zero_init_residual: bool = Field(default=True, description="start every residual branch at zero (less seed noise)")
    latency_rounds: int = Field(default=7, ge=5, le=1000, description="interleaved rounds of the latency measurement")

    device: str = Field(
        default="auto",
        max_length=40,
        description="auto, cpu, cuda, cuda:1, mps or xpu; workers take the GPUs of auto and cuda in turn",
    )

    @model_validator(mode="after")
    def _check(self) -> Train:
        check_name(self.device)
        try:
            self.data.check_recipe(self.recipe)
        except FieldError as error:
            raise FieldError(f"recipe.{error.field}", error.rule) from None
        return self

    @property
    def gives(self) -> frozenset[str]:
        return cost_names() | {"accuracy", "latency_ms"}

    @property
    def metric(self) -> dict[str, str | None]:
        return self.data.metric

    def check_ready(self, workers: int) -> None:
        super().check_ready(workers)
        _check_machine(self)

    def prepare(self, spec: ArchSpec) -> ArchSpec:
        spec = self.data.fit(spec)
        if self.recipe.distill is not None:
            check_head(plant_head(spec)[0])
        return spec

    def inputs(self) -> tuple[Input, ...]:
        return self.data.inputs()

    def finalist(self, changes: dict[str, Any]) -> Evaluator:
        try:
            recipe = Recipe.model_validate(self.recipe.model_dump() | changes)
        except ValidationError as error:
            raise first_problem(error, Recipe) from None
        self.data.check_recipe(recipe)
        return self.model_copy(update={"recipe": recipe})

    def open(self) -> Session:
        return TrainSession(self)


@final
class TrainSession(Session):
    """A session that keeps the splits in memory, once for all sessions on the same data; one network at a time."""

    def __init__(self, config: Train) -> None:
        import torch

        # The workers of a run share the machine; one thread each also makes results independent of their number.
        torch.set_num_threads(1)
        self.config = config
        self.place = worker_place()
        self.device = find_device(config.device, self.place)
        use_device(self.device)
        self.data = _load(config.data)

    @property
    def notes(self) -> tuple[str, ...]:
        note = sharing_note(self.device, self.config.device, self.place)
        return (note,) if note else ()

    def evaluate(self, task: Task, stop: Callable[[], bool], progress: Callable[[str], None]) -> Metrics:
        from archspec.model.audit import audit
        from archspec.model.build import build
        from search.seeding import mix, seed_everything
        from search.train.latency import measure_latency
        from search.train.loop import evaluate, evaluation_batch, train

        config, spec = self.config, task.spec
        seed_everything(mix(task.seed, "init"))
        network = build(spec, init=config.init, zero_init_residual=config.zero_init_residual).to(self.device)

        def show(record: EpochRecord) -> None:
            quality = f"{config.data.supervision.short} {record.val_accuracy:.3f}"
            progress(f"epoch {record.epoch}/{config.recipe.epochs}, {quality}")

        result = train(
            network,
            self.data,
            config.recipe,
            seed=task.seed,
            folder=task.folder,
            fingerprint=f"{spec.digest} {identity(config, BESIDE)}",
            stop=stop,
            progress=show,
        )
        metrics: Metrics = {"accuracy": result.val_accuracy, "train_seconds": result.seconds}
        if task.final:
            batch = evaluation_batch(config.recipe, self.device)
            score = evaluate(
                network, self.data.test, device=self.device, batch_size=batch, workers=config.recipe.workers
            )
            metrics |= {"test_accuracy": score.accuracy, "test_loss": score.loss}
        metrics |= measure_latency(network, spec, task.root, rounds=config.latency_rounds)
        if not task.final:  # a finalist's layout was audited when the search trained it
            metrics["audited_macs"] = audit(spec, model=network.cpu()).cost.macs
        return metrics | cost_metrics(spec)


def _check_machine(config: Train) -> None:
    """Refuse the device, and what a recipe asks of it, where this machine does not have it.

    Torch is imported only for what differs from the defaults, which work everywhere.

    Raises:
        SpecError: the first field that this machine cannot do.
    """
    recipe, field = config.recipe, "evaluator"
    if config.device in ("auto", "cpu") and recipe.precision in ("auto", "float32") and not recipe.compile:
        return
    from search.train.arithmetic import check_arithmetic

    try:
        device = find_device(config.device)
        field += ".recipe"
        check_arithmetic(recipe, device)
    except FieldError as error:
        raise SpecError(error.rule, field=f"{field}.{error.field}") from None


def _load(data: Dataset) -> Splits:
    """The splits of a data set, those of another session where one holds them: a plan varies recipes, not data."""
    key = data.model_dump_json()
    splits = _OPEN.get(key)
    if splits is None:
        splits = _OPEN[key] = data.load()
    return splits
