"""The process that evaluates layouts: it knows the evaluator and its pipe, not the study.

It writes only into the folder of its task. A result on disk is returned as it is, so that nothing is evaluated twice
even when the process that asked was killed before it could note the answer.
"""

from __future__ import annotations

import json
import os
import signal
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, final

from archspec.errors import ArchspecError, Interrupted, RunError
from archspec.spec.schema import ArchSpec
from search.evaluator import Evaluator, Metrics, Session, Task, parse_evaluator
from search.run.results import checksum, find_fault, read_result

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


def serve(pipe: Connection, evaluators: Mapping[str, object], root: Path) -> None:
    """Answer orders from `pipe` until it closes.

    Args:
        pipe: orders come in, reports go out.
        evaluators: evaluators, or their configurations as plain data, by the name that orders give.
        root: folder of the run.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the conductor tells us to stop
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sessions: dict[str, Session] = {}
    try:
        while (message := pipe.recv()) is not None:
            if isinstance(message, Order):
                stop = _stopper(pipe)
                pipe.send(answer(message, evaluators, sessions, root, stop, pipe.send))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the conductor is gone; its next run continues from what is on disk


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
        asked = {"digest": order.digest, "seed": order.seed, "run": order.run, "final": order.final}
        recorded = read_result(folder / "result.json", evaluator, asked)
        if recorded is not None:
            return Report("done", metrics=recorded)
        folder.mkdir(parents=True, exist_ok=True)
        _log(folder, "started")
        key = evaluator.model_dump_json()  # finalists trained like the search share its session
        if key not in sessions:
            try:
                sessions[key] = evaluator.open()
            except ArchspecError as error:
                return Report("unready", str(error))
        task = Task(ArchSpec.model_validate(order.spec), order.seed, folder, root, order.final)
        metrics = sessions[key].evaluate(task, stop, lambda text: send(Report("progress", text)))
        wrong = next(filter(None, (find_fault(name, value, evaluator) for name, value in metrics.items())), "")
        if lacking := sorted(evaluator.gives - metrics.keys()):
            wrong = wrong or f"the answer lacks {', '.join(lacking)}, which evaluator {evaluator.type} should give"
        if wrong:  # what would not be believed when it is read back is not written
            raise RunError(wrong)
        _write_result(folder, order, evaluator, metrics)
        return Report("done", metrics=metrics)
    except Interrupted as error:
        return Report("interrupted", str(error))
    except ArchspecError as error:
        return Report("failed", str(error))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:  # whatever a layout provokes must not end the search
        (folder / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
        first = next(iter(str(error).splitlines()), "")
        return Report("failed", f"{type(error).__name__}: {first} (see {folder / 'error.txt'})")


def _stopper(pipe: Connection) -> Callable[[], bool]:
    parent = os.getppid()

    def stop() -> bool:
        # A closed pipe raises EOFError from recv, which ends this process.
        if pipe.poll():
            pipe.recv()
            return True
        if os.getppid() != parent:
            raise EOFError
        return False

    return stop


def _write_result(folder: Path, order: Order, evaluator: Evaluator, metrics: Metrics) -> None:
    record: dict[str, Any] = {"metrics": metrics, "evaluator": evaluator.model_dump(mode="json")}
    record |= {key: value for key, value in asdict(order).items() if key not in ("spec", "evaluator")}
    record["crc"] = checksum(record)
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
