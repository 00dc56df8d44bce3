"""The catalog of metrics: what layouts are measured by, and how each is named, written and compared.

Everything that speaks of a metric reads it here: `archspec flops`, budgets, evaluators, studies, records of runs,
tables and figures. A new one is one entry of `METRICS`. An evaluator may give metrics of its own, which are not in
this list (`search.evaluator.Evaluator.own_metrics`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, final

from archspec.documents.paths import suggest
from archspec.errors import FieldError
from blocks.layers.layer import Line

Direction = Literal["maximize", "minimize"]
Count = Callable[[Sequence[Line]], int]
"""The metric of (a part of) a network, from the lines of its operators in order."""
AMBIGUOUS = frozenset({"flops", "flop", "gflops", "mult_adds"})
"""Names that the literature gives to one multiply-add and to two operations."""


@final
@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of a layout.

    Attributes:
        name: its key in files and records: `macs`.
        title: its name for people: `MACs`.
        unit: behind numbers: `ms`, `B`; `%` for fractions, which are written times 100; empty for counts.
        direction: which way is better.
        over: how the value of a network follows from those of its parts.
        count: computes it from the lines of a cost, before anything is trained; None for what an evaluator measures.
        label: its name in running text and above columns, where that is another one: `params`.
    """

    name: str
    title: str
    unit: str = ""
    direction: Direction = "minimize"
    over: Literal["sum", "max"] = "sum"
    count: Count | None = None
    label: str = ""

    @property
    def exact(self) -> bool:
        """Whether it is known before training: computed to the integer, not measured."""
        return self.count is not None

    @property
    def additive(self) -> bool:
        """Whether it is exact and adds up over parts, so that spaces can be counted and solved in it."""
        return self.exact and self.over == "sum"

    @property
    def text(self) -> str:
        """Name in running text and in the heads of columns."""
        return self.label or self.title

    def of(self, lines: Sequence[Line]) -> int:
        """The metric of (a part of) a network, from the lines of its operators in order.

        Raises:
            ValueError: it is measured, not computed.
        """
        if self.count is None:
            raise ValueError(f"{self.name} is measured, not computed from a cost")
        return self.count(lines)


METRICS: tuple[Metric, ...] = (
    Metric("accuracy", "Accuracy", unit="%", direction="maximize"),
    Metric("params", "Parameters", count=lambda lines: sum(line.params for line in lines), label="params"),
    Metric("macs", "MACs", count=lambda lines: sum(line.macs for line in lines)),
    Metric(
        "activations", "Activations", count=lambda lines: sum(line.activations for line in lines), label="activations"
    ),
    Metric(
        "saved_bytes",
        "Saved for backward",
        unit="B",
        count=lambda lines: sum(line.saved_bytes for line in lines),
        label="kept for backward",
    ),
    Metric("latency_ms", "Latency", unit="ms"),
)
"""All metrics, in the order of tables."""


def exact_metrics() -> tuple[Metric, ...]:
    """The metrics that are known before training."""
    return tuple(metric for metric in METRICS if metric.exact)


def additive_metrics() -> tuple[Metric, ...]:
    """The metrics that spaces can be counted in."""
    return tuple(metric for metric in METRICS if metric.additive)


def additive_names() -> tuple[str, ...]:
    """The names of `additive_metrics`."""
    return tuple(metric.name for metric in additive_metrics())


def exact_values(lines: Sequence[Line]) -> dict[str, int]:
    """Every exact metric of (a part of) a network by its name, from the lines of its operators in order."""
    return {metric.name: metric.of(lines) for metric in exact_metrics()}


def known_metrics(own: Iterable[Metric] = ()) -> dict[str, Metric]:
    """The catalog by name, with the metrics of an evaluator behind it."""
    return {metric.name: metric for metric in (*METRICS, *own)}


def find_metric(name: str, own: Iterable[Metric] = ()) -> Metric:
    """The metric of that name.

    Args:
        name: as in files.
        own: metrics of an evaluator, beside those of the catalog.

    Raises:
        FieldError: there is none.
    """
    known = known_metrics(own)
    if name.lower() in AMBIGUOUS and name not in known:
        raise FieldError("", f"{name!r:.40} means different things; write macs (one multiply-add = 1)")
    if name not in known:
        raise FieldError("", f"{name!r:.40} is no metric{suggest(name, known)}: known are {', '.join(known)}")
    return known[name]
