"""SLURM's programs: sbatch, squeue and scancel, asked so that a controller that is silent costs nothing but time."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from archspec.documents.safe_text import printable
from archspec.errors import RunError

PROGRAMS = ("sbatch", "squeue", "scancel")
SUBMIT_SECONDS = 60.0
"""Time that sbatch has; it waits some 10 s for a controller that is silent."""
CANCEL_SECONDS = 20.0
FIELDS = "ArrayJobID:|,ArrayTaskID:|,State:|,Reason:|,NodeList:|,Name:|"
ACTIVE = frozenset(
    [
        "PENDING",
        "CONFIGURING",
        "RUNNING",
        "COMPLETING",
        "SUSPENDED",
        "STOPPED",
        "SIGNALING",
        "REQUEUED",
        "REQUEUE_HOLD",
        "REQUEUE_FED",
        "RESIZING",
        "STAGE_OUT",
        "SPECIAL_EXIT",
        "RESV_DEL_HOLD",
    ]
)
"""States of a job that may still run, or run again; others are ends."""
OF_ITS_PLACE = frozenset({"NODE_FAIL", "PREEMPTED", "CANCELLED", "BOOT_FAIL", "DEADLINE", "REVOKED", "TIMEOUT"})
"""Ends that say nothing of the evaluation."""
SILENT = ("Unable to contact", "timed out", "temporarily unable", "Connection refused", "Zero Bytes were transmitted")
"""Parts of what the programs say where the controller does not answer; the same may be asked again."""


class ControllerSilent(RunError):  # noqa: N818  (it is waited for)
    """The controller does not answer; whether it has taken what was sent is not known."""


@final
@dataclass(frozen=True, slots=True)
class JobState:
    """A task of a job array as squeue has it: its state, the reason for which it waits, and its node."""

    state: str
    reason: str
    node: str

    @property
    def active(self) -> bool:
        """Whether it may still run."""
        return self.state in ACTIVE

    def __str__(self) -> str:
        if self.state == "RUNNING":
            return f"running on {self.node}"
        reason = f" ({self.reason})" if self.reason not in ("None", "") else ""
        return f"{self.state.lower()}{reason}"


@final
@dataclass(frozen=True, slots=True)
class JobListing:
    """The jobs of this user: tasks by job and index, and the numbers of jobs by their names."""

    tasks: dict[tuple[str, int], JobState]
    names: dict[str, str]


def missing_program() -> str:
    """The first of `PROGRAMS` that is not there; empty where all are."""
    return next((name for name in PROGRAMS if shutil.which(name) is None), "")


def submit(arguments: Sequence[str]) -> str:
    """The number of the job that sbatch makes.

    Raises:
        ControllerSilent: it may have been made.
        RunError: sbatch refuses it, in its own words.
    """
    try:
        done = _run(["sbatch", "--parsable", *arguments], SUBMIT_SECONDS)
    except subprocess.TimeoutExpired:
        raise ControllerSilent(f"sbatch did not answer within {SUBMIT_SECONDS:g} s") from None
    if done.returncode == 0:
        return done.stdout.strip().partition(";")[0]
    raise _failure("sbatch", done.stderr)


def start_listing() -> subprocess.Popen[str]:
    """Squeue at work; `read_listing` takes what it says."""
    command = ["squeue", "--noheader", "--array", "--states=all", f"--user={getpass.getuser()}", "-O", FIELDS]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )


def read_listing(process: subprocess.Popen[str]) -> JobListing:
    """The jobs that squeue lists.

    Raises:
        ControllerSilent: it could not.
        RunError: squeue failed otherwise, in its own words.
    """
    out, err = process.communicate()
    if process.returncode != 0:
        raise _failure("squeue", err)
    tasks: dict[tuple[str, int], JobState] = {}
    names: dict[str, str] = {}
    for line in out.splitlines():
        job, task, state, reason, node, name, *_ = [part.strip() for part in line.split("|")] + [""] * 6
        names[name] = job
        if task.isdigit():
            tasks[job, int(task)] = JobState(state, reason, node)
    return JobListing(tasks, names)


def list_jobs(patience: float) -> JobListing:
    """The jobs that squeue lists, once it does.

    Args:
        patience: seconds in which the controller must answer.

    Raises:
        RunError: it does not, or squeue failed otherwise.
    """
    begun = time.monotonic()
    while True:
        try:
            return read_listing(start_listing())
        except ControllerSilent as error:
            if time.monotonic() - begun > patience:
                raise RunError(f"{error}: which jobs of this run are alive is not known; try again") from None
            time.sleep(1)


def cancel(*arguments: str) -> str:
    """Have scancel do what it is asked; why it did not, in its own words, empty where it did."""
    try:
        done = _run(["scancel", *arguments], CANCEL_SECONDS)
    except subprocess.TimeoutExpired:
        return f"scancel did not answer within {CANCEL_SECONDS:g} s"
    return "" if done.returncode == 0 else str(_failure("scancel", done.stderr))


def _run(command: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL
    )


def _failure(program: str, said: str) -> RunError:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    text = printable("; ".join(line.removeprefix(f"{program}: ").removeprefix("error: ") for line in lines)[:300])
    kind = ControllerSilent if any(part.lower() in text.lower() for part in SILENT) else RunError
    return kind(f"{program}: {text or 'failed without a word'}")
