"""Whoever answers the orders of a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from search.run.worker import Order, Report


class Pool(ABC):
    """Workers that take orders and report; a context, which ends them."""

    @abstractmethod
    def __enter__(self) -> Pool:
        """Begin."""

    @abstractmethod
    def __exit__(self, *_: object) -> None:
        """End all work at once; what is under way is lost."""

    @property
    @abstractmethod
    def idle(self) -> int:
        """Workers that could take an order."""

    @property
    @abstractmethod
    def busy(self) -> int:
        """Orders under way."""

    @abstractmethod
    def submit(self, order: Order) -> None:
        """Hand an order to an idle worker."""

    @abstractmethod
    def reports(self, timeout: float) -> Iterator[tuple[Order, Report]]:
        """The reports of the workers within `timeout` seconds."""

    def place(self, order: Order) -> tuple[str, float | None]:
        """The place of an order under way for people, and when it began there, in seconds since the epoch, if known.

        Args:
            order: as it was handed over.
        """
        del order
        return "this process", None

    @abstractmethod
    def stop(self) -> None:
        """Have all workers asked to save and end what they are doing; a handler of signals may call it."""
