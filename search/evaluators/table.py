"""Accuracy from a table of trained layouts: a whole search in seconds, for trying and comparing samplers.

A table with curves answers after any epoch, so that searches which stop trainings early can be compared too; where it
has the seconds of each epoch, virtual workers train in virtual time, as in syne-tune's simulator.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from statistics import fmean
from typing import Any, ClassVar, Literal, final

from pydantic import Field, model_validator

from archspec.documents.paths import PlaceError
from archspec.documents.wording import plural
from archspec.errors import FieldError, RunError, SpecError
from archspec.loader import load
from archspec.spec.schema import ArchSpec
from archspec.spec.short_code import encode
from search.data.dataset import AnyDataset, parse_dataset
from search.data.trained_layouts import CURVES, TrainedCurve, TrainedLayout, TrainedLayouts, content_of, load_table
from search.evaluator import Epoch, Evaluator, Metrics, Progress, Session, Task, cost_metrics, cost_names
from search.inputs import Input, digest_text
from search.plugins import parse_config
from search.train.curve import EpochRecord, read_curve, write_curve


@final
class Lookup(Evaluator):
    """Look-up in a table of trained layouts; costs are computed, exactly, as everywhere.

    A search sees one training of each layout, with its noise, as it would if it trained: `seed: study` answers with
    the row of the study's seed (modulo the number of rows), so finalists, whose seeds follow, get the other rows.
    `mean` answers without noise, as far as the table allows.

    Where a table holds some layouts of a space, `nearest` has a search keep to them: the sampler proposes any layout,
    and the nearest one of the table that was not evaluated before takes its place (fewest changed holes, then the
    smallest moves). Such a search compares samplers on the table's layouts; what they would find in the space it does
    not say.
    """

    pauses: ClassVar[bool] = True

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
    nearest: bool = Field(
        default=False,
        description="whether a proposal that the table lacks is moved to the nearest layout that it holds",
    )
    virtual_workers: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        strict=True,
        description="workers that train in virtual time, by the table's seconds",
    )

    @model_validator(mode="after")
    def _check(self) -> Lookup:
        content = self.content  # reads the file, so that a bad one is refused with the study
        if self.virtual_workers is not None and not content.timed:
            rule = f"needs the seconds of every epoch, which table {self.table} lacks (column seconds)"
            raise PlaceError(("virtual_workers",), rule)
        lacking = next((digest for digest in content.rows if digest not in content.codes), None)
        if self.nearest and lacking is not None:
            rule = f"needs to know the layouts: table {self.table} has no code of layout {lacking}"
            raise PlaceError(("nearest",), rule)
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

    @cached_property
    def listed(self) -> tuple[ArchSpec, ...] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The table's layouts where a search keeps to them.

        Raises:
            FieldError: the code of one is that of another layout.
        """
        if not self.nearest:
            return None
        specs: list[ArchSpec] = []
        for digest, code in self.content.codes.items():
            spec = self.data.fit(load(code))
            if spec.digest != digest:
                rule = f"table {self.table} has the code of layout {spec.digest} for layout {digest}"
                raise FieldError("nearest", rule)
            specs.append(spec)
        return tuple(specs)

    @property
    def whole_epochs(self) -> int | None:
        """The epochs of a whole training; None where the table has no curves."""
        return self.content.epochs or None

    def check_pauses(self) -> None:
        """Refuse rungs over a table without curves.

        Raises:
            FieldError: it has none.
        """
        if not self.content.epochs:
            raise FieldError("", f"table {self.table} has no curves (column accuracies): it knows the end alone")

    @property
    def simulated_workers(self) -> int:
        return self.virtual_workers or 0

    @property
    def trainings(self) -> int:
        """The rows that every layout has, of which another seed answers with another one."""
        return 1 if self.seed == "mean" else min(map(len, self.content.rows.values()))

    def simulated_seconds(self, task: Task, done: int) -> float:
        rows = self.answers(task)
        return fmean(sum(curve.seconds[done : task.epochs]) for curve in self._curves(rows))

    def check_ready(self, workers: int) -> None:
        super().check_ready(workers)
        if self.virtual_workers is not None and workers > 1:
            rule = f"evaluator.virtual_workers: {plural(self.virtual_workers, 'virtual worker')}"
            raise SpecError(f"{rule} work in one process: leave out the {workers} workers of the command")

    def prepare(self, spec: ArchSpec) -> ArchSpec:
        spec = self.data.fit(spec)
        if spec.digest not in self.content.rows and not self.nearest:
            raise FieldError("", self._lacks(spec))
        return spec

    def inputs(self) -> tuple[Input, ...]:
        layouts = {digest: digest_text(content_of(rows)) for digest, rows in self.content.rows.items()}
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

    def answers(self, task: Task) -> tuple[TrainedLayout, ...]:
        """The rows that answer a task, in order of their seeds.

        Raises:
            RunError: the table lacks the layout.
        """
        rows = self.find(task.spec)
        return rows if self.seed == "mean" else (rows[task.seed % len(rows)],)

    def course(self, task: Task) -> list[EpochRecord]:
        """The course of a task's training up to the epoch that is asked for; empty where the table knows none.

        Raises:
            RunError: an epoch is asked for that the table lacks.
        """
        total = self.content.epochs
        if task.epochs is not None and task.epochs > total:
            known = f"trainings of {plural(total, 'epoch')}" if total else "no curves"
            raise RunError(f"table {self.table} holds {known}: it cannot answer after epoch {task.epochs}")
        columns = [
            [_mean([getattr(curve, name) for curve in self._curves(self.answers(task))], epoch) for name in CURVES]
            for epoch in range(total if task.epochs is None else task.epochs)
        ]
        return [
            EpochRecord(epoch, math.nan, train_loss, accuracy, loss, seconds)
            for epoch, (accuracy, loss, train_loss, seconds) in enumerate(columns, 1)
        ]

    def _curves(self, rows: tuple[TrainedLayout, ...]) -> list[TrainedCurve]:
        return [row.curve for row in rows if row.curve is not None]

    def _lacks(self, spec: ArchSpec) -> str:
        return (
            f"table {self.table} lacks layout {spec.digest} ({encode(spec)} at {spec.resolution}); "
            f"it holds {len(self.content.rows)} layouts"
        )


@final
class LookupSession(Session):
    """A session that answers from the table; it leaves the curve of a training as one that trained does."""

    def __init__(self, config: Lookup) -> None:
        self.config = config

    def evaluate(self, task: Task, stop: Callable[[], bool], progress: Progress) -> Metrics:
        rows, course = self.config.answers(task), self.config.course(task)
        metrics: Metrics = {"accuracy": fmean(row.accuracy for row in rows)}
        if course:
            self._tell(task, course, progress)
        if task.epochs is not None and task.epochs < self.config.content.epochs:
            metrics["accuracy"] = course[-1].val_accuracy
        if self.config.content.timed:
            metrics["train_seconds"] = sum(record.seconds for record in course)
        if task.final:
            tested = [row.test_accuracy for row in rows if row.test_accuracy is not None]
            if len(tested) < len(rows):
                raise RunError(f"table {self.config.table} lacks the test accuracy of layout {task.spec.digest}")
            metrics["test_accuracy"] = fmean(tested)
        return metrics | cost_metrics(task.spec)

    def _tell(self, task: Task, course: list[EpochRecord], progress: Progress) -> None:
        """Write the curve, and tell the epochs that are new."""
        path, short = task.folder / "curve.csv", self.config.data.supervision.short
        known = len(read_curve(path))
        write_curve(path, course)
        for record in course[known:]:
            values = {name: value for name, value in record.values.items() if not math.isnan(value)}
            progress(Epoch(record.epoch, len(course), values, f"{short} {record.val_accuracy:.3f}"))


def _mean(columns: list[tuple[float, ...]], epoch: int) -> float:
    """The mean over trainings of a column at an epoch, from 0; NaN where one lacks it."""
    return fmean(column[epoch] if column else math.nan for column in columns)
