"""The interface of evaluators: a layout in, metrics out. Each is one file in `search/evaluators/`, named by its tag.

An evaluator is configuration; `open` gives the session that a worker process keeps, with the data in memory.
Other packages add theirs through the entry-point group `archspec.evaluators`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, final

from pydantic import BaseModel, BeforeValidator, ConfigDict, SerializeAsAny

from archspec.cost.measure import measure
from archspec.cost.metrics import Metric, exact_metrics, exact_values
from archspec.documents.wording import quality
from archspec.errors import FieldError, SpecError
from archspec.spec.schema import ArchSpec
from search.inputs import Input, code_of
from search.own_metrics import NAME, TAKEN
from search.plugins import check_portable, find_class, parse_config, tags

if TYPE_CHECKING:
    from search.space.space import Space

Metrics = dict[str, float | int]
GROUP = "archspec.evaluators"


@final
@dataclass(frozen=True, slots=True)
class Task:
    """One evaluation: a layout, a seed, and where its files go.

    Attributes:
        spec: the layout at the resolution of the data.
        seed: of initial weights, order of data, and everything drawn in training.
        folder: for curve, checkpoint and result.
        root: the run's folder, for what all tasks share.
        final: whether this is the re-training of a finalist, which is scored on the test split too.
        pretraining: whether this is not a layout's own evaluation but what `Evaluator.pretraining` asks for.
        epochs: after how many the training pauses, which goes on in the same folder when it is asked for more; None
            for all that its recipe has.
        wanted: the objectives of the search, which the answer of a pause must hold beside accuracy.
        timed: whether inference times are measured behind the training; else another order does.
    """

    spec: ArchSpec
    seed: int
    folder: Path
    root: Path
    final: bool = False
    epochs: int | None = None
    wanted: tuple[str, ...] = ()
    pretraining: bool = False
    timed: bool = True


@final
@dataclass(frozen=True, slots=True)
class Pretraining:
    """A training that a run makes once, before its first layout is evaluated, since every evaluation draws on it.

    Attributes:
        name: of it, and of its folder in that of the run.
        spec: the layout that stands for it in records, prepared.
        epochs: of its training.
        write: records in that folder what is to be trained; refuses a folder that holds something else.
    """

    name: str
    spec: ArchSpec
    epochs: int
    write: Callable[[Path], None]


@final
@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch of a training, for those who watch it; as text, a few words.

    Attributes:
        number: from 1; a training that goes on tells only epochs that are new.
        total: epochs in all.
        values: its numbers by name; `seconds` is its wall time.
        note: its quality in words: `acc 0.512`.
        device: that it ran on, for people: `cpu`, `cuda:0`.
    """

    number: int
    total: int
    values: Mapping[str, float]
    note: str = ""
    device: str = ""

    def __str__(self) -> str:
        return f"epoch {self.number}/{self.total}" + (f", {self.note}" if self.note else "")


Progress = Callable[[str | Epoch], None]
"""Told a few words now and then, or an epoch's numbers."""


class Session(ABC):
    """An evaluator at work in one process."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for people on how it is at work here; each is shown once, however many sessions say it."""
        return ()

    @abstractmethod
    def evaluate(self, task: Task, stop: Callable[[], bool], progress: Progress) -> Metrics:
        """Evaluate one layout.

        Args:
            task: what to evaluate.
            stop: asked often; when true, save what can be continued and raise `Interrupted`.
            progress: told a few words now and then, or an `Epoch`, which displays and loggers then show as such.

        Raises:
            RunError: this layout cannot be evaluated; the search goes on without it.
        """


class Evaluator(BaseModel, ABC):
    """Configuration of an evaluator; a final subclass narrows `type` to its tag."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    FREE: ClassVar[dict[str, Any]] = {}
    """Fields, as pydantic's `exclude` takes them, in which a run may change when it goes on: how, not what."""
    pretrains: ClassVar[str] = ""
    """Name of what `pretraining` gives, by the field `recipe`; empty where that is nothing."""
    pauses: ClassVar[bool] = False
    """Whether its sessions pause where `Task.epochs` says so, and go on in the same folder when asked for more."""
    estimates: ClassVar[bool] = False
    """Whether its `accuracy` is a cheap estimate, which is checked against the full trainings of `finalist`."""
    type: Any

    @property
    @abstractmethod
    def gives(self) -> frozenset[str]:
        """Names of the metrics that `evaluate` returns for every task; each of them may be an objective."""

    @property
    def own_metrics(self) -> tuple[Metric, ...]:
        """Metrics of `gives` that the catalog lacks, with their titles, units and directions.

        `accuracy` is among them where it is on another scale than from 0 to 1, as an estimate's may be.
        """
        return ()

    @property
    def optional_metrics(self) -> tuple[Metric, ...]:
        """Metrics that it would give if its configuration asked for them; `remedy` says how."""
        return ()

    @property
    @abstractmethod
    def metric(self) -> dict[str, str | None]:
        """The quality metric for reports: name, label, dataset, benchmark."""

    @property
    def quality(self) -> str:
        """Name of the metric `accuracy` in lines for people: that, or its own name where it is none (`mIoU`)."""
        return quality(self.metric.get("label") or "accuracy")

    @property
    def local(self) -> bool:
        """Whether this process alone has it: its class is no file of `search.evaluators` and no entry point."""
        return str(self.type) not in tags("search.evaluators", GROUP)

    @property
    def interruptible(self) -> bool:
        """Whether its sessions ask `stop` while they evaluate; else an interrupted run waits for the layout's end."""
        return True

    @property
    def gpus_per_order(self) -> int:
        """GPUs without which it cannot evaluate one layout; 0 where none is needed."""
        return 0

    @property
    def listed(self) -> tuple[ArchSpec, ...] | None:
        """The only layouts that a search over this evaluator keeps to, as `prepare` gives them; None for all."""
        return None

    @property
    def simulated_workers(self) -> int:
        """Workers in whose virtual time its answers come; 0 where they take time of their own."""
        return 0

    @property
    def trainings(self) -> int | None:
        """Trainings of one layout that differ by their seeds; None for any number."""
        return 1 if self.estimates else None

    def simulated_seconds(self, task: Task, done: int) -> float:
        """The virtual time of a task, in seconds.

        Args:
            task: that a virtual worker takes.
            done: epochs that were trained before in its folder.
        """
        del task, done
        return 0.0

    def remedy(self, name: str) -> str:
        """The end of a message that refuses a metric: how this evaluator would give it; empty where it cannot.

        Args:
            name: of the metric.
        """
        if "metrics" not in type(self).model_fields or not NAME.fullmatch(name) or name in TAKEN:
            return ""
        return f"; if it does, state it under evaluator: `metrics: {{{name}: minimize}}`"

    @property
    def whole_epochs(self) -> int | None:
        """The epochs of a whole training; None where its configuration does not say."""
        return None

    @property
    def warmup_epochs(self) -> float:
        """The epochs in which the learning rate of a training only rises."""
        return 0

    def with_epochs(self, epochs: int) -> Evaluator:
        """This evaluator, which does not say so itself, with the epochs that rungs state for a whole training."""
        del epochs
        return self

    def check_pauses(self) -> None:
        """Refuse rungs where trainings cannot pause and go on.

        Raises:
            FieldError: the reason.
        """
        if not self.pauses:
            raise FieldError(
                "",
                f"evaluator {self.type} cannot pause a training; train, command, function and a table with curves can",
            )

    def check_ready(self, workers: int) -> None:
        """Refuse what `open` would refuse whatever the layout, before anything is written.

        Args:
            workers: processes that are to evaluate.

        Raises:
            SpecError: it cannot be opened, or not in several processes.
        """
        if self.local and workers > 1:
            check_portable(type(self), workers)

    @abstractmethod
    def prepare(self, spec: ArchSpec) -> ArchSpec:
        """`spec` as this evaluator sees it (at the resolution of its data).

        Raises:
            FieldError: the spec does not fit, such as a head with another number of classes.
        """

    def inputs(self) -> tuple[Input, ...]:
        """Data, tables and code (but archspec's own) that its answers depend on beside this configuration.

        Asked once when a run begins or goes on, by the process that conducts it; it may read the disk. SpecError where
        what is named cannot be read.
        """
        return code_of(type(self), "evaluator")

    def record(self) -> dict[str, Any]:
        """The configuration without its `FREE` fields: a run must be asked the same again to go on."""
        return self.model_dump(mode="json", exclude=self.FREE)

    def settled(self, resolution: int) -> Evaluator:
        """This evaluator with what it leaves to a space spelt out, for the record of a run.

        Args:
            resolution: of every layout of the space.
        """
        del resolution
        return self

    def over(self, space: Space, budget: Mapping[str, str]) -> Evaluator:
        """This evaluator for the layouts of one space, where its answers depend on which these are.

        Args:
            space: of the study.
            budget: the study's limits, as it states them.

        Raises:
            FieldError: it was for another space.
            SpecError: it cannot evaluate such a space.
        """
        del space, budget
        return self

    def pretraining(self, space: Space, budget: Mapping[str, str], seed: int) -> Pretraining | None:
        """The training to make once, before the first layout; None for none.

        Args:
            space: of the study.
            budget: the study's limits, as it states them.
            seed: of the study.
        """
        del space, budget, seed
        return None

    @abstractmethod
    def open(self) -> Session:
        """Load what evaluation needs; slow, once per process."""

    @abstractmethod
    def finalist(self, changes: dict[str, Any]) -> Evaluator:
        """This evaluator with the changes that a study makes for its finalists.

        Raises:
            FieldError: a change that this evaluator does not know.
        """

    def fine_tuned(self, made: Evaluator) -> Evaluator:
        """An evaluator of finalists whose trainings begin with the weights that the search has for them.

        Args:
            made: what `finalist` gave, which trains from scratch.

        Raises:
            FieldError: the search has none.
        """
        del made
        rule = f"must be scratch, not supernet: evaluator {self.type} has no supernet to cut finalists out of"
        raise FieldError("from", rule)

    def check_held(self, spec: ArchSpec, space: Space, budget: Mapping[str, str]) -> None:
        """Refuse a layout whose weights a search of a space does not have for `fine_tuned`.

        Args:
            spec: the layout, such as an anchor.
            space: of the study.
            budget: the study's limits, as it states them.

        Raises:
            FieldError: what the search lacks.
        """
        del spec, space, budget


def at_resolution(spec: ArchSpec, resolution: int | None) -> ArchSpec:
    """A spec at a resolution; without one at its own, or for the image that it states."""
    if resolution is None and spec.input is not None:
        return spec
    return spec.at(spec.resolution if resolution is None else resolution)


def cost_metrics(spec: ArchSpec) -> Metrics:
    """The exact costs of a layout, as metrics."""
    return {**exact_values(measure(spec).total.lines)}


def cost_names() -> frozenset[str]:
    """The names of `cost_metrics`."""
    return frozenset(metric.name for metric in exact_metrics())


def parse_evaluator(raw: object) -> Evaluator:
    """An evaluator from its tag, or from a mapping with `type`.

    Raises:
        FieldError: the first field that breaks a rule.
    """
    return parse_config(raw, "evaluator", find_evaluator)


def find_evaluator(tag: str) -> type[Evaluator]:
    """The class of an evaluator.

    Raises:
        FieldError: there is none of that tag.
    """
    return find_class(tag, Evaluator, "search.evaluators", GROUP)


def renew(recorded: Any) -> Any:
    """A recorded evaluator as its `record` is in this version: with the fields that have come since, at their defaults.

    What this version cannot read stays as it is, and so differs from whatever is asked.
    """
    try:
        return parse_evaluator(recorded).record()
    except (FieldError, SpecError):
        return recorded


AnyEvaluator = Annotated[SerializeAsAny[Evaluator], BeforeValidator(parse_evaluator)]
"""Type of a pydantic field that holds whichever evaluator its `type` names."""
