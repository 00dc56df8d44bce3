"""The session of a training by several processes, which are started anew for each layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, final

from archspec.errors import ArchspecError, FieldError, UnreadyError
from search.evaluator import Epoch, Metrics, Progress, Session, Task
from search.processes.elastic import Rank, RankGroup

if TYPE_CHECKING:
    import torch


class RankSession(Protocol):
    """A session of one of the processes."""

    device: torch.device

    def evaluate(self, task: Task, stop: Callable[[], bool], progress: Progress) -> Metrics:
        """Its part in the evaluation of one layout."""
        ...


class SharedEvaluator(Protocol):
    """An evaluator whose layouts several processes train."""

    @property
    def ranks(self) -> int:
        """The number of processes."""
        ...

    def open_rank(self, rank: int) -> RankSession:
        """The session of one of them."""
        ...


@final
class SharedSession(Session):
    """A session that starts the processes of each training anew, and has neither data nor network itself."""

    def __init__(self, config: SharedEvaluator) -> None:
        self._config = config

    def evaluate(self, task: Task, stop: Callable[[], bool], progress: Progress) -> Metrics:
        return RankGroup(train_rank, (self._config, task), self._config.ranks).run(stop, progress)


def train_rank(rank: Rank, asked: tuple[SharedEvaluator, Task]) -> Metrics:
    """The training of a layout as one of its processes takes part in it; the metrics are in the first one's answer.

    Raises:
        UnreadyError: the data, or as many devices, are not there.
    """
    from search.train.parallel.ranks import join_ranks, leave_ranks

    config, task = asked
    try:
        session = config.open_rank(rank.number)
    except (ArchspecError, FieldError) as error:
        raise UnreadyError(str(error)) from None
    join_ranks(session.device)
    try:
        return session.evaluate(task, rank.stopping, rank.say if rank.number == 0 else _say_nothing)
    finally:
        leave_ranks()


def _say_nothing(said: str | Epoch) -> None:
    del said
