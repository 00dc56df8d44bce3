"""The engine of a SLURM cluster: each training is a job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, final

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr

from archspec.errors import FieldError, SpecError
from search.evaluator import Evaluator
from search.run.pools.engine import Engine
from search.run.pools.pool import Pool
from search.slurm.pool import SlurmPool
from search.slurm.programs import missing_program
from search.slurm.script import JobSettings
from search.slurm.time_limit import read_time_limit

LATENCY = "latency"
"""Kind of the jobs that measure inference times."""
OWN = {
    "--cpus-per-task": "cpus",
    "-c": "cpus",
    "--gres": "gpus",
    "--gpus": "gpus",
    "-G": "gpus",
    "--mem": "memory",
    "--time": "time",
    "-t": "time",
}
"""Options of sbatch that are fields."""
TAKEN = (
    "--array",
    "-a",
    "--job-name",
    "-J",
    "--output",
    "-o",
    "--error",
    "-e",
    "--signal",
    "--requeue",
    "--no-requeue",
    "--open-mode",
    "--parsable",
    "--wrap",
    "--nodes",
    "-N",
    "--ntasks",
    "-n",
    "--wait",
    "-W",
    "--test-only",
)
"""Options of sbatch that archspec sets itself."""


def _as_text(value: Any) -> Any:
    """Lines from a list."""
    return "\n".join(map(str, value)) if isinstance(value, list) else value


def _check_time(value: Any) -> Any:
    if value and not isinstance(value, str):
        raise FieldError("", f"must be text as SLURM writes it, in quotes: '4:00:00', not {value!r}")
    if value:
        try:
            read_time_limit(value)
        except ValueError as error:
            raise FieldError("", str(error)) from None
    return value


def _check_memory(value: str) -> str:
    if value and re.fullmatch(r"[0-9]+[KMGT]?", value) is None:
        raise FieldError("", f"must be a number with K, M, G or T, such as 32G, not {value!r:.40}")
    return value


def _check_options(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        name = value.partition("=")[0] if value.startswith("--") else value[:2]
        if re.fullmatch(r"(--[a-z][a-z-]*|-[A-Za-z])", name) is None:
            raise FieldError(
                "", f"must be options of sbatch with their values, such as --partition=a100, not {value!r:.60}"
            )
        if name in OWN:
            raise FieldError("", f"{name} is the field `{OWN[name]}` of the engine: state it there")
        if name in TAKEN:
            raise FieldError("", f"{name} is set by archspec, which reads the answers of its jobs: leave it out")
    return values


@final
class SlurmEngine(Engine):
    """Jobs of a SLURM cluster, one for each training, from a folder that its nodes share."""

    type: Literal["slurm"] = "slurm"
    gpus: int = Field(default=0, ge=0, le=64, strict=True, description="of each job")
    cpus: int = Field(default=1, ge=1, le=1024, strict=True, description="cores of each job")
    time: Annotated[str, BeforeValidator(_check_time)] = Field(default="", description="limit of each job: '4:00:00'")
    memory: Annotated[str, AfterValidator(_check_memory)] = Field(default="", description="of each job: 32G")
    sbatch: Annotated[tuple[str, ...], AfterValidator(_check_options)] = Field(
        default=(), description="further options of sbatch: [--partition=a100, --account=vision]"
    )
    setup: Annotated[str, BeforeValidator(_as_text)] = Field(
        default="", description="lines of shell before a job's Python starts: source env.sh"
    )
    python: str = Field(default="", description="interpreter on the nodes; the path of this one where it is not stated")
    poll_seconds: float = Field(
        default=5.0, ge=0.1, le=600, strict=True, description="time between two looks at squeue"
    )

    _kind: str = PrivateAttr(default="")

    def for_latency(self, constraint: str) -> Engine:
        if constraint and re.fullmatch(r"[A-Za-z0-9_.,:&|*()\[\]@-]+", constraint) is None:
            rule = f"must be what --constraint of sbatch takes, such as h200 or 'a100|h100', not {constraint!r:.60}"
            raise FieldError("constraint", rule)
        if constraint and any(option.startswith(("--constraint", "-C")) for option in self.sbatch):
            raise FieldError("constraint", "is among the engine's `sbatch` options too: state it once")
        options = (*self.sbatch, *([f"--constraint={constraint}"] if constraint else []))
        engine = self.model_copy(update={"sbatch": options})
        engine._kind = LATENCY
        return engine

    def open(self, evaluators: Mapping[str, Evaluator], root: Path, workers: int) -> Pool:
        settings = JobSettings(
            self.gpus, self.cpus, self.time, self.memory, self.sbatch, self.setup, self.python, self._kind
        )
        return SlurmPool(workers, evaluators, root, settings, self.poll_seconds)

    def check_ready(self, evaluators: Mapping[str, Evaluator]) -> None:
        super().check_ready(evaluators)
        if program := missing_program():
            rule = f"slurm needs the program {program}, which is not on the PATH here"
            raise SpecError(f"{rule}: start the run on a node from which jobs are submitted", field="engine")
        for evaluator in evaluators.values():
            if evaluator.local:
                rule = f"must be local, not slurm: no node has evaluator {evaluator.type}, which is this process's own"
                raise SpecError(f"{rule} (an installed package, or a command, can go there)", field="engine")
