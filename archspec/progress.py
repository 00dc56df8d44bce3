"""What a long computation says about itself: what it does now, and what it knows so far.

Nobody need listen: then it costs nothing. The command line does, to show a line on a terminal and to say what was
known when the time was up (`archspec.cli.shared.waiting`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import final


@final
@dataclass
class Progress:
    """The state of a computation in words.

    Attributes:
        doing: what it does now.
        known: what it knows so far, in the order in which it came to know it.
    """

    doing: str = ""
    known: list[str] = field(default_factory=list[str])


_CURRENT: ContextVar[Progress | None] = ContextVar("progress", default=None)


@contextmanager
def listen() -> Iterator[Progress]:
    """What is said inside this context."""
    progress = Progress()
    token = _CURRENT.set(progress)
    try:
        yield progress
    finally:
        _CURRENT.reset(token)


def doing(text: str) -> None:
    """Say what is done now: `counting the layouts inside both limits`."""
    progress = _CURRENT.get()
    if progress is not None:
        progress.doing = text


def known(text: str) -> None:
    """Say what is known so far: `1,152 layouts in all`."""
    progress = _CURRENT.get()
    if progress is not None:
        progress.known.append(text)
