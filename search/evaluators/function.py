"""Accuracy from a Python function: any code at all, called with the layout's spec and a seed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, SupportsFloat, cast, final

from pydantic import Field, PrivateAttr, SerializerFunctionWrapHandler, model_serializer

from archspec.cost.metrics import Metric
from archspec.documents.safe_text import PlainLine
from archspec.errors import FieldError, RunError, SpecError
from archspec.spec.schema import ArchSpec
from search.attributes import metric_attributes
from search.evaluator import Evaluator, Metrics, Session, Task, at_resolution, cost_metrics, cost_names
from search.inputs import Input, code_of
from search.own_metrics import MetricSpec, OwnMetrics, check_answer, own_metrics
from search.plugins import check_portable, parse_config

Result = SupportsFloat | Mapping[str, Any]
Function = (
    Callable[[ArchSpec, int], Result]
    | Callable[[ArchSpec, int, int], Result]
    | Callable[[ArchSpec, int, int, Path], Result]
)
"""A function of a spec and a seed; in a study with rungs of `epochs`, and of a `folder` if it likes, as well.

From a layout and a seed to its accuracy (0 to 1), or to a mapping of metrics with `accuracy` among them."""

PAUSING = ("epochs", "folder")
"""What a function of a study with rungs is given beside, by name."""


@final
class FunctionEvaluator(Evaluator):
    """Call a function of Python per layout: `f(spec, seed)` returns an accuracy, or a mapping of metrics.

    A study records the function's name for people; nothing is ever imported by it. So such a run begins and goes on
    from Python alone, where the function is given again. Exact costs are added to what it returns.

    In a study with rungs it is called as `f(spec, seed, epochs=..., folder=...)`: how many epochs the training is to
    have in all, and a folder that is the same whenever the layout goes on. `folder` may be left out of its signature.
    """

    pauses: ClassVar[bool] = True

    type: Literal["function"] = "function"
    function: str = Field(default="", max_length=400, description="name of the function, for people")
    metrics: OwnMetrics = Field(
        default_factory=dict[str, MetricSpec],
        description="further numbers that it returns, for objectives: {energy_j: {unit: J}, top5: maximize}",
    )
    resolution: int | None = Field(
        default=None,
        gt=0,
        le=16384,
        strict=True,
        description="side of the image for which costs are stated; null for the space's own",
    )
    label: PlainLine = Field(default="accuracy", max_length=60, description="name of the accuracy in reports")
    benchmark: str | None = Field(
        default=None, description="published benchmark that it is comparable with: imagenet1k"
    )
    epochs: int | None = Field(
        default=None, ge=1, le=10_000, strict=True, description="of a whole training, as rungs state them"
    )
    _call: Function | None = PrivateAttr(None)

    def bind(self, call: Function) -> FunctionEvaluator:
        """This evaluator with its function.

        Raises:
            SpecError: what is given cannot be called with a spec and a seed.
        """
        name = f"{getattr(call, '__module__', '')}.{getattr(call, '__qualname__', type(call).__qualname__)}"
        if not callable(call):
            raise SpecError(f"must be a function of a spec and a seed, not {call!r:.60}", field="accuracy")
        _check_call(call, dict.fromkeys(_taken(call)), name)
        bound = self.model_copy(update={"function": name[:400]})
        bound._call = call
        return bound

    @model_serializer(mode="wrap")
    def _dump(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        record = handler(self)
        if self.epochs is None:  # as runs of earlier versions recorded it
            record.pop("epochs", None)
        return record

    @property
    def whole_epochs(self) -> int | None:
        return self.epochs

    def with_epochs(self, epochs: int) -> Evaluator:
        return self if self.epochs is not None else self.model_copy(update={"epochs": epochs})

    def check_pauses(self) -> None:
        if self._call is not None and "epochs" not in _taken(self._call):
            name = self.function or "the function"
            raise FieldError("", f"need a function that takes epochs, f(spec, seed, epochs, folder), unlike {name}")

    @property
    def gives(self) -> frozenset[str]:
        return cost_names() | {"accuracy", *self.metrics}

    @property
    def own_metrics(self) -> tuple[Metric, ...]:
        return own_metrics(self.metrics)

    @property
    def metric(self) -> dict[str, str | None]:
        return {"name": "accuracy", "label": self.label, "dataset": "a Python function", "benchmark": self.benchmark}

    @property
    def local(self) -> bool:
        return True

    @property
    def interruptible(self) -> bool:
        return False

    def check_ready(self, workers: int) -> None:
        call = self._bound()
        if self.epochs is None:
            _check_call(call, {}, self.function)
        if workers > 1:
            check_portable(call, workers)

    def prepare(self, spec: ArchSpec) -> ArchSpec:
        return at_resolution(spec, self.resolution)

    def inputs(self) -> tuple[Input, ...]:
        return code_of(self._bound(), "function")

    def finalist(self, changes: dict[str, Any]) -> Evaluator:
        if not changes:
            return self
        changed = parse_config({**self.model_dump(), **changes}, "evaluator", lambda tag: FunctionEvaluator)
        return changed if self._call is None else changed.bind(self._call)

    def open(self) -> Session:
        return FunctionSession(self, self._bound())

    def _bound(self) -> Function:
        if self._call is None:
            rule = f"{self.function or 'a function'} is not here: such a run begins and goes on from Python alone, by"
            raise SpecError(f"{rule} archspec.search(..., accuracy=...) with the function", field="evaluator")
        return self._call


def _taken(call: Function) -> list[str]:
    """Those of `PAUSING` that a function takes."""
    try:
        parameters = list(inspect.signature(call).parameters.values())[2:]  # whatever spec and seed are called
    except ValueError:  # a built-in function does not say what it takes
        return []
    if any(one.kind == one.VAR_KEYWORD for one in parameters):
        return list(PAUSING)
    return [one.name for one in parameters if one.name in PAUSING and one.kind != one.POSITIONAL_ONLY]


def _check_call(call: Function, given: Mapping[str, Any], name: str) -> None:
    """Refuse a function that cannot be called with a spec, a seed and what is `given` beside.

    Raises:
        SpecError: the reason.
    """
    try:
        inspect.signature(call).bind(None, 0, **given)
    except TypeError as error:
        rule = f"{name} must take a spec and a seed, f(spec, seed): {error}"
        raise SpecError(rule, field="accuracy") from None
    except ValueError:  # a built-in function does not say what it takes
        pass


@final
class FunctionSession(Session):
    """One call at a time."""

    def __init__(self, config: FunctionEvaluator, call: Function) -> None:
        self.config, self.call = config, cast("Callable[..., Result]", call)

    def evaluate(self, task: Task, stop: Callable[[], bool], progress: Callable[[str], None]) -> Metrics:
        del stop  # a function cannot be interrupted half way; the run ends after it
        progress(self.config.function)
        epochs = task.epochs or self.config.epochs
        given = {"epochs": epochs, "folder": task.folder} if epochs is not None else {}
        taken = {name: value for name, value in given.items() if name in _taken(self.call)}
        answer = self.call(task.spec, task.seed, **taken)
        given = _as_numbers(answer if isinstance(answer, Mapping) else {"accuracy": answer})
        check_answer(given, self.config.metrics, final=task.final, place=f"returned by {self.config.function}")
        return given | cost_metrics(task.spec)


def _as_numbers(answer: Mapping[str, Any]) -> Metrics:
    """What a function returned as plain numbers: NumPy's and torch's scalars too, integers as such.

    Raises:
        RunError: a value that is no number.
    """
    numbers: Metrics = {}
    for name, value in answer.items():
        try:
            plain = value.item() if hasattr(value, "item") else value
            numbers[str(name)] = plain if isinstance(plain, int) else float(cast("SupportsFloat", plain))
        except (TypeError, ValueError):
            raise RunError(f"{name} must be a number, not {value!r:.60}") from None
    return metric_attributes(numbers)
