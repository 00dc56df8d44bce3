"""Signals that end a run, held while something is begun or ended that must not be left half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

ENDING = tuple(
    number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None
)
"""Signals by which people and systems end a run: Ctrl-C, `kill` and batch systems, a closed terminal."""


def heard_signals() -> tuple[signal.Signals, ...]:
    """Those of `ENDING` that this thread can listen to: none but in the main thread, nor what `nohup` has ignored."""
    if threading.current_thread() is not threading.main_thread():
        return ()
    ignored = "SIGHUP" in signal.Signals.__members__ and signal.getsignal(signal.Signals["SIGHUP"]) == signal.SIG_IGN
    return tuple(number for number in ENDING if number.name != "SIGHUP" or not ignored)


@contextmanager
def hold_signals() -> Generator[None]:
    """Hold signals that end a run until the end of the context; processes started in it begin with them blocked."""
    come: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        del frame
        come.append(number)

    def block(how: int) -> None:
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(how, ENDING)

    previous: dict[int, Any] = {}
    try:
        block(signal.SIG_BLOCK)
        for number in heard_signals():
            previous[number] = signal.signal(number, remember)
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        block(signal.SIG_UNBLOCK)
        for number in come:  # another thread took it
            signal.raise_signal(number)


def unblock_signals() -> None:
    """Hear the signals again with which this process began blocked."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
