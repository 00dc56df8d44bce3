"""Processes that work on one task together, under the elastic agent of torchrun (`torch.distributed.elastic`).

The agent starts them, gives each its rank, and meets them at a store on the loopback interface, at a port that the
system has picked, so that two tasks on one machine do not meet. It starts nothing again: a process that dies takes the
others with it, and whoever asked begins anew from what was saved. Each rank has a pipe to the process that started it:
what it says goes up, the wish to end comes down, and a rank whose pipe closes ends at once.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, final

from archspec.errors import ArchspecError, DiedError, RunError
from search.processes.signals import ENDING, unblock_signals
from search.processes.tree import die_with_parent

POLL_SECONDS = 0.1
GRACE_SECONDS = 3.0
"""Time in which the other ranks may say what they met when one has failed; then they are killed, since they may wait
for it in a collective operation."""
STOP = "stop"


@final
class Rank:
    """One of the processes, as its own code sees it.

    Args:
        number: from 0.
        count: of all processes.
        pipe: to the process that started them.
    """

    def __init__(self, number: int, count: int, pipe: Connection) -> None:
        self.number, self.count = number, count
        self._pipe, self._sending, self._stop = pipe, threading.Lock(), False
        for signum in ENDING:
            signal.signal(signum, signal.SIG_IGN if signum == signal.SIGINT else self._interrupt)
        threading.Thread(target=self._receive, name="archspec-rank", daemon=True).start()

    def stopping(self) -> bool:
        """Whether this process was asked to save and end."""
        return self._stop

    def say(self, said: Any) -> None:
        """Tell something, on the way, to whoever asked."""
        self.send("said", said)

    def send(self, kind: str, value: Any) -> None:
        """Send a message."""
        data = pickle.dumps((kind, value))  # as a whole: torch would leave tensors behind, to be fetched
        with self._sending:
            self._pipe.send_bytes(data)

    def _interrupt(self, number: int, frame: object) -> None:
        del number, frame
        self._stop = True

    def _receive(self) -> None:
        with suppress(EOFError, OSError):
            while self._pipe.recv() == STOP:
                self._stop = True
        os._exit(1)  # nobody is there for whom to work


Entry = Callable[[Rank, Any], Any]


@final
@dataclass(slots=True)
class _Seat:
    """A rank, as the process sees it that started all."""

    pipe: Connection
    pid: int = 0
    ended: bool = False
    killed: bool = False
    gone: bool = False
    value: Any = None
    error: BaseException | None = None
    time: float = 0.0


@final
class RankGroup:
    """Processes that run one function.

    Args:
        entry: a function of a module, called in each with its rank and `argument`.
        argument: anything that can be pickled.
        count: of the processes.
    """

    def __init__(self, entry: Entry, argument: Any, count: int) -> None:
        pipes = [get_context("spawn").Pipe() for _ in range(count)]
        self._seats = [_Seat(ours) for ours, _ in pipes]
        self._theirs = [theirs for _, theirs in pipes]
        self._entry, self._argument = entry, argument
        self._failure: BaseException | None = None
        self._failed_at = 0.0

    def run(self, stop: Callable[[], bool], say: Callable[[Any], None]) -> Any:
        """The answer of rank 0, once all have ended.

        Args:
            stop: asked often; when true, all ranks are told.
            say: takes what ranks say on the way.

        Raises:
            DiedError: a rank was killed, or ended by itself.
            Exception: what the function raised in the rank that failed first.
        """
        with tempfile.TemporaryDirectory(prefix="archspec-ranks-") as logs:
            agent = threading.Thread(target=self._start, args=(logs,), name="archspec-elastic", daemon=True)
            agent.start()
            told = False
            try:
                while agent.is_alive():
                    self._hear(say)
                    if not told and stop():
                        told = True
                        self._tell()
                    self._end_others()
                while self._hear(say):
                    pass
            finally:
                self._kill(self._seats)
                agent.join()
                for pipe in (*self._theirs, *(seat.pipe for seat in self._seats)):
                    pipe.close()
            return self._conclude()

    def _start(self, logs: str) -> None:
        """Run the agent until all ranks have ended."""
        try:
            launch(self._entry, self._argument, self._theirs, logs)
        except BaseException as error:
            self._failure = error

    def _hear(self, say: Callable[[Any], None]) -> bool:
        """Take what ranks have sent; whether there was anything."""
        known = {seat.pipe: seat for seat in self._seats if not seat.gone}
        ready = wait(list(known), POLL_SECONDS) if known else time.sleep(POLL_SECONDS)
        for pipe in ready or ():
            seat = known[pipe]  # pyright: ignore[reportArgumentType]
            try:
                data = seat.pipe.recv_bytes()
            except (EOFError, OSError):
                seat.gone = True
                continue
            kind, value = pickle.loads(data)
            if kind == "said":
                say(value)
            elif kind == "begun":
                seat.pid = value
                if all(other.pid for other in self._seats):
                    for theirs in self._theirs:  # so that the end of a rank is the end of its pipe
                        theirs.close()
            elif kind == "done":
                seat.ended, seat.value = True, value
            else:
                seat.ended, (seat.time, seat.error) = True, value
        return bool(ready)

    def _tell(self) -> None:
        for seat in self._seats:
            with suppress(OSError):
                seat.pipe.send(STOP)

    def _end_others(self) -> None:
        """Kill those that are left where one has died, or a while after one has failed."""
        died = any(seat.gone and not seat.ended for seat in self._seats)
        if died or any(seat.error for seat in self._seats):
            self._failed_at = self._failed_at or time.monotonic()
        # The agent, which knows how a process ended, is to see first the one that has died.
        late = time.monotonic() - self._failed_at > (3 * POLL_SECONDS if died else GRACE_SECONDS)
        if self._failed_at and (late or all(seat.ended for seat in self._seats)):
            self._kill([seat for seat in self._seats if not seat.gone])

    def _kill(self, seats: Sequence[_Seat]) -> None:
        for seat in seats:
            if seat.pid and not seat.gone and not seat.killed:
                seat.killed = True
                with suppress(ProcessLookupError):
                    os.kill(seat.pid, signal.SIGKILL)

    def _conclude(self) -> Any:
        dead = [number for number in range(len(self._seats)) if self._died(number)]
        errors = [(seat.time, seat.error) for seat in self._seats if seat.error is not None]
        ours = [one for one in errors if isinstance(one[1], ArchspecError)]
        if dead and not ours:  # what the others then meet in torch says nothing
            raise DiedError(self._ending(dead))
        if errors:
            raise min(ours or errors, key=lambda one: one[0])[1]
        if not all(seat.ended for seat in self._seats):
            raise DiedError(f"the {len(self._seats)} processes of a training did not end: {self._failure}")
        return self._seats[0].value

    def _died(self, number: int) -> bool:
        """Whether a rank has ended by itself; a late kill of one that was gone already does not count."""
        seat = self._seats[number]
        return not seat.ended and not (seat.killed and self._exit_code(number) in (None, -signal.SIGKILL))

    def _exit_code(self, number: int) -> int | None:
        """A rank's exit code, where the agent knows it as one that failed."""
        failures: Any = getattr(self._failure, "failures", {})
        return getattr(failures.get(number), "exitcode", None)

    def _ending(self, dead: Sequence[int]) -> str:
        """What became of those that were not killed here: of the first one, if the agent knows which it was."""
        number = next((one for one in dead if self._exit_code(one) is not None), dead[0])
        name, code = f"process {number} of {len(self._seats)}", self._exit_code(number)
        if code is None:
            known = self._failure is None or getattr(self._failure, "failures", {})
            return f"{name} died" if known else f"{name} did not start: {self._failure}"
        return f"{name} died with signal {-code}" if code < 0 else f"{name} died with exit code {code}"


def launch(entry: Entry, argument: Any, pipes: Sequence[Connection], logs: str) -> None:
    """Have torchrun's agent start a process for each pipe, and wait for their ends.

    Args:
        entry, argument: see `RankGroup`.
        pipes: the ranks' ends.
        logs: folder for what they print.

    Raises:
        ChildFailedError: one has failed; torch's.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # The agent's log tells of each failure over pages, and of signals that are heard elsewhere.
    for name in ("torch.distributed.elastic", "torch.multiprocessing"):
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=len(pipes),
        run_id=os.path.basename(logs),
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        max_restarts=0,
        monitor_interval=POLL_SECONDS,
        start_method="spawn",
        logs_specs=DefaultLogsSpecs(log_dir=logs, redirects=Std.ALL),
    )
    elastic_launch(config, serve_rank)(entry, argument, list(pipes))


def serve_rank(entry: Entry, argument: Any, pipes: Sequence[Connection]) -> None:
    """Run the function of one rank; the agent calls it, in a process of its own."""
    die_with_parent()
    unblock_signals()
    number = int(os.environ["RANK"])
    for other, pipe in enumerate(pipes):
        if other != number:
            pipe.close()
    if sys.platform != "win32":  # gloo would look up the name of this machine, which may lead elsewhere
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    rank = Rank(number, len(pipes), pipes[number])
    rank.send("begun", os.getpid())
    try:
        value = entry(rank, argument)
    except BaseException as error:
        rank.send("failed", (time.time(), _portable(error, number)))
        # The agent would end the others in the same way as those that were killed; whoever asked ends all of them.
        time.sleep(10 * GRACE_SECONDS)
        raise SystemExit(1) from None
    rank.send("done", value)


def _portable(error: BaseException, number: int) -> BaseException:
    """An error that survives the way to another process, with where it came from."""
    trace = "".join(traceback.format_exception(error))
    try:
        found: BaseException = pickle.loads(pickle.dumps(error))
    except Exception:
        found = RunError(f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}")
    if not isinstance(error, ArchspecError):
        found.add_note(f"in process {number}:\n{trace}")
    return found
