"""Quality (accuracy, mIoU) by training: every layout trained from scratch on one data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast, final
from weakref import WeakValueDictionary

from pydantic import Field, ValidationError, model_validator

from archspec.cost.metrics import Metric
from archspec.documents.wording import plural
from archspec.errors import FieldError, SpecError
from archspec.spec.schema import ArchSpec
from archspec.tree.tree import plant_head
from search.data.dataset import AnyDataset, Dataset, Splits, parse_dataset
from search.evaluator import Epoch, Evaluator, Metrics, Progress, Session, Task, cost_metrics, cost_names
from search.identity import identity
from search.inputs import Input
from search.latency.place import AnyLatencyOn
from search.latency.spec import MAIN, AnyLatency, LatencySpec, stated_metrics
from search.plugins import first_problem
from search.quality.catalog import QUALITIES, QualityNames, check_qualities, quality_metrics, quality_of
from search.recipe.auto_augment import check_installed
from search.recipe.recipe import READING, AnyRecipe, Recipe
from search.supernet.beginning import SliceSource, check_slices, slices_input
from search.tasks.distillation import check_head
from search.train.device import (
    DeviceName,
    check_ranks,
    find_device,
    find_rank_device,
    sharing_note,
    use_device,
    worker_place,
)
from search.weights.initial import AnyInit, InitialWeights, SupernetWeights, begin, check_initial, weights_input
from search.weights.parts import check_parts
from search.weights.teacher_network import load_teacher, teacher_inputs

if TYPE_CHECKING:
    from torch import nn

    from search.train.loop import EpochRecord
    from search.weights.initial import Beginning, Drawn

_OPEN: WeakValueDictionary[str, Splits] = WeakValueDictionary()
"""What sessions of this process hold in memory, by the configuration of the data set."""


BESIDE = ("recipe", "latency_rounds", "latency", "latency_on", "metrics", "device", "gpus")
"""Fields that the weights do not depend on, or not but for rounding, or that a checkpoint states by themselves."""


@final
class Train(Evaluator):
    """Training on `data` with `recipe`; cost is exact, audited by fvcore on the trained model, latency is measured."""

    pauses: ClassVar[bool] = True
    LATER: ClassVar[frozenset[str]] = frozenset({"latency", "latency_on", "metrics", "device", "gpus", "processes"})
    FREE: ClassVar[dict[str, Any]] = {
        **dict.fromkeys(("device", "gpus", "latency_on"), True),
        "recipe": dict.fromkeys(READING, True),
    }

    type: Literal["train"] = "train"
    data: AnyDataset = Field(
        default_factory=lambda: parse_dataset("cluttered_digits"), description="the data set: its name, or its options"
    )
    recipe: AnyRecipe = Field(
        default_factory=lambda: Recipe.model_validate({}), description="how to train: fields, a recipe's name, or both"
    )
    init: AnyInit = Field(
        default="fan_out",
        description="initial weights: vit or fan_out, see archspec.build; or {weights: ...}, or {supernet: ...}",
    )
    zero_init_residual: bool = Field(default=True, description="start every residual branch at zero (less seed noise)")
    latency_rounds: int = Field(
        default=7, ge=5, le=1000, strict=True, description="interleaved rounds of the latency measurement"
    )
    latency: AnyLatency = Field(
        default=(LatencySpec(),),
        description="what is timed: {backend, batch_sizes, device, rounds, threads, ratio}, or several",
    )
    latency_on: AnyLatencyOn = Field(
        default=None, description="nodes on which it is timed, where not by the training: {engine, constraint}"
    )
    metrics: QualityNames = Field(
        default=(),
        description="further qualities: top5, class_accuracy, calibration_error; of masks class_iou, pixel_accuracy",
    )

    device: DeviceName = Field(
        default="auto",
        max_length=40,
        description="auto, cpu, cuda, cuda:1, mps or xpu; workers take the GPUs of auto and cuda in turn",
    )
    gpus: int = Field(
        default=1, ge=1, le=64, strict=True, description="GPUs that train one layout, a process each; on one machine"
    )
    processes: int = Field(
        default=1, ge=1, le=64, strict=True, description="processes that train one layout on `device: cpu`"
    )

    @model_validator(mode="after")
    def _check(self) -> Train:
        try:
            self.data.check_recipe(self.recipe)
        except FieldError as error:
            raise FieldError(f"recipe.{error.field}", error.rule) from None
        check_qualities(self.metrics, self.data)
        check_ranks(self.device, self.gpus, self.processes, self.recipe)
        if self.latency_on is not None and not self.latency:
            raise FieldError("latency_on", "says where inference times are measured, and latency: [] measures none")
        return self

    @property
    def ranks(self) -> int:
        """Processes that train one layout."""
        return max(self.gpus, self.processes)

    @property
    def gpus_per_order(self) -> int:
        return self.gpus if self.gpus > 1 else 0

    @property
    def gives(self) -> frozenset[str]:
        return cost_names() | {"accuracy", *self.timed, *(one.name for one in quality_metrics(self.metrics))}

    @property
    def timed(self) -> frozenset[str]:
        """Names of the metrics that measuring inference times gives."""
        return frozenset(one.name for one in stated_metrics(self.latency))

    @property
    def own_metrics(self) -> tuple[Metric, ...]:
        timed = tuple(one for one in stated_metrics(self.latency) if one.name != MAIN)
        return (*quality_metrics(self.metrics), *timed)

    @property
    def optional_metrics(self) -> tuple[Metric, ...]:
        return quality_metrics(tuple(QUALITIES))

    def remedy(self, name: str) -> str:
        if (quality := quality_of(name)) is not None:
            return f"; ask for it under evaluator: `metrics: [{', '.join((*self.metrics, quality))}]`"
        if not name.startswith(("latency_", "throughput_")):
            return ""
        asked = "{backend: eager, ratio: true}" if name.endswith("_ratio") else "[eager, onnxruntime]"
        return f"; what is timed stands under evaluator: `latency: {asked}`"

    @property
    def metric(self) -> dict[str, str | None]:
        return self.data.metric

    @property
    def whole_epochs(self) -> int:
        return self.recipe.epochs

    @property
    def warmup_epochs(self) -> float:
        plan = self.recipe.schedule
        return plan.pct_start * self.recipe.epochs if plan.name == "onecycle" else self.recipe.warmup_epochs

    def prepare(self, spec: ArchSpec) -> ArchSpec:
        spec = self.data.fit(spec)
        if self.recipe.distill is not None:
            check_head(plant_head(spec)[0])
        try:
            if isinstance(self.init, SupernetWeights):
                check_slices(self.init, spec, self.data)
            else:
                check_initial(self.init, spec)
        except FieldError as error:
            raise FieldError(f"init.{error.field}", error.rule) from None
        try:
            check_parts(spec, self.recipe.freeze)
        except FieldError as error:
            raise FieldError(f"recipe.{error.field}", error.rule) from None
        return spec

    def check_ready(self, workers: int) -> None:
        super().check_ready(workers)
        check_installed(self.recipe.auto_augment)
        _check_machine(self)
        if self.recipe.teacher is not None:
            try:
                load_teacher(self.recipe.teacher, self.data.classes)
            except FieldError as error:
                raise SpecError(error.rule, field=f"evaluator.recipe.teacher.{error.field}") from None

    def inputs(self) -> tuple[Input, ...]:
        return (*self.data.inputs(), *self.weights())

    def weights(self) -> tuple[Input, ...]:
        """The weights that trainings begin with and learn from.

        Raises:
            SpecError: they cannot be had.
        """
        if isinstance(self.init, SupernetWeights):
            return (*slices_input(self.init), *teacher_inputs(self.recipe.teacher))
        first = (weights_input(self.init.weights, self.data.classes),) if isinstance(self.init, InitialWeights) else ()
        return (*first, *teacher_inputs(self.recipe.teacher))

    def finalist(self, changes: dict[str, Any]) -> Evaluator:
        try:
            recipe = Recipe.model_validate(self.recipe.model_dump() | changes)
        except ValidationError as error:
            raise first_problem(error, Recipe) from None
        self.data.check_recipe(recipe)
        check_ranks(self.device, self.gpus, self.processes, recipe)
        return self.model_copy(update={"recipe": recipe})

    def open(self) -> Session:
        if self.ranks == 1:
            return TrainSession(self)
        from search.train.parallel.session import SharedSession

        return SharedSession(self)

    def open_rank(self, rank: int) -> TrainSession:
        """The session of one of several processes that train a layout together."""
        return TrainSession(self, rank)

    def open_timing(self) -> Session:
        """The session that measures trained networks, for which no data are read."""
        from search.latency.session import TimingSession

        return TimingSession(self.device, self.latency, self.latency_rounds)


@final
class TrainSession(Session):
    """A session that keeps the splits in memory, once for all sessions on the same data; one network at a time.

    Args:
        config: of the evaluator.
        rank: of this process, where several train a network together.
    """

    def __init__(self, config: Train, rank: int = 0) -> None:
        import torch

        from search.weights.reading import read_weights

        # The workers of a run share the machine; one thread each also makes results independent of their number.
        torch.set_num_threads(1)
        self.config = config
        self.place = worker_place()
        self.device = find_rank_device(config.device, self.place, rank, config.ranks)
        use_device(self.device)
        self.data = load_splits(config.data)
        self.weights = read_weights(config.init.weights) if isinstance(config.init, InitialWeights) else None
        slices = config.init if isinstance(config.init, SupernetWeights) else None
        self.slices = SliceSource(slices, self.data, self.device) if slices else None
        self.told = "".join(f" {one.digest}" for one in config.weights())

    @property
    def notes(self) -> tuple[str, ...]:
        note = sharing_note(self.device, self.config.device, self.place)
        return (note,) if note else ()

    def evaluate(self, task: Task, stop: Callable[[], bool], progress: Progress) -> Metrics:
        from archspec.model.audit import audit_trained
        from search.latency.session import time_network
        from search.seeding import mix, seed_everything
        from search.train.curve import read_curve
        from search.train.loop import train
        from search.train.parallel.ranks import current_ranks, leave_ranks

        config, spec = self.config, task.spec
        seed_everything(mix(task.seed, "init"))
        first = self._begin(task)
        network = first.network.to(self.device)
        if first.line:
            progress(first.line)

        done, wanted = len(read_curve(task.folder / "curve.csv")), task.epochs or config.recipe.epochs
        place = f"epoch {done + 1} of {wanted}" if done else f"the first of {plural(wanted, 'epoch')}"
        where = str(self.device) if config.ranks == 1 else f"{config.ranks} processes of {self.device.type}"
        progress(f"in {place} on {where}")

        def show(record: EpochRecord) -> None:
            quality = f"{config.data.supervision.short} {record.val_accuracy:.3f}"
            progress(Epoch(record.epoch, wanted, record.values, quality, where))

        result = train(
            network,
            self.data,
            config.recipe.pausing(task.epochs),
            seed=task.seed,
            folder=task.folder,
            fingerprint=f"{spec.digest} {identity(config, BESIDE)}{self.told}",
            stop=stop,
            progress=show,
        )
        metrics: Metrics = {"accuracy": result.val_accuracy, "train_seconds": result.seconds}
        if first.taken is not None:
            metrics |= {"params_taken": first.taken, "params_taken_share": first.share}
        paused = task.epochs is not None
        if not paused or {one.name for one in quality_metrics(config.metrics)}.intersection(task.wanted):
            metrics |= self._score(network, task)
        if not current_ranks().first:
            return metrics
        leave_ranks()  # the first one alone measures and audits
        if task.timed and (not paused or config.timed.intersection(task.wanted)):
            progress("measuring latency")
            metrics |= time_network(network, task, config.latency, config.latency_rounds)
        if not task.final and not paused:  # a finalist's layout was audited when the search trained it
            metrics["audited_macs"] = audit_trained(spec, network.cpu()).macs
        return metrics | cost_metrics(spec)

    def _begin(self, task: Task) -> Beginning:
        """The network with its first weights."""
        config = self.config
        if self.slices is not None:
            return self.slices.begin(task.spec, task.root)
        init = cast("Drawn | InitialWeights", config.init)
        return begin(task.spec, init, zero_init_residual=config.zero_init_residual, weights=self.weights)

    def _score(self, network: nn.Module, task: Task) -> Metrics:
        """The qualities that were asked for, on the validation split, and the scores of a finalist on the test split.

        Those of validation take a pass of their own, which a training that was resumed after its last epoch needs too.
        """
        from search.quality.tally import Classes, QualityTally, write_classes
        from search.train.loop import evaluate, evaluation_batch
        from search.train.parallel.ranks import current_ranks

        config, metrics = self.config, Metrics()
        splits = {"validation": self.data.validation} if config.metrics else {}
        if task.final:
            splits["test"] = self.data.test
        classes: dict[str, Classes] = {}
        for name, split in splits.items():
            tally = QualityTally(config.metrics, config.data, self.device)
            batch, workers = evaluation_batch(config.recipe, self.device), config.recipe.workers
            score = evaluate(
                network,
                split,
                device=self.device,
                batch_size=batch,
                workers=workers,
                watch=tally.add if config.metrics else None,
            )
            found, classes[name] = tally.compute()
            if name == "test":
                metrics |= {"test_accuracy": score.accuracy, "test_loss": score.loss}
                found = {f"test_{key}": value for key, value in found.items()}
            metrics |= found
        if current_ranks().first:
            write_classes(task.folder / "classes.csv", classes, config.data.class_names)
        return metrics


def _check_machine(config: Train) -> None:
    """Refuse the device, and what a recipe asks of it, where this machine does not have it.

    Torch is imported only for what differs from the defaults, which work everywhere.

    Raises:
        SpecError: the first field that this machine cannot do.
    """
    if config.latency_on is None and any(one.device not in ("auto", "cpu") for one in config.latency):
        from search.latency.measurement import check_devices

        check_devices(config.latency)
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


def load_splits(data: Dataset) -> Splits:
    """The splits of a data set, those of another session where one holds them: a plan varies recipes, not data."""
    key = data.model_dump_json()
    splits = _OPEN.get(key)
    if splits is None:
        splits = _OPEN[key] = data.load()
    return splits
