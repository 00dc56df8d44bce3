"""Ctrl-C in the command `archspec`, from its first import on: one line and exit code 130."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from types import FrameType

EXIT_CODE = 130


def hear_interrupts() -> None:
    """Have this process end by SIGINT in one line, unless whoever started it has SIGINT ignored."""
    try:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _end)
    except ValueError:  # not the main thread, which alone may
        return


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is under way is put down once
    with suppress(OSError):  # the terminal is gone
        os.write(2, b"archspec: interrupted\n")
    raise SystemExit(EXIT_CODE)
