"""The results at rungs as trials of a search record them.

A layout that pauses is a trial that ends as `PRUNED`, since Optuna takes no intermediate values of several objectives;
its promotion is a new trial, which is recorded when it has come to its rung. Attributes:

- `rung`: number of the rung, from 1; `rung_epochs`: the epochs that the training had there.
- `rung_order`: place of the result among all results at rungs of the study, from 0.
- `rung_values`: its objectives there; `rung_metrics`: all metrics there. Those of the whole training stand where those
  of any trial do, so that nothing mixes the two.
- `promoted_from`: number of the trial that began the layout.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import final

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.rungs.promotion import RungResult


@final
@dataclass(frozen=True, slots=True)
class RungTrial:
    """A trial with a result at a rung, or whose promotion failed.

    Attributes:
        trial: as recorded.
        layout: number of the trial that began the layout.
        rung: from 0.
        epochs: of its training, at its end; 0 where it failed.
        values: its objectives; empty where it failed.
    """

    trial: FrozenTrial
    layout: int
    rung: int
    epochs: int
    values: tuple[float, ...]

    def result(self, directions: Sequence[StudyDirection]) -> RungResult:
        """As the rule of promotion takes it."""
        signs = [-1.0 if one == StudyDirection.MAXIMIZE else 1.0 for one in directions]
        losses = tuple(sign * value for sign, value in zip(signs, self.values, strict=bool(self.values)))
        return RungResult(self.layout, self.rung, losses)


def rung_trials(trials: Iterable[FrozenTrial]) -> list[RungTrial]:
    """The trials with results at rungs, in the order in which these came in; duplicates are none.

    A failure that another trial took the place of is left out.
    """
    known = list(trials)
    again = {one.user_attrs.get("requeued_from") for one in known}
    found: list[RungTrial] = []
    for one in known:
        attrs = one.user_attrs
        if "rung_order" not in attrs or "duplicate_of" in attrs or not one.state.is_finished():
            continue
        failed = one.state == TrialState.FAIL
        if failed and (attrs.get("requeued") or one.number in again or "promoted_from" not in attrs):
            continue
        values = tuple(map(float, () if failed else attrs["rung_values"]))
        layout = int(attrs.get("promoted_from", one.number))
        found.append(RungTrial(one, layout, int(attrs["rung"]) - 1, int(attrs.get("rung_epochs", 0)), values))
    return sorted(found, key=lambda one: (one.trial.user_attrs["rung_order"], one.trial.number))


def next_order(trials: Iterable[FrozenTrial]) -> int:
    """The `rung_order` of the next result."""
    return 1 + max((int(one.user_attrs.get("rung_order", -1)) for one in trials), default=-1)


def epochs_spent(found: Iterable[RungTrial]) -> int:
    """The epochs of all layouts together, each counted once however many rungs it came to."""
    reached: dict[int, int] = {}
    for one in found:
        reached[one.layout] = max(reached.get(one.layout, 0), one.epochs)
    return sum(reached.values())


def describe_rungs(trials: Iterable[FrozenTrial], rungs: Sequence[int]) -> list[str]:
    """A line for people on what came to which rung and what that saved; none where nothing did.

    Args:
        trials: of a search.
        rungs: in epochs, ascending.
    """
    found = [one for one in rung_trials(trials) if one.values]
    counts = [sum(one.rung == rung for one in found) for rung in range(len(rungs))]
    if not counts[0]:
        return []
    reached = ", ".join(
        f"{count:,} to rung {rung} ({epochs} of {rungs[-1]} epochs)"
        if rung == 1
        else f"{count:,} to rung {rung} ({epochs})"
        for rung, (count, epochs) in enumerate(zip(counts, rungs, strict=True), 1)
    )
    spent, whole = epochs_spent(found), counts[0] * rungs[-1]
    saved = f"{spent:,} of {whole:,} epochs trained, {whole - spent:,} saved ({1 - spent / whole:.0%})"
    return [f"rungs: layouts that came {reached}; {saved}"]


def pairs(trials: Iterable[FrozenTrial]) -> list[tuple[RungTrial, RungTrial]]:
    """The results at the first and at the last rung, of each layout of a search that came to the last."""
    found = [one for one in rung_trials(trials) if one.values]
    first = {one.layout: one for one in found if one.rung == 0}
    whole = [one for one in found if one.trial.state == TrialState.COMPLETE]
    return [(first[one.layout], one) for one in whole if one.layout in first]


def on_one_scale(found: Sequence[RungTrial]) -> dict[int, tuple[float, ...]]:
    """The objectives of each layout as a whole training would give them, by the number of the trial that began it.

    A layout that paused has its values at its last rung plus what the layouts that went on gained from there to the
    next rung in the mean, and from that one to the one after it. Without that, whatever trained longer would look
    better for that reason alone. Where none went on yet, all values are of the same rung, and stay as they are.
    """
    by_rung: dict[int, dict[int, tuple[float, ...]]] = {}
    for one in found:
        if one.values:
            by_rung.setdefault(one.rung, {})[one.layout] = one.values
    last = max(by_rung, default=0)
    gain: tuple[float, ...] = ()
    scaled: dict[int, tuple[float, ...]] = {}
    for rung in range(last, -1, -1):
        here, after = by_rung.get(rung, {}), by_rung.get(rung + 1, {})
        both = [(here[layout], after[layout]) for layout in here if layout in after]
        if both:
            steps = [fmean(late[k] - early[k] for early, late in both) for k in range(len(both[0][0]))]
            gain = tuple(step + (gain[k] if gain else 0.0) for k, step in enumerate(steps))
        for layout, values in here.items():
            if layout not in scaled:
                scaled[layout] = tuple(value + (gain[k] if gain else 0.0) for k, value in enumerate(values))
    return scaled


def as_learned(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials of a search as a sampler should learn from them: one complete trial for each layout, on one scale.

    The trial that began a layout, which the sampler proposed, has all that is known of it. The trials of promotions,
    which nobody proposed, are shown as failed, which samplers pass over; so numbers stay places in the list.
    """
    scaled = on_one_scale(rung_trials(trials))
    return [_learned(one, scaled) for one in trials]


def _learned(one: FrozenTrial, scaled: dict[int, tuple[float, ...]]) -> FrozenTrial:
    attrs = one.user_attrs
    if "promoted_from" in attrs:
        return _with(one, TrialState.FAIL, None)
    values = scaled.get(int(attrs.get("duplicate_of", one.number)))
    if values is None or one.state not in (TrialState.PRUNED, TrialState.COMPLETE):
        return one
    return _with(one, TrialState.COMPLETE, list(values))


def _with(one: FrozenTrial, state: TrialState, values: list[float] | None) -> FrozenTrial:
    return FrozenTrial(
        number=one.number,
        state=state,
        value=None,
        values=values,
        datetime_start=one.datetime_start,
        datetime_complete=one.datetime_complete or one.datetime_start,
        params=one.params,
        distributions=one.distributions,
        user_attrs=one.user_attrs,
        system_attrs=one.system_attrs,
        intermediate_values={},
        trial_id=one._trial_id,  # pyright: ignore[reportPrivateUsage] # by which a genetic sampler finds parents again
    )
