"""A limit of time on a computation: what is said, and to whom."""

import io
import signal
import sys
import threading
import time

import pytest

from archspec.cli.shared.waiting import waiting
from archspec.errors import UndecidedError
from archspec.progress import doing, known

SPACE = """
stem: hr_stem
stages:
  - {block: HR, depth: 1, width: {choice: [%s]}}
  - {block: HR, depth: {range: [1, 4]}, width: {choice: [%s]}}
"""


def work(seconds):
    known("1,152 layouts in all")
    doing("counting those inside")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))


def test_what_takes_longer_ends_with_what_is_known():
    started = time.monotonic()
    with pytest.raises(UndecidedError) as caught, waiting("a\x1b[31m.yaml", 1):
        work(60)
    assert time.monotonic() - started < 20
    rule = "not decided after 1 s (--timeout gives it longer); so far 1,152 layouts in all; counting those inside takes"
    assert str(caught.value) == f"a\\x1b[31m.yaml: {rule} longer"
    assert caught.value.exit_code == 1
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_an_error_that_is_swallowed_comes_again():
    def stubborn():
        try:
            work(60)
        except UndecidedError:
            work(60)

    with pytest.raises(UndecidedError), waiting("x", 0.5):
        stubborn()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_line_is_shown_on_a_terminal_only(monkeypatch, terminal):
    errors = io.StringIO()
    errors.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", errors)
    with waiting("x.yaml", 60):
        work(1.8)
    assert ("1 s of 60: counting those inside" in errors.getvalue()) == terminal
    assert terminal or not errors.getvalue()
    assert not terminal or errors.getvalue().endswith("\r\x1b[2K")


def test_in_another_thread_there_is_no_limit():
    done = []

    def run():
        with waiting("x", 0.1):
            time.sleep(0.6)
            done.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert done


def test_a_space_of_many_options_is_left_undecided_in_time(run, tmp_path):
    widths = ", ".join(map(str, range(8, 8 * 9000, 8)))
    path = tmp_path / "wide.yaml"
    path.write_text(SPACE % (widths, widths))
    code, out, err = run("space", path, "--timeout", 2)
    assert (code, out) == (1, "")
    assert err.startswith(f"archspec: {path}: not decided after 2 s (--timeout gives it longer)")
    assert len(err.splitlines()) == 1
