"""The process that evaluates layouts: it knows the evaluator and its pipe, not the study.

It writes only into the folder of its task. A result on disk is returned as it is, so that nothing is evaluated twice
even when the process that asked was killed before it could note the answer. It leads a session of its own, and a
thread listens to the conductor, so that the worker ends with it whatever it is doing.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal, final

from archspec.errors import ArchspecError, Interrupted, RunError
from archspec.files.fence import fenced
from archspec.files.os_errors import check_space, explain, is_of_disk, lacks_space
from archspec.files.output import append_bytes, write_text
from archspec.spec.schema import ArchSpec
from search.evaluator import Epoch, Evaluator, Metrics, Session, Task, parse_evaluator
from search.installation import compare_installations, describe_installation
from search.processes.folder_lock import BusyFolderError, lock_folder
from search.processes.machine import describe_machine
from search.processes.signals import ENDING, unblock_signals
from search.processes.tree import die_with_parent
from search.run.results import checksum, find_fault, read_result

STOP, FINISH = "stop", "finish"
"""Messages of the conductor: end the evaluation under way; or end after it, and say now and then that it goes on."""

PROBE = "probe"
"""Evaluator of an order that only asks the worker where it is."""

ALIVE_SECONDS = 5.0
"""Time between signs of life of an evaluation that is waited for."""
LEAVE_SECONDS = 2.0
"""Time in which a worker without an order ends by itself when its conductor is gone."""

Kind = Literal["progress", "note", "done", "failed", "interrupted", "lost", "died", "unready", "full", "unwritable"]
"""`interrupted`: it was asked to end, and goes on; `lost`: its place is gone, and it goes on elsewhere; `died`: its
worker ended by itself, which may be the layout's doing, and counts; `unready`: the evaluator itself cannot start, such
as for want of its data; `full`: there is no space for its files, and it goes on when there is; `unwritable`: files
cannot be written for another reason. No layout is to blame for any of the last three."""
UNFINISHED = ("interrupted", "lost", "died")
"""Kinds of an evaluation that is begun again, or goes on from what it has saved."""


@final
@dataclass(frozen=True, slots=True)
class Order:
    """A task as it travels to a worker: plain data.

    Attributes:
        spec: canonical data of the layout.
        seed: of the evaluation.
        run: name of its folder under the layout's artifacts: `search-seed0`.
        evaluator: name of the configuration that evaluates it.
        final: whether it is scored on the test split too.
        place: its folder in that of the run, of a pretraining; empty for a layout's, among the artifacts.
        epochs: after how many it pauses; None for the whole.
        wanted: metrics that the answer of a pause must hold beside accuracy.
        attempt: number of the writer in its folder, which the pool gives; 0 where no other one can come back.
    """

    spec: dict[str, Any]
    digest: str
    seed: int
    run: str
    evaluator: str
    final: bool = False
    place: str = ""
    epochs: int | None = None
    wanted: tuple[str, ...] = ()
    attempt: int = 0

    def folder(self, root: Path) -> Path:
        """The folder for the files of this evaluation."""
        return root / self.place if self.place else root / "artifacts" / self.digest / self.run

    def task(self, root: Path, spec: ArchSpec) -> Task:
        """The evaluation that is asked for; `spec` is that of the order, parsed."""
        folder, pretraining = self.folder(root), bool(self.place)
        return Task(spec, self.seed, folder, root, self.final, self.epochs, self.wanted, pretraining)

    @property
    def result(self) -> str:
        """Name of the file of its result, which is another one at each pause."""
        return "result.json" if self.epochs is None else f"paused-{self.epochs}.json"

    @property
    def asked(self) -> dict[str, Any]:
        """Fields that its result must have as they are."""
        known = {"digest": self.digest, "seed": self.seed, "run": self.run, "final": self.final}
        return known if self.epochs is None else known | {"epochs": self.epochs}


@final
@dataclass(frozen=True, slots=True)
class Report:
    """A message of a worker; `epoch` is there where it is that one's."""

    kind: Kind
    text: str = ""
    metrics: Metrics | None = None
    epoch: Epoch | None = None

    @property
    def state(self) -> str:
        """The kind for people."""
        return "interrupted" if self.kind == "died" else self.kind


GONE = Report("interrupted", "interrupted: the process that ran it is gone")
"""The end of what was under way when a run was killed."""


def serve(
    pipe: Connection, evaluators: Mapping[str, object], root: Path, marks: Sequence[str], installed: dict[str, str]
) -> None:
    """Answer orders from `pipe` until it closes.

    Args:
        pipe: orders come in, reports go out.
        evaluators: evaluators, or their configurations as plain data, by the name that orders give.
        root: folder of the run.
        marks: `NAME=VALUE`, set in the environment of all that is started here: which worker it is of, by which it is
            found, and that worker's place.
        installed: the code of the run; a worker with another one refuses its orders.
    """
    if hasattr(os, "setsid") and os.getpgrp() != os.getpid():
        os.setsid()  # what is started here is of this group, and Ctrl-C in a terminal is not
    for mark in marks:
        name, _, value = mark.partition("=")
        os.environ[name] = value
    die_with_parent()
    sessions: dict[str, Session] = {}
    inbox = _Inbox(pipe, sessions)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the conductor tells us to stop
    for number in ENDING[1:]:
        signal.signal(number, inbox.interrupt)
    unblock_signals()
    with suppress(BrokenPipeError, ConnectionResetError):  # the conductor's next run continues from what is on disk
        other = compare_installations(installed, describe_installation())
        while (order := inbox.next_order()) is not None:
            if other:
                inbox.send(Report("unready", f"{other}: start the run again"))
            else:
                inbox.send(_answer_fenced(order, evaluators, sessions, root, inbox))
            inbox.close_order()


def _answer_fenced(
    order: Order, evaluators: Mapping[str, object], sessions: dict[str, Session], root: Path, inbox: _Inbox
) -> Report:
    with fenced(order.folder(root), (order.attempt, 0)) as fence:
        return answer(order, evaluators, sessions, root, lambda: inbox.stopping() or fence.passed(), inbox.send)


@final
class _Inbox:
    """The worker's end of the pipe. A thread receives, so that messages are heard during whatever the worker does.

    Args:
        pipe: to the conductor.
        sessions: those that are open. Before there is one, nothing can be saved: then to stop is to end.
    """

    def __init__(self, pipe: Connection, sessions: Mapping[str, Session]) -> None:
        self._pipe, self._sessions = pipe, sessions
        self._sending = threading.Lock()
        self._orders: SimpleQueue[Order | None] = SimpleQueue()
        self._working = self._stop = self._patient = False
        threading.Thread(target=self._receive, name="archspec-inbox", daemon=True).start()

    def next_order(self) -> Order | None:
        """The next order; None when the conductor is gone."""
        return self._orders.get()

    def close_order(self) -> None:
        """The order is answered."""
        self._working = False

    def stopping(self) -> bool:
        """Whether the evaluation under way is to end."""
        return self._stop

    def interrupt(self, number: int, frame: object) -> None:
        """Handle a signal that asks this process to end: a batch system sends it to every process of a run."""
        del number, frame
        self._stop = True

    def send(self, report: Report) -> None:
        """Report to the conductor."""
        with self._sending:
            self._pipe.send(report)

    def _receive(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                while self._patient and self._working and not self._pipe.poll(ALIVE_SECONDS):
                    self.send(Report("progress", "the run ends after this layout"))
                message = self._pipe.recv()
                if isinstance(message, Order):
                    self._working, self._stop, self._patient = True, False, False
                    self._orders.put(message)
                elif message in (STOP, FINISH):
                    self._stop, self._patient = True, message == FINISH
                    if self._working and not self._sessions:
                        self.send(Report("interrupted", "interrupted before it began"))
                        break
        self._orders.put(None)
        if not self._working:
            time.sleep(LEAVE_SECONDS)
        _end_group()


def _end_group() -> None:
    """Kill this process, and those that it started."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def answer(
    order: Order,
    evaluators: Mapping[str, object],
    sessions: dict[str, Session],
    root: Path,
    stop: Callable[[], bool],
    send: Callable[[Report], None],
) -> Report:
    """Evaluate an order, or find its result on disk.

    Args:
        order: what is asked.
        evaluators: as `serve` has them.
        sessions: those that are open, to which new ones are added.
        root: folder of the run.
        stop: asked often; when true, the evaluation saves what it can and ends.
        send: takes what is reported on the way.
    """
    folder = order.folder(root)
    if order.evaluator == PROBE:
        return _answer_probe(folder)
    try:
        evaluator = parse_evaluator(evaluators[order.evaluator])
        path, spec = folder / order.result, ArchSpec.model_validate(order.spec)
        recorded = read_result(path, evaluator, order.asked, spec)
        if recorded is not None:
            return Report("done", metrics=recorded)
        folder.mkdir(parents=True, exist_ok=True)
        with lock_folder(folder, stop):
            recorded = read_result(path, evaluator, order.asked, spec)  # whoever held the lock may have ended it
            if recorded is not None:
                return Report("done", metrics=recorded)
            _log(folder, "started")
            try:
                session = _session(evaluator, sessions, send)
            except ArchspecError as error:
                return Report("unready", str(error))
            metrics = session.evaluate(order.task(root, spec), stop, lambda said: send(_tell(said)))
            _check(metrics, evaluator, order)
            _write_result(folder, order, evaluator, metrics)
            return Report("done", metrics=metrics)
    except Interrupted as error:
        return Report("interrupted", str(error))
    except BusyFolderError as error:
        return Report("unready", str(error))
    except ArchspecError as error:
        return _failed(str(error), folder)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:  # whatever a layout provokes must not end the search
        if isinstance(error, OSError) and is_of_disk(error, root):
            return report_disk(error)
        first = next(iter(str(error).splitlines()), "")
        text = f"{type(error).__name__}: {first} (see {folder / 'error.txt'})"
        return _failed(text, folder, traceback.format_exc())


def _session(evaluator: Evaluator, sessions: dict[str, Session], send: Callable[[Report], None]) -> Session:
    """The session of an evaluator, opened if need be; finalists trained like the search share its own."""
    key = evaluator.model_dump_json()
    if key not in sessions:
        send(_tell("loading libraries and data"))
        sessions[key] = evaluator.open()
        for line in sessions[key].notes:
            send(Report("note", line))
    return sessions[key]


def _answer_probe(folder: Path) -> Report:
    """Facts on this process, with the word that the folder of the order holds; another file is left there."""
    word = folder / "word"
    facts = {"word": word.read_text(encoding="utf-8") if word.exists() else ""} | describe_machine()
    facts["archspec"] = describe_installation()["archspec"]
    with suppress(OSError):  # the answer says that the folder is not shared
        write_text(folder / "answer", "")
    return Report("done", json.dumps(facts))


def _tell(said: str | Epoch) -> Report:
    return Report("progress", str(said), epoch=said if isinstance(said, Epoch) else None)


def _failed(text: str, folder: Path, trace: str = "") -> Report:
    """The failure of a layout, unless the disk is full: what then fails need not say that this was the reason."""
    try:
        check_space(folder)
        if trace:
            write_text(folder / "error.txt", trace)
    except OSError as error:
        return report_disk(error)
    return Report("failed", text)


def report_disk(error: OSError) -> Report:
    """The report of a write that failed, whatever was evaluated."""
    return Report("full" if lacks_space(error) else "unwritable", explain(error))


def _check(metrics: Metrics, evaluator: Evaluator, order: Order) -> None:
    """Refuse an answer that would not be believed when it is read back."""
    wrong = next(filter(None, (find_fault(name, value, evaluator) for name, value in metrics.items())), "")
    needed = evaluator.gives if order.epochs is None else {"accuracy", *order.wanted} & evaluator.gives
    if lacking := sorted(needed - metrics.keys()):
        wrong = wrong or f"the answer lacks {', '.join(lacking)}, which evaluator {evaluator.type} should give"
    if wrong:
        raise RunError(wrong)


def _write_result(folder: Path, order: Order, evaluator: Evaluator, metrics: Metrics) -> None:
    record: dict[str, Any] = {"metrics": metrics, "evaluator": evaluator.model_dump(mode="json")}
    record |= order.asked
    record["crc"] = checksum(record)
    write_text(folder / order.result, json.dumps(record, indent=1))
    _log(folder, "finished" if order.epochs is None else f"paused after epoch {order.epochs}")


def _log(folder: Path, event: str) -> None:
    line = json.dumps({"event": event, "pid": os.getpid(), "time": time.time()}) + "\n"
    append_bytes(folder / "events.jsonl", line.encode())
