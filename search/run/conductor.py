"""The loop of a run: keep the workers busy, note what they say, listen for Ctrl-C."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from types import FrameType
from typing import TypeVar, final

from archspec.errors import Interrupted, RunError, SpecError
from archspec.files.journal import RunStorage
from search.evaluator import Epoch
from search.latency.devices import unlike_note
from search.logger import LoggedTrial
from search.monitor.display import ProgressDisplay
from search.monitor.estimate import Key, TimeEstimate
from search.monitor.run_log import RunLog
from search.monitor.status import StatusBoard
from search.processes.signals import heard_signals
from search.processes.space_wait import SpaceWait
from search.run.phase import Phase, write_spec
from search.run.pools.pool import Pool
from search.run.worker import UNFINISHED, Order, Report

Found = TypeVar("Found")

MAX_FAILURES_FIRST = 5
QUICK_SECONDS = 5e-4
"""What takes less may be done at every report."""


@final
class Conductor:
    """The parts of a run brought to their ends, one after the other, by one pool of workers.

    Args:
        pool: of the workers.
        screen: for people.
        log: the loggers of the run.
        estimate: of the time that it needs.
        board: for those who watch from elsewhere.
        storage: of the run. What a phase writes when it proposes, or notes an answer, is on the disk in one step before
            the order is handed over, or the answer is told.
    """

    def __init__(
        self,
        pool: Pool,
        screen: ProgressDisplay,
        log: RunLog,
        estimate: TimeEstimate,
        board: StatusBoard,
        storage: RunStorage | None = None,
    ) -> None:
        self.pool, self.screen, self.log, self.estimate, self.board = pool, screen, log, estimate, board
        self._orders: dict[Key, Order] = {}
        self.stopping = False
        self._logged: dict[Key, LoggedTrial] = {}
        self._storage, self._next_left = storage, 0.0
        self._space = SpaceWait(board.root, screen.say, lambda: self.stopping)

    def run(self, arm: Phase, timeout: float | None = None) -> bool:
        """Bring one arm to its end, or to the end of its time; False when interrupted.

        Raises:
            SpecError: an evaluator cannot start, such as for want of its data.
            RunError: no layout can be evaluated at all, or files cannot be written for another reason than a full disk.
        """
        previous = {number: signal.signal(number, self._interrupt) for number in heard_signals()}
        self.screen.show_phase(arm.title, arm.progress)
        self.estimate.begin_part(arm.title, _left(arm), timeout)
        try:
            return self._run(arm, None if timeout is None else time.monotonic() + timeout)
        except Interrupted:  # while it waited for space
            return False
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _run(self, arm: Phase, deadline: float | None) -> bool:
        failures, successes = 0, 0
        while True:
            late = deadline is not None and time.monotonic() >= deadline
            blocked = self._space.blocked
            while not (self.stopping or late or blocked) and self.pool.idle and (order := self._next(arm)):
                self._begin(arm, order)
            self._flush()
            self.screen.say(*self.log.take_lines())
            if self.board.due:
                self._write_status(arm)
            if not self.pool.busy:
                if blocked and not (self.stopping or late):
                    self._space.rest()
                    continue
                self.screen.say(*([] if self.stopping else arm.closing()))
                return not self.stopping
            for order, heard in self.pool.reports(timeout=0.5):
                report = self._judge(heard)
                if report.kind in ("unready", "unwritable"):  # the next start queues its trial again
                    raise (SpecError if report.kind == "unready" else RunError)(report.text)
                failures += report.kind == "failed"
                successes += report.kind == "done"
                self._note(arm, order, report)
                if failures >= MAX_FAILURES_FIRST and not successes:
                    raise RunError(f"the first {failures} {arm.noun} all failed; the last one: {report.text}")

    def write(self, call: Callable[[], Found]) -> Found:
        """The result of a call, once all that it writes to the journal is on the disk, however long that takes.

        Raises:
            Interrupted: the run is asked to end while it waits for space.
        """
        with self._held():
            found = call()
        self._flush()
        return found

    def _next(self, arm: Phase) -> Order | None:
        order = self.write(arm.next_order)
        self.screen.say(*arm.take_lines())
        if order is not None:
            self._space.run(lambda: write_spec(order, self.board.root))
        return order

    def _held(self) -> AbstractContextManager[None]:
        return nullcontext() if self._storage is None else self._storage.held()

    def _flush(self) -> None:
        """Have on the disk what was written, however long it takes for want of space."""
        if self._storage is not None:
            self._space.run(self._storage.flush)

    def _begin(self, arm: Phase, order: Order) -> None:
        key = (order.digest, order.run)
        if self.log:
            self._logged[key] = arm.describe(order)
            self.log.begin(self._logged[key])
        self._space.run(lambda: self.pool.submit(order))
        self._orders[key] = order
        self.board.begin(key, arm.label(order), order.folder(self.board.root))
        self.estimate.begin(key)
        self.screen.show_started(key, arm.label(order))

    def _judge(self, report: Report) -> Report:
        """A report as it counts: a full disk is no layout's doing, nor is what becomes of it while the run stops."""
        if report.kind == "done":
            self._space.note_written()
        if report.kind == "full":
            self._space.note_full(report.text)
            return replace(report, kind="interrupted")
        if not self.stopping or report.kind not in ("failed", "lost", "died"):
            return report
        return Report("interrupted", f"{report.text}, while the run stopped")

    def _note(self, arm: Phase, order: Order, report: Report) -> None:
        key = (order.digest, order.run)
        if report.kind == "progress":
            if report.epoch is not None:
                self._note_epoch(arm, order, report.epoch)
            self.screen.show_progress(key, report.text, self.estimate.left_of(key))
            return
        if report.kind == "note":
            self.screen.say_once(report.text)
            return
        if self.log:
            state = "done" if report.kind == "done" else "interrupted" if report.kind in UNFINISHED else "failed"
            self.log.end(self._logged.pop(key), state, report.metrics or {})
        self._orders.pop(key, None)
        self.board.end(key)
        line = self.write(lambda: arm.finish(order, report))
        self.screen.show_answer(line, arm.progress, key)
        if report.kind == "done" and (text := unlike_note(self.board.root)):
            self.screen.say_once(text)
        self.screen.say(*arm.take_lines())
        self.estimate.end(key, _left(arm), done=report.kind == "done")
        self._show_left()

    def _note_epoch(self, arm: Phase, order: Order, epoch: Epoch) -> None:
        key = (order.digest, order.run)
        with self._held():
            arm.note_epoch(order, epoch)
        self.estimate.note(key, epoch)
        self.board.note(key, epoch)
        if self.log:
            self.log.note(self._logged[key], epoch)
        self._show_left()

    def _write_status(self, arm: Phase) -> None:
        places = {key: self.pool.place(order) for key, order in self._orders.items()}
        self.board.write(arm.title, arm.progress, self.estimate.left(), places, self.estimate.left_of)

    def _show_left(self) -> None:
        """Show the time that is left: seldom where there are so many workers that adding theirs up takes time."""
        begun = time.monotonic()
        if begun < self._next_left:
            return
        self.screen.show_left(self.estimate.left())
        if line := self.estimate.first_line():
            self.screen.say(line)
        spent = time.monotonic() - begun
        self._next_left = begun + (50 * spent if spent > QUICK_SECONDS else 0)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self.stopping:
            raise KeyboardInterrupt
        self.stopping = True
        self.pool.stop()
        with suppress(OSError):  # the terminal may be gone
            self.screen.say(
                "stopping: trials under way save their last epoch; the same command continues (Ctrl-C again: now)"
            )


def _left(arm: Phase) -> int:
    """Evaluations that a part of a run still wants."""
    done, wanted = arm.progress
    return wanted - done
