"""Runs in real processes, found by a variable of their environment that nothing else has, and their interruptions."""

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from journals import trained, trials_of

VARIABLE = "ARCHSPEC_TEST"


class StartedRun:
    """An `archspec` command and whatever it starts; a context, at whose end nothing of it is alive."""

    def __init__(self, *arguments: object) -> None:
        self.marker = f"{VARIABLE}={secrets.token_hex(8)}"
        name, _, value = self.marker.partition("=")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "archspec", *map(str, arguments)],
            env={**os.environ, name: value},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.said = b""

    def __enter__(self) -> "StartedRun":
        return self

    def __exit__(self, *_: object) -> None:
        for pid in self.alive():
            self.signal(pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def alive(self) -> dict[int, str]:
        """The command lines of all that is alive, by number."""
        return alive_with(self.marker)

    def find(self, words: str) -> list[int]:
        """The processes whose command line holds `words`."""
        return [pid for pid, line in self.alive().items() if words in line]

    def workers(self) -> list[int]:
        return self.find("spawn_main")

    def signal(self, pid: int, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    def signal_all(self, number: int) -> None:
        for pid in self.alive():
            self.signal(pid, number)

    def wait(self, condition: Callable[[], object], seconds: float = 120) -> None:
        """Wait until `condition` holds, or the run has ended."""
        deadline = time.monotonic() + seconds
        while not condition() and self.process.poll() is None:
            assert time.monotonic() < deadline, "what was waited for did not happen"
            time.sleep(0.02)

    def end(self, seconds: float = 60) -> tuple[int, str]:
        """The exit code and what was printed."""
        assert self.process.stderr is not None
        code = self.process.wait(seconds)
        os.set_blocking(self.process.stderr.fileno(), False)
        self.said += self.process.stderr.read() or b""
        return code, self.said.decode()

    def left(self, seconds: float = 5) -> dict[int, str]:
        """What is alive after `seconds`; at once empty where nothing is."""
        deadline = time.monotonic() + seconds
        while (alive := self.alive()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return alive


def alive_with(marker: str) -> dict[int, str]:
    """The command lines of all that is alive and has `NAME=VALUE` in its environment, by number."""
    found: dict[int, str] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (path / "environ").read_bytes().split(b"\0"):
                state = (path / "stat").read_text().rpartition(")")[2].split()[0]
                words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if state not in "ZX":
                    found[int(path.name)] = words
        except OSError:
            continue
    return found


WRAPPED = '(setsid sleep 778 &) ; sleep 777 & "$0" -S "$@"'
"""A shell that leaves two processes behind, one of them in a session of its own, and then evaluates."""

SUPERVISOR, WATCHDOG = "supervisor import", "watchdog import"


def under_way(run: StartedRun) -> bool:
    """Whether a layout is evaluated, its shell's processes included."""
    return bool(run.find("sleep 777") and run.find("sleep 778"))


def end_conductor(run: StartedRun, *numbers: int) -> None:
    for number in numbers:
        run.signal(run.process.pid, number)
        time.sleep(0.3)


def kill_group(run: StartedRun) -> None:
    os.killpg(run.process.pid, signal.SIGKILL)


def kill_conductor_and_workers(run: StartedRun) -> None:
    for pid in (run.process.pid, *run.workers()):
        run.signal(pid, signal.SIGKILL)


def kill_workers(run: StartedRun) -> None:
    """The run goes on by itself, beside nothing of what the workers had started; then it is ended."""
    before = {pid for pid, line in run.alive().items() if "sleep" in line}
    for pid in run.workers():
        run.signal(pid, signal.SIGKILL)
    run.wait(lambda: not before & set(run.alive()), 5)
    run.wait(lambda: under_way(run))
    end_conductor(run, signal.SIGINT)


def kill_supervisors(run: StartedRun) -> None:
    for pid in run.find(SUPERVISOR):
        run.signal(pid, signal.SIGKILL)
    time.sleep(0.3)
    end_conductor(run, signal.SIGINT)


def kill_watchdog_and_conductor(run: StartedRun) -> None:
    for pid in (*run.find(WATCHDOG), run.process.pid):
        run.signal(pid, signal.SIGKILL)


def stop_workers(run: StartedRun) -> None:
    for pid in run.workers():
        run.signal(pid, signal.SIGSTOP)


def stop_workers_and_interrupt(run: StartedRun) -> None:
    stop_workers(run)
    end_conductor(run, signal.SIGINT, signal.SIGINT)


def stop_workers_and_kill(run: StartedRun) -> None:
    stop_workers(run)
    end_conductor(run, signal.SIGKILL)


INTERRUPTIONS = {
    "TERM": (lambda run: end_conductor(run, signal.SIGTERM), 130),
    "INT": (lambda run: end_conductor(run, signal.SIGINT), 130),
    "INT twice": (lambda run: end_conductor(run, signal.SIGINT, signal.SIGINT), 130),
    "HUP": (lambda run: end_conductor(run, signal.SIGHUP), 130),
    "TERM to all": (lambda run: run.signal_all(signal.SIGTERM), 130),
    "9 to the conductor": (lambda run: end_conductor(run, signal.SIGKILL), -9),
    "9 to the group": (kill_group, -9),
    "9 to conductor and workers": (kill_conductor_and_workers, -9),
    "9 to the workers": (kill_workers, 130),
    "9 to the supervisors": (kill_supervisors, 130),
    "9 to watchdog and conductor": (kill_watchdog_and_conductor, -9),
    "stopped workers, INT twice": (stop_workers_and_interrupt, 130),
    "stopped workers, 9": (stop_workers_and_kill, -9),
}
NOISE = re.compile("Traceback|Error|Exception|Warning|resource_tracker")


def check(run: StartedRun, name: str) -> None:
    interrupt, wanted = INTERRUPTIONS[name]
    interrupt(run)
    code, said = run.end()
    assert (name, run.left()) == (name, {}), said
    assert code in (wanted, 0), said  # 0: the run had just come to its end
    assert not NOISE.search(said), said


def check_finished(command: tuple[object, ...], run: Path, trials: int) -> None:
    """Let an interrupted search come to its end, with each of its layouts evaluated once."""
    with StartedRun(*command) as started:
        code, said = started.end(90)
        assert code == 0, said
        assert started.left() == {}
    done = trained(trials_of(run))
    assert len({trial.user_attrs["digest"] for trial in done}) == len(done) == trials
    assert set(finished(run).values()) == {1}


def finished(run: Path) -> Counter[str]:
    """How often each layout came to its end."""
    events = Counter[str]()
    for path in run.glob("artifacts/*/*/events.jsonl"):
        events[path.parent.parent.name] += path.read_text().count('"finished"')
    return events
