"""The program of a job: it answers one order of a batch, on the node that SLURM has given it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar, final

from archspec.files.fence import Fence, current_attempt, fenced, take_folder
from archspec.files.os_errors import lacks_space
from search.evaluator import Session
from search.installation import compare_installations, describe_installation
from search.jobs.batch import Began, JobBatch, saved_since
from search.processes.folder_lock import UNLOCKED_VARIABLE
from search.processes.machine import host_name
from search.run.worker import Order, Report, answer
from search.slurm.time_limit import LATE
from search.train.device import PLACE_VARIABLE

SPACE_SECONDS = 2.0
"""Time between two tries to write to a full disk."""

Written = TypeVar("Written")


def main() -> None:
    """Answer the order of `sys.argv`: the folder of a batch, and an index."""
    batch, index = JobBatch(Path(sys.argv[1])), int(sys.argv[2])
    order = batch.orders().get(index)
    if order is None:
        print("this order is answered: nothing to do")  # noqa: T201  (the log of the job)
        return
    setup = batch.setup
    number = os.environ.get("SLURM_ARRAY_JOB_ID", "")
    if not _write(lambda: batch.claim(index, number)):
        print("another job has this order: nothing to do")  # noqa: T201
        return
    root, again = Path(setup["root"]), int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    attempt = (order.attempt, again)
    if not _write(lambda: take_folder(order.folder(root), attempt)):
        print("a later attempt has this folder: nothing to do")  # noqa: T201
        return
    node = os.environ.get("SLURMD_NODENAME") or host_name()
    began = Began(node, again, time.time(), number)
    with suppress(OSError):
        batch.tell(index, began)
    os.environ |= {PLACE_VARIABLE: "0", UNLOCKED_VARIABLE: "1"}  # what it sees of GPUs is its own
    with fenced(order.folder(root), attempt) as fence:
        job = _Job(batch, index, fence)
        other = compare_installations(setup["installation"], describe_installation())
        report = Report("unready", f"node {node}: {other}") if other else job.answer(order, setup["evaluators"], root)
        if current_attempt(order.folder(root)) == attempt:
            with suppress(FileNotFoundError):  # the run has given it up, and knows the result by its file
                if report is not None:
                    _write(partial(batch.give_answer, index, report), job.is_told)
                else:
                    batch.tell(index, replace(began, ended=True))


def _write(write: Callable[[], Written], told: Callable[[], bool] = lambda: False) -> Written:
    """Write, as often as it takes while the disk is full: without its answer a job would have died.

    Args:
        write: raises, or does so whole.
        told: whether the job is to end.

    Raises:
        OSError: it fails for another reason, or the job is to end.
    """
    while True:
        try:
            return write()
        except OSError as error:
            if not lacks_space(error) or told():
                raise
            time.sleep(SPACE_SECONDS)


@final
class _Job:
    """One order under way, and what SLURM or the run tell its job.

    Args:
        batch, index: of the order.
        fence: of its folder.
    """

    def __init__(self, batch: JobBatch, index: int, fence: Fence) -> None:
        self._batch, self._index, self._fence = batch, index, fence
        self._heard: int = 0
        self._trained = False
        self._looked, self._begun = 0.0, time.time()
        for number in (signal.SIGUSR1, signal.SIGTERM):
            signal.signal(number, self._hear)

    def answer(self, order: Order, evaluators: dict[str, object], root: Path) -> Report | None:
        """The answer to the order; None where SLURM ends the job, and says itself what becomes of it."""
        sessions: dict[str, Session] = {}
        report = answer(order, evaluators, sessions, root, self.is_told, self._tell)
        if report.kind != "interrupted" or self._batch.stopping:
            return report
        if self._heard == signal.SIGUSR1 and not (self._trained or saved_since(order.folder(root), self._begun)):
            return Report("died", LATE)
        if self._heard == signal.SIGUSR1:
            return Report("lost", f"its time limit came: {report.text}")
        return None if self._heard else report

    def is_told(self) -> bool:
        """Whether the evaluation is to end."""
        if self._heard or self._fence.passed():
            return True
        if time.monotonic() - self._looked < 1:
            return False
        self._looked = time.monotonic()
        return self._batch.stopping

    def _tell(self, report: Report) -> None:
        self._trained = self._trained or report.epoch is not None
        with suppress(OSError):  # the answer counts, and the run may have given this job up
            self._batch.tell(self._index, report)

    def _hear(self, number: int, frame: object) -> None:
        del frame
        self._heard = number
