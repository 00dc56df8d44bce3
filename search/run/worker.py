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
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal, cast, final

from archspec.errors import ArchspecError, Interrupted, RunError
from archspec.spec.schema import ArchSpec
from search.evaluator import Evaluator, Metrics, Session, Task, parse_evaluator
from search.processes.folder_lock import BusyFolderError, lock_folder
from search.processes.signals import ENDING, unblock_signals
from search.processes.tree import die_with_parent

STOP, FINISH = "stop", "finish"
"""Messages of the conductor: end the evaluation under way; or end after it, and say now and then that it goes on."""

ALIVE_SECONDS = 5.0
"""Time between signs of life of an evaluation that is waited for."""
LEAVE_SECONDS = 2.0
"""Time in which a worker without an order ends by itself when its conductor is gone."""

Kind = Literal["progress", "done", "failed", "interrupted", "unready"]
"""`unready`: the evaluator itself cannot start, such as for want of its data; no layout is to blame."""


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
    """

    spec: dict[str, Any]
    digest: str
    seed: int
    run: str
    evaluator: str
    final: bool = False

    def folder(self, root: Path) -> Path:
        """The folder for the files of this evaluation."""
        return root / "artifacts" / self.digest / self.run


@final
@dataclass(frozen=True, slots=True)
class Report:
    """A message of a worker."""

    kind: Kind
    text: str = ""
    metrics: Metrics | None = None


def serve(pipe: Connection, evaluators: Mapping[str, object], root: Path, marker: str) -> None:
    """Answer orders from `pipe` until it closes.

    Args:
        pipe: orders come in, reports go out.
        evaluators: evaluators, or their configurations as plain data, by the name that orders give.
        root: folder of the run.
        marker: `NAME=VALUE`, set in the environment of all that is started here, which is found by it.
    """
    if hasattr(os, "setsid") and os.getpgrp() != os.getpid():
        os.setsid()  # what is started here is of this group, and Ctrl-C in a terminal is not
    name, _, value = marker.partition("=")
    os.environ[name] = value
    die_with_parent()
    sessions: dict[str, Session] = {}
    inbox = _Inbox(pipe, sessions)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the conductor tells us to stop
    for number in ENDING[1:]:
        signal.signal(number, inbox.interrupt)
    unblock_signals()
    with suppress(BrokenPipeError, ConnectionResetError):  # the conductor's next run continues from what is on disk
        while (order := inbox.next_order()) is not None:
            inbox.send(answer(order, evaluators, sessions, root, inbox.stopping, inbox.send))
            inbox.close_order()


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


def read_result(order: Order, root: Path, evaluator: Evaluator) -> Metrics | None:
    """The recorded metrics of an order, or None.

    Raises:
        RunError: a result that is damaged or belongs to another configuration; it is kept.
    """
    path = order.folder(root) / "result.json"
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        metrics, recorded = record["metrics"], record["evaluator"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise RunError(f"{path}: damaged ({error}); move it away to evaluate this layout again") from None
    if recorded != evaluator.model_dump(mode="json"):
        raise RunError(f"{path}: belongs to another evaluator configuration; give this run another name")
    return cast("Metrics", metrics)


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
    try:
        evaluator = parse_evaluator(evaluators[order.evaluator])
        recorded = read_result(order, root, evaluator)
        if recorded is not None:
            return Report("done", metrics=recorded)
        folder.mkdir(parents=True, exist_ok=True)
        with lock_folder(folder, stop):
            recorded = read_result(order, root, evaluator)  # whoever held the lock may have come to its end
            if recorded is not None:
                return Report("done", metrics=recorded)
            _log(folder, "started")
            key = evaluator.model_dump_json()  # finalists trained like the search share its session
            if key not in sessions:
                try:
                    sessions[key] = evaluator.open()
                except ArchspecError as error:
                    return Report("unready", str(error))
            task = Task(ArchSpec.model_validate(order.spec), order.seed, folder, root, order.final)
            metrics = sessions[key].evaluate(task, stop, lambda text: send(Report("progress", text)))
            _write_result(folder, order, evaluator, metrics)
            return Report("done", metrics=metrics)
    except Interrupted as error:
        return Report("interrupted", str(error))
    except BusyFolderError as error:
        return Report("unready", str(error))
    except ArchspecError as error:
        return Report("failed", str(error))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:  # whatever a layout provokes must not end the search
        (folder / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
        first = next(iter(str(error).splitlines()), "")
        return Report("failed", f"{type(error).__name__}: {first} (see {folder / 'error.txt'})")


def _write_result(folder: Path, order: Order, evaluator: Evaluator, metrics: Metrics) -> None:
    record = {"metrics": metrics, "evaluator": evaluator.model_dump(mode="json")}
    record |= {key: value for key, value in asdict(order).items() if key not in ("spec", "evaluator")}
    partial = folder / "result.json.tmp"
    with partial.open("w", encoding="utf-8") as file:
        json.dump(record, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, folder / "result.json")
    _log(folder, "finished")


def _log(folder: Path, event: str) -> None:
    with (folder / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"event": event, "pid": os.getpid(), "time": time.time()}) + "\n")
