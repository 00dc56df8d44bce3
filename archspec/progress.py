"""Notes of a long computation on itself: what it does now, and what it knows so far.

Nobody need listen: then it costs nothing. The command line does, to show a line on a terminal and to say what was
known when the time was up (`archspec.cli.shared.waiting`).
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import final


@final
@dataclass
class ProgressNotes:
    """The state of a computation in words.

    Attributes:
        doing: what it does now.
        known: what it knows so far, in the order in which it came to know it.
    """

    doing: str = ""
    known: list[str] = field(default_factory=list[str])


_CURRENT: ContextVar[ProgressNotes | None] = ContextVar("progress", default=None)


@contextmanager
def listen() -> Generator[ProgressNotes]:
    """The notes that are made inside this context."""
    progress = ProgressNotes()
    token = _CURRENT.set(progress)
    try:
        yield progress
    finally:
        _CURRENT.reset(token)


def doing(text: str) -> None:
    """A note on what is done now: `counting the layouts inside both limits`."""
    progress = _CURRENT.get()
    if progress is not None:
        progress.doing = text


def known(text: str) -> None:
    """A note on what is known so far: `1,152 layouts in all`."""
    progress = _CURRENT.get()
    if progress is not None:
        progress.known.append(text)
