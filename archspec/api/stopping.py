"""An ablation conducted with its looks: rows that are decided early need no further seeds."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec.errors import FieldError
from search.ablation.rows import Ablation
from search.ablation.run import conduct_plan
from search.run.pools.engine import Engine, Workers

if TYPE_CHECKING:
    from reports.statistics.sequential import Look


def conduct_with_looks(
    ablation: Ablation,
    runs: Path,
    *,
    workers: Workers = None,
    retry_failed: bool = False,
    quiet: bool = False,
    engine: Engine | None = None,
) -> bool:
    """Train every row of a plan that is not known yet, until its looks decide it where the plan asks for looks.

    Args:
        ablation: what is asked.
        runs: folder of all runs.
        workers: trainings at a time; None for those that the engine states.
        retry_failed: train once more what failed for good before.
        quiet: say nothing on the way.
        engine: where trainings run; None for processes on this machine.

    Returns:
        whether it came to its end (False: interrupted, to be continued).

    Raises:
        SpecError: the run exists with another base, or another process works on it; the plan has no evaluator.
        RunError: a damaged journal, or no row can be trained at all.
    """
    looks = _looks(ablation)
    marks = [(look.seeds, look.p) for look in looks]
    decide = partial(_decide, ablation=ablation, looks=looks) if looks else None
    return conduct_plan(
        ablation,
        runs,
        workers=workers,
        looks=marks,
        decide=decide,
        retry_failed=retry_failed,
        quiet=quiet,
        engine=engine,
    )


def _looks(ablation: Ablation) -> tuple[Look, ...]:
    """The looks of the plan with their boundaries, at the level of the view that compares most."""
    from reports.statistics.sequential import boundaries

    config = ablation.plan.config
    if config.stop is None:
        return ()
    early = [seeds for seeds in config.stop.looks if seeds < config.seeds]
    if not early:
        rule = f"must begin below the plan's {config.seeds} seeds, not at {config.stop.looks[0]}"
        raise ablation.plan.error(FieldError("looks", rule), "stop")
    most = max(len(pairs) for pairs in ablation.pairs().values())
    return boundaries([*early, config.seeds], comparisons=max(most, 1), spending=config.stop.spending)


def _decide(scores: Any, seeds: int, *, ablation: Ablation, looks: tuple[Look, ...]) -> frozenset[str]:
    from reports.statistics.stopping import stopped

    return stopped([pair for pairs in ablation.pairs().values() for pair in pairs], scores, looks, seeds)
