"""Accuracy from a table of trained layouts: a whole search in seconds, for trying and comparing samplers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from statistics import fmean
from typing import Any, Literal, final

from pydantic import Field, model_validator

from archspec.errors import FieldError, RunError
from archspec.spec.schema import ArchSpec
from archspec.spec.short_code import encode
from search.data.dataset import AnyDataset, parse_dataset
from search.data.trained_layouts import TrainedLayout, TrainedLayouts, load_table
from search.evaluator import Evaluator, Metrics, Session, Task, cost_metrics, cost_names
from search.inputs import Input, digest_text
from search.plugins import parse_config


@final
class Lookup(Evaluator):
    """Look-up in a table of trained layouts; costs are computed, exactly, as everywhere.

    A search sees one training of each layout, with its noise, as it would if it trained: `seed: study` answers with
    the row of the study's seed (modulo the number of rows), so finalists, whose seeds follow, get the other rows.
    `mean` answers without noise, as far as the table allows.
    """

    type: Literal["table"] = "table"
    table: str = Field(
        default="five_stage_grid",
        min_length=1,
        description="name of a shipped table, or a CSV file, relative to where the command runs",
    )
    data: AnyDataset = Field(
        default_factory=lambda: parse_dataset("cluttered_digits"),
        description="data set that the table's layouts were trained on: it says resolution, classes and label",
    )
    seed: Literal["study", "mean"] = Field(default="study", description="which of a layout's rows answers")

    @model_validator(mode="after")
    def _check(self) -> Lookup:
        _ = self.content  # reads the file, so that a bad one is refused with the study
        return self

    @cached_property
    def content(self) -> TrainedLayouts:
        """The table.

        Raises:
            FieldError: no such table.
            SpecError: a row of it breaks a rule.
        """
        return load_table(self.table)

    @property
    def gives(self) -> frozenset[str]:
        return cost_names() | {"accuracy"}

    @property
    def metric(self) -> dict[str, str | None]:
        return self.data.metric

    def prepare(self, spec: ArchSpec) -> ArchSpec:
        spec = self.data.fit(spec)
        if spec.digest not in self.content.rows:
            raise FieldError("", self._lacks(spec))
        return spec

    def inputs(self) -> tuple[Input, ...]:
        layouts = {digest: digest_text(repr(rows)) for digest, rows in self.content.rows.items()}
        return (Input("table", f"table {self.table}", "layout", layouts),)

    def finalist(self, changes: dict[str, Any]) -> Evaluator:
        return parse_config({**self.model_dump(), **changes}, "evaluator", lambda tag: Lookup)

    def open(self) -> Session:
        return LookupSession(self)

    def find(self, spec: ArchSpec) -> tuple[TrainedLayout, ...]:
        """The rows of a prepared layout, in order of their seeds.

        Raises:
            RunError: the table lacks it.
        """
        rows = self.content.rows.get(spec.digest)
        if rows is None:
            raise RunError(self._lacks(spec))
        return rows

    def _lacks(self, spec: ArchSpec) -> str:
        return (
            f"table {self.table} lacks layout {spec.digest} ({encode(spec)} at {spec.resolution}); "
            f"it holds {len(self.content.rows)} layouts"
        )


@final
class LookupSession(Session):
    """A session that answers from the table."""

    def __init__(self, config: Lookup) -> None:
        self.config = config

    def evaluate(self, task: Task, stop: Callable[[], bool], progress: Callable[[str], None]) -> Metrics:
        rows = self._choose(self.config.find(task.spec), task)
        metrics: Metrics = {"accuracy": fmean(row.accuracy for row in rows)}
        if task.final:
            tested = [row.test_accuracy for row in rows if row.test_accuracy is not None]
            if len(tested) < len(rows):
                raise RunError(f"table {self.config.table} lacks the test accuracy of layout {task.spec.digest}")
            metrics["test_accuracy"] = fmean(tested)
        return metrics | cost_metrics(task.spec)

    def _choose(self, rows: tuple[TrainedLayout, ...], task: Task) -> tuple[TrainedLayout, ...]:
        if self.config.seed == "mean":
            return rows
        return (rows[task.seed % len(rows)],)
