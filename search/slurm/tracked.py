"""The orders that a pool of jobs has in hand, and the batches of which it does not know whether they were taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from search.jobs.batch import Began, JobBatch
from search.run.worker import Order, Report
from search.slurm.programs import JobState


@final
@dataclass(slots=True)
class TrackedJob:
    """An order that is handed over: to a task of a batch, or still waiting for one."""

    order: Order
    given: Order
    batch: JobBatch | None = None
    index: int = 0
    offset: int = 0
    began: Began | None = None
    trained: bool = False
    told: bool = False
    state: JobState | None = None
    ended: float = 0.0
    said: list[Report] = field(default_factory=list[Report])


@final
@dataclass(slots=True)
class UnconfirmedBatch:
    """A batch of which sbatch did not say that it was taken, and how often squeue has not shown it since."""

    batch: JobBatch
    indices: list[int]
    missed: int = 0
