"""The pool of a run whose orders are tasks of Ray, each of which reports and answers through files of the run.

Ray says what became of a task without an answer. Its tasks end with the driver that has submitted them: what an earlier
start of the run had under way goes on from what it has saved.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

from archspec.errors import SpecError
from archspec.files.fence import current_attempt, next_attempt
from archspec.files.os_errors import check_space, explain
from search.evaluator import Evaluator
from search.installation import describe_installation
from search.jobs.batch import Began, JobBatch, batches, log_of
from search.ray_cluster.link import DriverLink
from search.ray_cluster.settings import WRONG_TOKEN, RaySettings, find_address
from search.run.pools.engine import JOBS
from search.run.pools.pool import Pool
from search.run.worker import Order, Report, answer, report_disk

LOG = "ray.log"
"""File in the folder of jobs for what the driver and Ray say."""
STOP_SECONDS = 90.0
"""Time in which tasks have saved after the run was asked to stop; then they end with their driver."""
SETTLE_SECONDS = 20.0
"""Time after the end of a task in which its answer becomes visible on a shared file system."""
SILENT_SECONDS = 15.0
"""Silence of the head of which people are told."""
START_SECONDS = 120.0
"""The same before it was heard of; a cluster of this machine may be slow to start."""
AGAIN_SECONDS = 10.0
"""Time between two starts of a driver."""
LOOK_SECONDS = 0.5
LOOKS = 2
"""Looks at the cluster in which a node must not be before its tasks are lost: Ray itself waits for one that has stopped
until its connections break, which may take for ever."""

Key = tuple[str, str]


@final
@dataclass(slots=True)
class _Task:
    """An order that is handed over: to Ray, or waiting for its driver."""

    order: Order
    given: Order
    batch: JobBatch | None = None
    index: int = 0
    offset: int = 0
    began: Began | None = None
    missed: int = 0
    ended: float = 0.0
    said: list[Report] = field(default_factory=list[Report])

    @property
    def key(self) -> str:
        return f"{self.batch.name}/{self.index}" if self.batch is not None else ""

    @property
    def answered(self) -> bool:
        return any(report.kind not in ("progress", "note") for report in self.said)


@final
class RayPool(Pool):
    """Tasks of Ray.

    Args:
        size: orders at a time.
        evaluators: by the name that orders give.
        root: folder of the run, which the nodes see under the same path.
        settings: of the tasks.
    """

    def __init__(self, size: int, evaluators: Mapping[str, Evaluator], root: Path, settings: RaySettings) -> None:
        self._size, self._evaluators, self._root = size, evaluators, root.absolute()
        self._settings, self._address = settings, settings.address or find_address(os.environ)
        self._tasks: list[_Task] = []
        self._left: dict[Key, Report] = {}
        """Answers to orders of an earlier start."""
        self._notes: list[str] = []
        self._ready = self._known = self._begun = self._silent = self._lacking = False
        self._next_look = self._asked = self._tried = self._since = 0.0
        self._stopping = False

    def __enter__(self) -> RayPool:
        for batch in batches(self._root):
            for index, order in batch.orders().items():
                found = batch.answer(index)
                current = current_attempt(order.folder(self._root))[0] == order.attempt
                if current and found is not None and found.kind in ("done", "failed", "died"):
                    self._left[str(order.folder(self._root)), order.result] = found
                batch.close(index)
        self._connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()

    @property
    def idle(self) -> int:
        return self._size - self.busy

    @property
    def busy(self) -> int:
        return len(self._tasks)

    def submit(self, order: Order) -> None:
        """Hand over an order: to a task, once Ray is there.

        Raises:
            OSError: the folder of the order cannot be written.
        """
        folder, task = order.folder(self._root), _Task(order, order)
        left = self._left.pop((str(folder), order.result), None)
        if left is not None:
            task.said.append(left)
        elif (folder / order.result).exists():  # nothing to wait for
            task.said.append(answer(order, self._evaluators, {}, self._root, lambda: False, lambda _: None))
        else:
            task.given = replace(order, attempt=next_attempt(folder))
        self._tasks.append(task)

    def reports(self, timeout: float) -> Iterator[tuple[Order, Report]]:
        """The reports of tasks, at most `timeout` seconds from now, or as soon as there are some.

        Raises:
            SpecError: there is no such cluster, or it refuses this process.
        """
        deadline = time.monotonic() + timeout
        while True:
            self._listen(min(0.1, timeout))
            if self._stopping:
                self._ask_to_stop()
            self._send()
            self._look()
            if self._notes or any(task.said for task in self._tasks) or time.monotonic() >= deadline:
                break
        for text in self._notes if self._tasks else ():
            yield self._tasks[0].order, Report("note", text)
        self._notes = []
        for task in list(self._tasks):
            said, task.said = task.said, []
            for report in said:
                if report.kind not in ("progress", "note"):
                    self._tasks.remove(task)
                    if task.batch is not None:
                        task.batch.close(task.index)
                yield task.order, report

    def stop(self) -> None:
        self._stopping = True

    def place(self, order: Order) -> tuple[str, float | None]:
        task = next((one for one in self._tasks if one.order is order), None)
        if task is None or task.batch is None:
            return "not submitted yet", None
        if task.began is None:
            return "waiting for a place in the Ray cluster", None
        return f"process {task.began.job} on {task.began.node}", task.began.time

    def _connect(self) -> None:
        self._ready, self._tried = False, time.monotonic()
        self._link = DriverLink(self._settings, self._address, self._root / JOBS / LOG)

    def _listen(self, timeout: float) -> None:
        """Take what the driver says; start another one in place of one that is gone."""
        if self._link.ended:
            time.sleep(timeout)
        for said in self._link.hear(timeout):
            self._hear(said)
        if self._link.ended:
            if self._ready:
                self._lose_driver()
            elif not self._known:
                words = self._link.last_words() or "no word of it"
                raise SpecError(f"Ray's driver ended before it had begun: {words}", field="engine")
            if time.monotonic() - self._tried > AGAIN_SECONDS and not self._stopping:
                self._link.close()
                self._connect()
        elif time.monotonic() - self._link.heard > self._patience and not self._silent:
            self._silent, self._since = True, self._link.heard
            at = time.strftime("%H:%M:%S", time.localtime(time.time() - (time.monotonic() - self._since)))
            self._notes.append(f"the head of Ray does not answer since {at}: trainings go on, and the run waits for it")

    @property
    def _patience(self) -> float:
        return SILENT_SECONDS if self._ready else START_SECONDS

    def _hear(self, said: dict[str, Any]) -> None:
        if said["say"] == "refused":
            if not self._known:
                wrong = self._link.refused_token()
                raise SpecError(f"{self._address}: {WRONG_TOKEN}" if wrong else said["text"], field="engine")
            self._tried = time.monotonic()
        elif said["say"] == "alive":
            self._ready = self._known = True
            if self._silent:
                self._silent = False
                self._notes.append(f"the head of Ray answers again after {time.monotonic() - self._since:.0f} s")
            if said["lack"] and not self._lacking:
                self._notes.append(f"{said['lack']}: trainings wait until one joins the Ray cluster")
            self._lacking = bool(said["lack"])
            self._miss_nodes(said["nodes"])
        elif (task := next((one for one in self._tasks if one.key == said["key"]), None)) is not None:
            self._end(task, said["how"], said["text"])

    def _miss_nodes(self, alive: list[str]) -> None:
        """Give up tasks whose node the head has given up."""
        for task in self._tasks:
            if task.began is not None and not task.answered:
                node = task.began.node.rpartition(" ")[2]
                task.missed = 0 if any(one.startswith(node) for one in alive) else task.missed + 1
                if task.missed >= LOOKS:
                    self._end(task, "lost", "its node died")

    def _lose_driver(self) -> None:
        """All tasks end with their driver, which Ray ends where it cannot serve it any more."""
        self._ready = False
        words = self._link.last_words()
        self._notes.append("the driver on Ray ended" + (f" ({words})" if words else "") + ": another one is started")
        if not self._silent:
            self._silent, self._since = True, time.monotonic()
        for task in self._tasks:
            if task.batch is not None:
                self._read(task)
                if not task.answered:
                    task.said.append(Report("lost", "its driver on Ray ended"))

    def _send(self) -> None:
        """Submit what waits."""
        waiting = [task for task in self._tasks if task.batch is None and not task.said]
        if self._stopping:
            for task in waiting:
                task.said.append(Report("interrupted", "the run stopped before its task was submitted"))
            return
        if not (waiting and self._ready):
            return
        batch = JobBatch(self._root / JOBS / secrets.token_hex(4))
        setup = {
            "root": str(self._root),
            "installation": describe_installation(),
            "evaluators": {name: one.model_dump(mode="json") for name, one in self._evaluators.items()},
        }
        try:
            batch.write([task.given for task in waiting], self._root, setup)
        except OSError as error:
            shutil.rmtree(batch.folder, ignore_errors=True)
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            self._notes.append(f"{explain(error)}: tasks are submitted when there is space")
            return
        for index, task in enumerate(waiting):
            task.batch, task.index = batch, index
            self._link.submit(task.key, self._root, batch.name, index)

    def _look(self) -> None:
        """Look at the files, where it is time."""
        now = time.monotonic()
        if now >= self._next_look:
            for task in self._tasks:
                self._read(task)
                if task.ended and not task.answered and now - task.ended > SETTLE_SECONDS:
                    task.said.append(self._died(task, "the task ended without an answer"))
            took = time.monotonic() - now
            self._next_look = now + max(LOOK_SECONDS, 10 * took)  # a slow disk is not kept busy by looking
        if self._asked and now - self._asked > STOP_SECONDS:
            for task in self._tasks:
                if not task.answered:
                    text = f"its task did not stop within {STOP_SECONDS:g} s and ends with the run"
                    task.said.append(Report("interrupted", text))

    def _read(self, task: _Task) -> None:
        """Take what a task has reported and answered."""
        if task.batch is None or task.answered:
            return
        heard, task.offset = task.batch.heard(task.index, task.offset)
        for one in heard:
            if isinstance(one, Report):
                task.said.append(one)
            else:
                task.began, self._begun = one, True
        if (found := task.batch.answer(task.index)) is not None:
            task.said.append(self._named(task, found))

    def _end(self, task: _Task, how: str, text: str) -> None:
        """Find out what became of a task that Ray says has ended."""
        self._read(task)
        if task.answered:
            return
        if how == "ended" and not text:
            task.ended = time.monotonic()  # its answer is on its way
        elif how == "lost":
            task.said.append(Report("lost", text))
        elif how in ("crashed", "memory"):
            task.said.append(self._died(task, text))
        else:
            full = self._full_disk()
            task.said.append(full or self._named(task, Report("unready", text)))

    def _died(self, task: _Task, text: str) -> Report:
        """The end of a task by itself; no evaluation is to blame where the disk is full, or no task has begun."""
        if (full := self._full_disk()) is not None:
            return full
        if not self._begun:
            return Report("unready", f"{text} before archspec had started; see {self._root / JOBS / LOG}")
        return self._named(task, Report("died", text))

    def _full_disk(self) -> Report | None:
        try:
            check_space(self._root)
        except OSError as error:
            return report_disk(error)
        return None

    def _named(self, task: _Task, report: Report) -> Report:
        """A report with the log of the order where something is wrong."""
        log = log_of(task.given, self._root)
        if report.kind not in ("failed", "died", "unready") or not log.exists():
            return report
        return replace(report, text=f"{report.text} (log: {log})")

    def _ask_to_stop(self) -> None:
        """Have tasks under way save and end; those that have not begun never will."""
        if self._asked:
            return
        self._asked = time.monotonic()
        for task in self._tasks:
            self._read(task)
            if task.batch is None or task.answered:
                continue
            if task.began is None:
                task.said.append(Report("interrupted", "the run stopped before it began"))
            else:
                task.batch.ask_to_stop()
