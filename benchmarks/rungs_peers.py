"""The schedulers of syne-tune and NePS over the trainings of a table, as `benchmarks/rungs.py` runs its own rungs.

Both are told accuracy (as an error) and log multiply-adds, at the same rungs, with the same share that goes on, and
begin layouts in the order in which the random sampler of archspec drew them for the same seed.

In syne-tune 0.16.0 the default priority hands over the indices of the trainings in their order, where the scheduler
takes a rank for each training: whether a newcomer goes on then depends on the index of the worst, and one that
dominates all others may be stopped. `syne-tune-ranked` is the same scheduler with a priority that gives ranks, by the
same two functions of syne-tune, so that the method is compared and not the fault. In NePS 0.17.0 the share is taken of
the trainings at a rung that have not gone on, again with each newcomer, so that nearly all of them go on in the end;
there is no option that changes this.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.data.trained_layouts import TrainedCurve

Floats = NDArray[np.float64]
KEEP = 3
"""One of so many goes on."""
Work = Callable[[Callable[[], "tuple[float, Any] | None"], Callable[[Any, int], int]], float]
"""Virtual workers: what begins next with its seconds, and what ends with the epochs spent; gives the virtual time."""


@dataclass
class Trainings:
    """The trainings that a search sees, and what came of it.

    Attributes:
        order: digests, as they begin.
        curves: by digest, those of the seed of the search.
        costs: by digest, log multiply-adds in the box that hypervolumes are taken in.
        rungs: in epochs, the last of them the whole training.
        done: epochs spent and digest, of every training that came to its end.
        begun: layouts that began.
        refused: times that a worker asked in vain.
    """

    order: Sequence[str]
    curves: Mapping[str, TrainedCurve]
    costs: Mapping[str, float]
    rungs: tuple[int, ...]
    done: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    begun: int = 0
    refused: int = 0

    def next(self) -> str | None:
        """The layout that begins next; None where all have."""
        if self.begun == len(self.order):
            return None
        self.begun += 1
        return self.order[self.begun - 1]

    def losses(self, digest: str, epochs: int) -> list[float]:
        """Error and cost after so many epochs."""
        return [1 - self.curves[digest].accuracies[epochs - 1], self.costs[digest]]


def syne_tune(found: Trainings, seed: int, work: Work) -> float:
    """MOASHA of syne-tune as it comes. The virtual time."""
    return _run_moasha(_moasha(found.rungs, seed), found, work)


def syne_tune_ranked(found: Trainings, seed: int, work: Work) -> float:
    """MOASHA of syne-tune with ranks for priorities. The virtual time."""
    scheduler = _moasha(found.rungs, seed)
    for bracket in scheduler.brackets:
        bracket.priority = rank
    return _run_moasha(scheduler, found, work)


def rank(losses: Floats) -> Floats:
    """The rank of each training [trainings], 0 for the best, by its losses [trainings, 2].

    By the number of its front, and in it by its place in the epsilon-net that begins with the least error.
    """
    sorting = import_module("syne_tune.optimizer.schedulers.multiobjective.non_dominated_priority")
    ranks, left, before = np.empty(len(losses)), np.arange(len(losses)), 0
    while left.size:
        front = sorting.pareto_efficient(losses[left])
        ranks[left[front]] = before + sorting.compute_epsilon_net(losses[left[front]], dim=0)
        before, left = before + int(front.sum()), left[~front]
    return ranks


def _run_moasha(scheduler: Any, found: Trainings, work: Work) -> float:
    """A scheduler that is asked after each epoch; what it stops does not go on later. The virtual time."""
    from syne_tune.backend.trial_status import Trial  # pyright: ignore[reportMissingImports]

    resumed: list[tuple[Any, str, int]] = []

    def begin() -> tuple[float, tuple[Any, str, int]] | None:
        if resumed:
            trial, digest, epoch = resumed.pop()
        elif (new := found.next()) is not None:
            trial, digest, epoch = Trial(found.begun, {}, None), new, 0
            scheduler.on_trial_add(trial)
        else:
            return None
        return found.curves[digest].seconds[epoch], (trial, digest, epoch + 1)

    def end(task: tuple[Any, str, int], spent: int) -> int:
        trial, digest, epoch = task
        error, cost = found.losses(digest, epoch)
        decision = scheduler.on_trial_result(trial, {"epoch": epoch, "error": error, "macs": cost})
        if epoch == found.rungs[-1]:
            found.done.append((spent + 1, digest))
        elif decision != "STOP":
            resumed.append(task)
        return spent + 1

    return work(begin, end)


def neps(found: Trainings, seed: int, work: Work) -> float:
    """MO-ASHA of NePS, by its ask and tell: what is promoted goes on from its rung. The virtual time.

    Its sampler draws at random, so each layout that it begins is the next one of the order. Where no result is in yet
    among those that it could promote, it fails (it stacks the objectives of none); the worker then waits for a result.
    """
    del seed  # nothing is drawn: the layouts are those of the order
    asked = import_module("neps").AskAndTell(optimizer=_mo_asha(found.rungs))
    digests: dict[str, str] = {}
    reached: dict[str, int] = {}

    def begin() -> tuple[float, tuple[Any, str, int]] | None:
        try:
            trial = asked.ask()
        except ValueError:
            found.refused += 1
            return None
        layout, _, rung = trial.id.partition("_rung_")
        if rung == "0":
            new = found.next()
            if new is None:
                del asked.trials[trial.id]
                return None
            digests[layout] = new
        digest, epochs = digests[layout], found.rungs[int(rung)]
        return sum(found.curves[digest].seconds[reached.get(digest, 0) : epochs]), (trial, digest, epochs)

    def end(task: tuple[Any, str, int], spent: int) -> int:
        trial, digest, epochs = task
        asked.tell(trial, found.losses(digest, epochs))
        spent += epochs - reached.get(digest, 0)
        reached[digest] = epochs
        if epochs == found.rungs[-1]:
            found.done.append((spent, digest))
        return spent

    return work(begin, end)


PEERS: dict[str, Callable[[Trainings, int, Work], float]] = {
    "syne-tune": syne_tune,
    "syne-tune-ranked": syne_tune_ranked,
    "neps": neps,
}


def complaint(peer: str, rungs: Sequence[tuple[int, ...]]) -> str:
    """Why a peer is left out; empty where it is compared.

    Args:
        peer: name of one of `PEERS`.
        rungs: in epochs, all that are compared.
    """
    try:
        known = [_levels(peer, one) for one in rungs]
    except ImportError as error:
        return f"it is not installed ({error})"
    wrong = [f"{own} in place of {one}" for own, one in zip(known, rungs, strict=True) if own != one]
    return f"its rungs would be {', '.join(wrong)}" if wrong else ""


def _levels(peer: str, rungs: tuple[int, ...]) -> tuple[int, ...]:
    """The rungs that a peer makes of these, in epochs; its own rule gives them, from the first and the last."""
    if peer != "neps":
        (bracket,) = _moasha(rungs, 0).brackets
        return tuple(int(epochs) for epochs, _ in reversed(bracket.rungs))
    return tuple(_mo_asha(rungs).rung_to_fid[rung] for rung in range(len(rungs)))


def _moasha(rungs: tuple[int, ...], seed: int) -> Any:
    """The scheduler of syne-tune: non-dominated sorting, and an epsilon-net over each front (Salinas et al., 2021)."""
    place = "syne_tune.optimizer.schedulers.multiobjective"
    priority = import_module(f"{place}.multiobjective_priority").NonDominatedPriority()
    return import_module(f"{place}.moasha").MOASHA(
        {},
        ["error", "macs"],
        time_attr="epoch",
        multiobjective_priority=priority,
        max_t=rungs[-1],
        grace_period=rungs[0],
        reduction_factor=KEEP,
        random_seed=seed,
    )


def _mo_asha(rungs: tuple[int, ...]) -> Any:
    """The scheduler of NePS: non-dominated sorting, and an epsilon-net over each front (Schmucker et al., 2021)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package = import_module("neps")
        algorithms = import_module("neps.optimizers.algorithms")
    logging.getLogger("neps").setLevel(logging.ERROR)
    fields = {
        "layout": package.Float(lower=0.0, upper=1.0),
        "epochs": package.IntegerFidelity(lower=rungs[0], upper=rungs[-1]),
    }
    return algorithms.moasha(type("Space", (package.PipelineSpace,), fields)(), eta=KEEP, mo_selector="epsnet")
