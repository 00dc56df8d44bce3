"""A limit of time on a computation, and a line on the terminal while it runs."""

from __future__ import annotations

import math
import shutil
import signal
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from archspec.documents.safe_text import printable
from archspec.errors import UndecidedError
from archspec.progress import ProgressNotes, listen

TICK = 0.25
"""Seconds between two looks at the clock."""
QUIET = 1.0
"""Seconds before a line is shown: what is quicker needs none."""
LONGEST = 7 * 86_400

TimeoutOption = Annotated[
    int,
    typer.Option("--timeout", metavar="SECONDS", min=1, max=LONGEST, help="say what is known after so many seconds"),
]


@contextmanager
def waiting(question: str, seconds: float) -> Generator[None]:
    """A context in which a computation has so many seconds, with a line on a terminal that says what it is doing.

    The clock is a signal to the main thread; in another thread, and where the system has no such signal, there is
    neither limit nor line.

    Args:
        question: what is computed, for the message: `demo.yaml`.
        seconds: the time it may take.

    Raises:
        UndecidedError: it takes longer; the message says what is known so far.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    with listen() as progress:
        started, shows = time.monotonic(), sys.stderr.isatty()
        shown = False

        def look(number: int, frame: FrameType | None) -> None:
            nonlocal shown
            del number, frame
            passed = time.monotonic() - started
            if passed >= seconds:  # again at every tick, should something swallow it
                raise UndecidedError(_undecided(question, seconds, progress))
            if shows and passed >= QUIET:
                shown = True
                _show(f"{math.floor(passed)} s of {seconds:g}: {progress.doing or question}")

        before = signal.signal(signal.SIGALRM, look)
        signal.setitimer(signal.ITIMER_REAL, TICK, TICK)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            if shown:
                _show("")


def _undecided(question: str, seconds: float, progress: ProgressNotes) -> str:
    so_far = f"; so far {', '.join(progress.known)}" if progress.known else ""
    then = f"; {progress.doing} takes longer" if progress.doing else ""
    return f"{printable(question)}: not decided after {seconds:g} s (--timeout gives it longer){so_far}{then}"


def _show(text: str) -> None:
    """Replace the line on the terminal; an empty text takes it away."""
    width = shutil.get_terminal_size().columns - 1
    sys.stderr.write(f"\r\x1b[2K{printable(text)[:width]}")
    sys.stderr.flush()
