"""Signals that are held until what is begun is whole."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from search.processes.signals import ENDING, heard_signals, hold_signals


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_arrives_after_the_context(number):
    heard: list[str] = []
    previous = signal.signal(number, lambda *_: heard.append("signal"))
    try:
        with hold_signals():
            os.kill(os.getpid(), number)
            threading.Event().wait(0.05)
            heard.append("end")
        assert heard == ["end", "signal"]
    finally:
        signal.signal(number, previous)


def test_a_signal_that_another_thread_took_arrives_after_the_context():
    heard: list[str] = []
    previous = signal.signal(signal.SIGTERM, lambda *_: heard.append("signal"))
    idle = threading.Event()
    thread = threading.Thread(target=idle.wait)
    thread.start()  # before the signals are held: it may take them
    try:
        with hold_signals():
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(0.05)
            heard.append("end")
        assert heard == ["end", "signal"]
    finally:
        idle.set()
        thread.join()
        signal.signal(signal.SIGTERM, previous)


def test_what_nohup_ignores_is_not_listened_to():
    code = "from search.processes.signals import heard_signals as h; print(*(n.name for n in h()))"
    done = subprocess.run(["nohup", sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "SIGINT SIGTERM\n"
    assert [number.name for number in heard_signals()] == ["SIGINT", "SIGTERM", "SIGHUP"]
