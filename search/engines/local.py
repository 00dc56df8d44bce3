"""The engine of one machine: worker processes of the command that conducts the run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, final

from archspec.documents.wording import plural
from archspec.errors import SpecError
from search.evaluator import Evaluator
from search.processes.cores import count_cores
from search.processes.gpus import visible_gpus
from search.run.pools.engine import Engine, gpus_needed
from search.run.pools.in_process import InProcessPool
from search.run.pools.pool import Pool
from search.run.pools.workers import ProcessPool

_NUMBERED = re.compile(r'"(cuda|xpu):[0-9]+"')


@final
class LocalEngine(Engine):
    """Processes on this machine; of evaluators that this process alone has, one worker is this process."""

    type: Literal["local"] = "local"

    def open(self, evaluators: Mapping[str, Evaluator], root: Path, workers: int) -> Pool:
        local = any(evaluator.local for evaluator in evaluators.values())
        if local and workers == 1:
            return InProcessPool(evaluators, root)
        sent = evaluators if local else {name: one.model_dump(mode="json") for name, one in evaluators.items()}
        return ProcessPool(workers, sent, root, gpus=_gpus_each(evaluators, workers))

    def auto_workers(self, evaluators: Mapping[str, Evaluator]) -> int:
        """One for each GPU, or as many GPUs as one layout needs; without GPUs, one for each core."""
        on_cpu = all(getattr(one, "device", "") == "cpu" for one in evaluators.values())
        gpus = 0 if on_cpu else len(visible_gpus())
        return max(gpus // max(gpus_needed(evaluators), 1), 1) if gpus else count_cores()

    def check_gpus(self, evaluators: Mapping[str, Evaluator], workers: int) -> None:
        """Refuse layouts that are trained on several GPUs each where there are not as many for every worker."""
        needed, found = gpus_needed(evaluators), len(visible_gpus())
        if not needed or workers * needed <= found:
            return
        asked = f"{plural(workers, 'worker')} of {needed} GPUs each"
        if needed <= found:
            rule = f"{asked} need {workers * needed}, and this machine shows {found}: --workers {found // needed}"
            raise SpecError(rule, field="evaluator.gpus")
        shows = f"this machine shows {found or 'none'}"
        hint = "; device: cpu with processes trains in several processes without one" if not found else ""
        raise SpecError(f"must be at most what there is, not {needed}: {shows}{hint}", field="evaluator.gpus")


def _gpus_each(evaluators: Mapping[str, Evaluator], workers: int) -> int:
    """The GPUs of which each worker sees no others; 0 for all, where it is alone or a GPU is named by its number."""
    if workers == 1 or any(_NUMBERED.search(one.model_dump_json()) for one in evaluators.values()):
        return 0
    return gpus_needed(evaluators) or max(len(visible_gpus()) // workers, 1)
