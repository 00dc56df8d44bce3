"""The script of a job array, and the options with which sbatch takes it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from search.slurm.job import main
from search.slurm.time_limit import read_time_limit

LEAD_SECONDS = 120
"""Time before the limit at which a job is told to save; of a short limit a quarter."""

SCRIPT = """#!/bin/bash
# Written by archspec. Each task of the array answers one order of a run.
log=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {batch}/logs)
exec >>"$log" 2>&1
echo "job ${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID on $SLURMD_NODENAME, $(date)"
{setup}
# A signal that comes before Python listens must not end it.
(trap '' USR1 && exec {python} -c {program} {batch} "$SLURM_ARRAY_TASK_ID") &
child=$!
ended=
trap 'told=1; kill -USR1 "$child" 2>/dev/null' USR1
trap 'told=1; ended=1; kill -TERM "$child" 2>/dev/null' TERM
while told=; wait "$child"; code=$?; [ -n "$told" ]; do :; done
exit_file={batch}/$SLURM_ARRAY_TASK_ID.exit
said="$code $SLURM_ARRAY_JOB_ID ${{SLURM_RESTART_COUNT:-0}}"
# What SLURM ends by itself it may start again, and says so. The folder is gone where the answer is taken.
[ -n "$ended" ] || {{ echo "$said" >"$exit_file.tmp" && mv "$exit_file.tmp" "$exit_file"; }} 2>/dev/null
exit "$code"
"""


@final
@dataclass(frozen=True, slots=True)
class JobSettings:
    """The settings of the jobs of a run.

    Attributes:
        gpus, cpus: of each job, on one node.
        time: limit as SLURM writes it; empty for that of the partition.
        memory: as SLURM writes it; empty for that of the partition.
        options: further ones of sbatch.
        setup: lines of the script before the worker starts.
        python: the interpreter on the nodes; empty for this one's path.
        kind: of the jobs, where a run has more than one; each kind has a pool of its own.
    """

    gpus: int = 0
    cpus: int = 1
    time: str = ""
    memory: str = ""
    options: Sequence[str] = ()
    setup: str = ""
    python: str = ""
    kind: str = ""


def write_script(settings: JobSettings, batch: Path) -> str:
    """The script of the jobs whose orders are in the folder `batch`."""
    return SCRIPT.format(
        batch=shlex.quote(str(batch.absolute())),
        setup=settings.setup,
        python=shlex.quote(settings.python or sys.executable),
        program=shlex.quote(f"from {main.__module__} import main; main()"),
    )


def sbatch_arguments(settings: JobSettings, batch: Path, name: str, indices: Sequence[int]) -> list[str]:
    """The arguments of sbatch for the orders of a batch.

    Args:
        settings: of the jobs.
        batch: its folder.
        name: of the job.
        indices: of the orders that are to run, ascending.
    """
    limit = read_time_limit(settings.time) if settings.time else 4 * LEAD_SECONDS
    whole = indices == list(range(indices[0], indices[-1] + 1)) and len(indices) > 1
    array = f"{indices[0]}-{indices[-1]}" if whole else ",".join(map(str, indices))
    return [
        f"--array={array}",
        f"--job-name={name}",
        f"--output={batch.absolute()}/%a.out",
        "--open-mode=append",
        "--requeue",
        f"--signal=B:USR1@{min(LEAD_SECONDS, limit // 4)}",
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={settings.cpus}",
        *([f"--gres=gpu:{settings.gpus}"] if settings.gpus else []),
        *([f"--time={settings.time}"] if settings.time else []),
        *([f"--mem={settings.memory}"] if settings.memory else []),
        *settings.options,
        str(batch.absolute() / "job.sh"),
    ]
