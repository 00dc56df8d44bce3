"""The task of an order: it answers it in the process that Ray has started for it on some node."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import final

from archspec.files.fence import Fence, current_attempt, fenced, take_folder
from search.evaluator import Session
from search.installation import compare_installations, describe_installation
from search.jobs.batch import Began, JobBatch, log_of
from search.processes.folder_lock import UNLOCKED_VARIABLE
from search.processes.machine import host_name
from search.run.pools.engine import JOBS
from search.run.worker import Order, Report, answer
from search.train.device import PLACE_VARIABLE

LOOK_SECONDS = 1.0
SEEN_SECONDS = 10.0
"""Time in which a folder that was just made becomes visible on a shared file system."""


def run_order(root: str, batch: str, index: int) -> str:
    """Answer an order through the files of its batch.

    Args:
        root: folder of the run.
        batch: name of the folder of the batch.
        index: of the order.

    Returns:
        Why it could not be looked at, in one line; empty otherwise.
    """
    context = import_module("ray").get_runtime_context()
    if not context.get_accelerator_ids().get("GPU"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray leaves all GPUs of a node to a task that asks for none
    node = f"{host_name()}, node {context.get_node_id()[:12]}"
    return answer_order(Path(root), JobBatch(Path(root, JOBS, batch)), index, node)


def answer_order(root: Path, batch: JobBatch, index: int, node: str) -> str:
    """Answer an order on a node; see `run_order`."""
    deadline = time.monotonic() + SEEN_SECONDS
    while not root.is_dir():
        if time.monotonic() > deadline:
            return f"{node} does not see {root}: the folder of runs must be one that all nodes share"
        time.sleep(0.2)
    try:
        order, setup = batch.orders()[index], batch.setup
    except (KeyError, OSError):
        return ""  # the run has given it up
    folder, attempt = order.folder(root), (order.attempt, 0)
    if not take_folder(folder, attempt):
        return ""
    with _printing_to(log_of(order, root)), fenced(folder, attempt) as fence:
        os.write(1, f"process {os.getpid()} on {node}, {time.ctime()}\n".encode())  # the log of the order
        with suppress(OSError):
            batch.tell(index, Began(node, 0, time.time(), str(os.getpid())))
        other = compare_installations(setup["installation"], describe_installation())
        job = _RayJob(batch, index, fence)
        report = Report("unready", f"{node}: {other}") if other else job.answer(order, setup["evaluators"], root)
        if current_attempt(folder) == attempt:
            with suppress(FileNotFoundError):  # the run has given it up, and knows the result by its file
                batch.give_answer(index, report)
    return ""


@contextmanager
def _printing_to(path: Path) -> Generator[None]:
    """Have what this process prints, and what it starts, go to a file; it has the environment of a worker meanwhile."""
    marks = {PLACE_VARIABLE: "0", UNLOCKED_VARIABLE: "1"}  # what it sees of GPUs is its own
    before = {name: os.environ.get(name) for name in marks}
    kept = [os.dup(number) for number in (1, 2)]
    sys.stdout.flush()
    sys.stderr.flush()
    with path.open("ab") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    os.environ |= marks
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, descriptor in zip((1, 2), kept, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@final
class _RayJob:
    """One order under way, and what the run or its node tell it.

    Args:
        batch, index: of the order.
        fence: of its folder.
    """

    def __init__(self, batch: JobBatch, index: int, fence: Fence) -> None:
        self._batch, self._index, self._fence = batch, index, fence
        self._ended = self._stopping = False
        self._looked = 0.0

    def answer(self, order: Order, evaluators: dict[str, object], root: Path) -> Report:
        """The answer to the order."""
        before = signal.signal(signal.SIGTERM, self._hear)
        sessions: dict[str, Session] = {}
        try:
            report = answer(order, evaluators, sessions, root, self._is_told, self._tell)
        finally:
            signal.signal(signal.SIGTERM, before)
        if report.kind == "interrupted" and self._ended and not self._batch.stopping:
            return Report("lost", f"its worker was asked to end: {report.text}")
        return report

    def _is_told(self) -> bool:
        """Whether the evaluation is to end."""
        if self._ended or self._stopping or self._fence.passed():
            return True
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            self._stopping = self._batch.stopping
        return self._stopping

    def _tell(self, report: Report) -> None:
        with suppress(OSError):  # the answer counts, and the run may have given this order up
            self._batch.tell(self._index, report)

    def _hear(self, number: int, frame: object) -> None:
        del number, frame
        self._ended = True
