"""Commands under a supervisor: nothing of their trees is left, however they, or who started them, end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from search.processes import supervised
from search.processes.supervised import COMMAND_VARIABLE, SupervisedCommand
from search.processes.tree import list_processes

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="asks /proc who is alive")

CHILDREN = "sleep 771 & (setsid sleep 772 &) ; "
"""A child, and an orphan in a session of its own."""


@pytest.fixture
def start(tmp_path):
    """Starts `bash -c`, by default one that has written `there` beside its output when its children are there."""
    started: list[SupervisedCommand] = []

    def call(line: str = f"{CHILDREN} touch there; wait") -> SupervisedCommand:
        with (tmp_path / "output.txt").open("wb") as file:
            command = SupervisedCommand(["bash", "-c", f"cd {tmp_path}; {line}"], file)
        started.append(command)
        while "touch there" in line and not (tmp_path / "there").exists():
            time.sleep(0.01)
        return command

    yield call
    for command in started:
        command.end()


def alive(command: SupervisedCommand) -> set[int]:
    """Living processes with the marker of the command in their environment."""
    found = set[int]()
    for entry in list_processes():
        try:
            if command._marker.encode() in Path(f"/proc/{entry.pid}/environ").read_bytes():
                found.add(entry.pid)
        except OSError:
            continue
    return found


def end_of(command: SupervisedCommand, seconds: float = 20) -> int | None:
    deadline = time.monotonic() + seconds
    while (code := command.wait(0.1)) is None and time.monotonic() < deadline:
        pass
    return code


@pytest.mark.parametrize(("line", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", -9), ("kill $$", -15)])
def test_what_a_command_leaves_behind_ends_with_it(start, line, code):
    command = start(f"{CHILDREN} touch there; sleep 0.2; {line}")
    assert len(alive(command)) >= 4  # the supervisor, bash and its children
    assert end_of(command) == code
    assert alive(command) == set()


def test_a_command_is_ended_with_all_that_it_started(start):
    command = start()
    assert command.wait(0.05) is None
    command.end()
    assert alive(command) == set()
    command.end()


def test_a_command_hears_that_it_is_to_end_and_is_killed_if_it_does_not(start, tmp_path):
    command = start("trap 'echo saved; exit 0' TERM; touch there; while true; do sleep 0.05; done")
    command.end()
    assert (tmp_path / "output.txt").read_text().endswith("saved\n")
    command = start("trap '' TERM; rm there; while true; do sleep 0.05; done")
    begin = time.monotonic()
    command.end()
    assert 4 < time.monotonic() - begin < 10
    assert alive(command) == set()


def test_a_stopped_command_is_ended(start):
    command = start("touch there; kill -STOP $$")
    command.end()
    assert alive(command) == set()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_somebody_ends_the_supervisor(start, number):
    command = start()
    os.kill(command._process.pid, number)
    with pytest.raises(ChildProcessError, match="the command was ended from outside"):
        end_of(command)
    assert alive(command) == set()


def test_nothing_is_left_when_the_process_that_started_the_command_is_killed(tmp_path):
    text = (
        "import time, sys; from search.processes.supervised import SupervisedCommand\n"
        f"command = SupervisedCommand(['bash', '-c', {CHILDREN + 'wait'!r}], open({str(tmp_path / 'out')!r}, 'wb'))\n"
        "print(command._marker, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    marker = parent.stdout.readline().strip()
    assert marker.startswith(f"{COMMAND_VARIABLE}=")
    parent.kill()
    parent.wait()
    parent.stdout.close()

    def left() -> list[int]:
        return [e.pid for e in list_processes() if marker.encode() in _environment(e.pid)]

    deadline = time.monotonic() + 5
    while left() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left() == []


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def test_a_command_that_cannot_start_and_a_supervisor_that_fails_say_why(tmp_path, monkeypatch):
    with (tmp_path / "output.txt").open("wb") as file:
        with pytest.raises(FileNotFoundError, match="No such file or directory: 'nothing-of-this-name'"):
            SupervisedCommand(["nothing-of-this-name"], file)
        with pytest.raises(PermissionError, match="Permission denied"):
            SupervisedCommand([str(tmp_path / "output.txt")], file)
        monkeypatch.setattr(supervised, "program", lambda *_: [sys.executable, "-S", "-c", "raise SystemExit(7)"])
        with pytest.raises(OSError, match="its supervisor failed with exit code 7"):
            SupervisedCommand(["true"], file)


def test_a_command_has_its_environment_and_reads_nothing(start, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/some/where")
    command = start('read line; echo "$PYTHONPATH [$line]"; trap; ps -o ignored= -p $$')
    assert end_of(command) == 0
    first, ignored = (tmp_path / "output.txt").read_text().splitlines()
    assert first == "/some/where []"
    assert int(ignored, 16) & (1 << (signal.SIGINT - 1) | 1 << (signal.SIGPIPE - 1)) == 0
