"""The interface of the phases of a run, each a source of orders: search, random baseline, finalists, ablation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archspec.spec.schema import ArchSpec
from archspec.spec.short_code import encode
from search.evaluator import Epoch, cost_metrics
from search.logger import LoggedTrial
from search.run.worker import Order, Report


class Phase(ABC):
    """A source of orders.

    Attributes:
        title: of this part of a run, for people.
        noun: what its orders are, in the plural.
    """

    title: str
    noun: str

    def __init__(self) -> None:
        self._said = list[str]()

    def take_lines(self) -> list[str]:
        """Lines for people on what was answered without an order, or beside one, since this was asked last."""
        said, self._said = self._said, []
        return said

    def closing(self) -> list[str]:
        """Lines for people at the end of this part of the run."""
        return []

    @abstractmethod
    def next_order(self) -> Order | None:
        """The next layout to evaluate; None when there is none, or none until an answer comes in."""

    @abstractmethod
    def label(self, order: Order) -> str:
        """An order under way in a few words for people: `trial 7`."""

    @abstractmethod
    def describe(self, order: Order) -> LoggedTrial:
        """An order under way as loggers see it."""

    def note_epoch(self, order: Order, epoch: Epoch) -> None:
        """Note an epoch of an order under way, where its record can take one before the answer."""
        del order, epoch

    @abstractmethod
    def finish(self, order: Order, report: Report) -> str:
        """Note the answer to an order; one line about it for people."""

    @property
    @abstractmethod
    def progress(self) -> tuple[int, int]:
        """Evaluations done, and wanted."""


def describe_order(
    order: Order, root: Path, name: str, title: str, part: str, number: int | None, params: Mapping[str, Any]
) -> LoggedTrial:
    """An order as loggers see it, with its exact costs.

    Args:
        order: under way.
        root: folder of the run.
        name, title, part, number, params: see `LoggedTrial`.
    """
    spec = ArchSpec.model_validate(order.spec)
    costs, folder = cost_metrics(spec), order.folder(root)
    return LoggedTrial(name, title, part, number, order.digest, encode(spec), order.seed, params, costs, folder)
