"""The folder of a batch of orders, through which a run and the jobs that answer them elsewhere talk.

runs/NAME/jobs/BATCH/batch.json       evaluators, root, the code that was submitted
                     0.order.json     each order, removed when its answer is taken
                     0.reports.jsonl  what its job reports on the way
                     0.answer.json    its answer, which appears whole
                     stop             there when the run stops

Of SLURM, whose jobs are the tasks of one array, beside these:

                     job.sh           the script
                     logs             file for what each job prints, one a line
                     job              number of the job, once sbatch has said it
                     0.claim          number of the job that has the order
                     0.exit           exit code of the worker, number of the job, how often it was started again
                     0.out            what SLURM itself says
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from archspec.files.output import append_bytes, write_text
from search.jobs.messages import decode_order, decode_report, encode_order, encode_report
from search.run.pools.engine import JOBS
from search.run.worker import Order, Report

BEGAN = "began"
GRAIN_SECONDS = 1.0
"""Difference of clocks that is nothing to speak of."""
OWN = frozenset({"attempt", "error.txt", "events.jsonl", "lock", "output.txt"})
"""Files in the folder of an evaluation that say nothing of how far it has come; neither do the logs of jobs."""


@final
@dataclass(frozen=True, slots=True)
class Began:
    """The beginning of a job, as its worker tells: node, how often it was started again, when, and its number.

    It is told once more, `ended`, where somebody ends the job from outside: its end is then no fault of the evaluation.
    """

    node: str
    again: int
    time: float
    job: str = ""
    ended: bool = False


@final
@dataclass(frozen=True, slots=True)
class JobBatch:
    """A batch of orders, by its folder."""

    folder: Path

    @property
    def name(self) -> str:
        """Its own, which no other batch of the run has."""
        return self.folder.name

    @property
    def kind(self) -> str:
        """Of its jobs, which its name begins with; empty where a run has one."""
        return self.name.rpartition("-")[0]

    @property
    def setup(self) -> dict[str, Any]:
        """The content of `batch.json`."""
        return json.loads((self.folder / "batch.json").read_text(encoding="utf-8"))

    def write(self, orders: Sequence[Order], root: Path, setup: Mapping[str, Any], script: str = "") -> None:
        """Make the folder with all that its jobs read.

        Args:
            orders: of the tasks, in the order of their indices.
            root: folder of the run.
            setup: for `batch.json`.
            script: for `job.sh`; empty where jobs are started without one.

        Raises:
            OSError: it cannot be written.
        """
        self.folder.mkdir(parents=True)
        write_text(self.folder / "batch.json", json.dumps(setup))
        for index, order in enumerate(orders):
            write_text(self._file(index, "order.json"), encode_order(order))
        if script:
            write_text(self.folder / "logs", "".join(f"{log_of(order, root).absolute()}\n" for order in orders))
            write_text(self.folder / "job.sh", script)

    def orders(self) -> dict[int, Order]:
        """Those whose answers were not taken, by index; what cannot be read is left out."""
        found: dict[int, Order] = {}
        for path in sorted(self.folder.glob("*.order.json")):
            with suppress(OSError, ValueError, TypeError, KeyError):
                found[int(path.name.partition(".")[0])] = decode_order(path.read_text(encoding="utf-8"))
        return found

    @property
    def job(self) -> str:
        """Number of its job; empty while it is not known."""
        try:
            return (self.folder / "job").read_text(encoding="utf-8").strip()
        except OSError:
            return ""

    def note_job(self, number: str) -> None:
        """Write down the number of its job."""
        write_text(self.folder / "job", number)

    def ask_to_stop(self) -> None:
        """Have its jobs end as an interrupted run does."""
        with suppress(OSError):
            (self.folder / "stop").touch()

    @property
    def stopping(self) -> bool:
        """Whether its jobs are to end."""
        return (self.folder / "stop").exists()

    def claim(self, index: int, job: str) -> bool:
        """Whether an order is this job's: of two arrays that sbatch has made of one batch, the first that asks has it.

        Args:
            index: of the order.
            job: number of the job.

        Raises:
            OSError: the folder cannot be written, or is gone.
        """
        path = self._file(index, "claim")
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            return path.read_text(encoding="utf-8") == job  # it is started again
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(job)
        except OSError:  # the disk is full: nobody has it
            path.unlink(missing_ok=True)
            raise
        return True

    def tell(self, index: int, report: Report | Began) -> None:
        """Report on the way.

        Raises:
            OSError: the folder cannot be written, or is gone.
        """
        began = isinstance(report, Began)
        line = json.dumps({"kind": BEGAN, **asdict(report)}) if began else encode_report(report)
        append_bytes(self._file(index, "reports.jsonl"), f"{line}\n".encode())

    def heard(self, index: int, offset: int) -> tuple[list[Report | Began], int]:
        """The reports since `offset` bytes, and the offset of what comes next."""
        try:
            with self._file(index, "reports.jsonl").open("rb") as file:
                file.seek(offset)
                data = file.read()
        except OSError:
            return [], offset
        whole = data[: data.rfind(b"\n") + 1]
        found: list[Report | Began] = []
        for line in whole.decode("utf-8", "replace").splitlines():
            with suppress(ValueError, TypeError, KeyError):  # two nodes at once may have written over one another
                record = json.loads(line)
                began = record.pop("kind") == BEGAN
                found.append(Began(**record) if began else decode_report(line))
        return found, offset + len(whole)

    def give_answer(self, index: int, report: Report) -> None:
        """Leave the answer of an order.

        Raises:
            OSError: the folder cannot be written, or is gone.
        """
        write_text(self._file(index, "answer.json"), encode_report(report))

    def answer(self, index: int) -> Report | None:
        """The answer of an order, None while there is none."""
        try:
            return decode_report(self._file(index, "answer.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def exit_code(self, index: int, job: str, again: int) -> int | None:
        """The exit code of the worker of the job's last start; None where it was not written down.

        Args:
            index: of the order.
            job: number of the job.
            again: how often SLURM had started it again by then.
        """
        try:
            code, *start = self._file(index, "exit").read_text(encoding="utf-8").split()
            return int(code) if start == [job, str(again)] else None
        except (OSError, ValueError):
            return None

    def last_words(self, index: int, log: Path) -> str:
        """The last line that a job has written, in its log or to SLURM's file."""
        for path in (log, self._file(index, "out")):
            with suppress(OSError):
                lines = path.read_bytes()[-4096:].decode("utf-8", "replace").splitlines()
                if words := next((line.strip() for line in reversed(lines) if line.strip()), ""):
                    return words
        return ""

    def close(self, index: int) -> None:
        """Remove what there is of an order, and the folder with the last one."""
        for path in self.folder.glob(f"{index}.*"):
            path.unlink(missing_ok=True)
        if not any(self.folder.glob("*.order.json")):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, index: int, ending: str) -> Path:
        return self.folder / f"{index}.{ending}"


def log_of(order: Order, root: Path) -> Path:
    """The file for what the job of an order prints, another one for each attempt."""
    return order.folder(root) / f"job-{order.attempt}.log"


def saved_since(folder: Path, begun: float) -> bool:
    """Whether an evaluation has written files of its own since a time: then it goes on from them.

    Args:
        folder: of the evaluation.
        begun: in seconds since the epoch.
    """
    for path in folder.rglob("*"):
        with suppress(OSError):  # it is replaced just now
            own = path.parent == folder and (path.name in OWN or path.suffix == ".log")
            if not own and path.is_file() and path.stat().st_mtime > begun - GRAIN_SECONDS:
                return True
    return False


def batches(root: Path, kind: str = "") -> list[JobBatch]:
    """The batches of a run whose orders are not all answered.

    Args:
        root: folder of the run.
        kind: of their jobs, where a run has more than one.
    """
    found = [JobBatch(path.parent) for path in sorted((root / JOBS).glob("*/batch.json"))]
    return [batch for batch in found if batch.kind == kind]
