"""Trainings of one layout by a search with further seeds, as its trials record them.

The first training of a layout has the seed of the study, and so has each layout. A repeated one is a trial of its own,
whose attribute `repeat_of` is the number of the first trial and whose `seed` is another one; its values are its own.
What a layout is worth to a search is the mean over its trainings.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from statistics import fmean

import numpy as np
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

REPEAT_OF = "repeat_of"
STEP = 1_000_003
"""Between the seeds of a layout's trainings: a prime, and beyond the seeds of finalists, which follow the study's."""


def repeat_seed(seed: int, repeat: int) -> int:
    """The seed of a further training of a layout.

    Args:
        seed: of the study.
        repeat: which one, from 1; 0 is the first training.
    """
    return (seed + repeat * STEP) % 2**32


def count_repeats(trials: Iterable[FrozenTrial], first: int) -> int:
    """The further trainings of the layout of trial `first` that have ended, for better or worse."""
    own = (one for one in trials if one.user_attrs.get(REPEAT_OF) == first and one.state.is_finished())
    return sum(not one.user_attrs.get("requeued") for one in own)


def pool(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The complete trials that answer for a layout of their own, those that were repeated with the means of values."""
    done = [one for one in trials if one.state == TrialState.COMPLETE]
    further: dict[int, list[list[float]]] = {}
    for one in done:
        if REPEAT_OF in one.user_attrs:
            further.setdefault(one.user_attrs[REPEAT_OF], []).append(one.values)
    pooled: list[FrozenTrial] = []
    for one in done:
        first = one.user_attrs.get("duplicate_of", one.number)
        if REPEAT_OF in one.user_attrs or (first in further and first != one.number):
            continue
        if one.number in further:
            values = [fmean(column) for column in zip(one.values, *further[one.number], strict=True)]
            mean = copy.copy(one)
            mean.values = values
            pooled.append(mean)
        else:
            pooled.append(one)
    return pooled


def find_front(study: Study) -> list[FrozenTrial]:
    """The trials on the Pareto front of a study, each layout that was trained again at its mean."""
    known = pool(study.get_trials(deepcopy=False))
    if not known:
        return []
    signs = [-1 if one == StudyDirection.MAXIMIZE else 1 for one in study.directions]
    losses, place = np.unique(np.array([one.values for one in known]) * signs, axis=0, return_inverse=True)
    alone = np.ones(len(losses), bool)
    for index, one in enumerate(losses):  # in their order, none is dominated by a later one
        if alone[index]:
            alone &= (losses < one).any(1)
            alone[index] = True
    return [one for one, best in zip(known, alone[place.ravel()], strict=True) if best]
