"""The engine of one machine: worker processes of the command that conducts the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, final

from search.evaluator import Evaluator
from search.run.pools.engine import Engine
from search.run.pools.in_process import InProcessPool
from search.run.pools.pool import Pool
from search.run.pools.workers import ProcessPool


@final
class LocalEngine(Engine):
    """Processes on this machine; of evaluators that this process alone has, one worker is this process."""

    type: Literal["local"] = "local"

    def open(self, evaluators: Mapping[str, Evaluator], root: Path, workers: int) -> Pool:
        if not any(evaluator.local for evaluator in evaluators.values()):
            return ProcessPool(workers, {name: one.model_dump(mode="json") for name, one in evaluators.items()}, root)
        return InProcessPool(evaluators, root) if workers == 1 else ProcessPool(workers, evaluators, root)
