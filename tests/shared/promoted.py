"""The promotions that results call for, and those of a journal beside them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction

from optuna.trial import FrozenTrial

from search.rungs.history import RungTrial, rung_trials
from search.rungs.promotion import Promotion, Promotions, RungResult, expected_steps

DIRECTIONS = [2, 1]
"""Accuracy up, MACs down."""


def promotions(
    results: Iterable[RungResult], rungs: int, keep: Fraction, *, closed: bool = False
) -> tuple[Promotion, ...]:
    """The promotions that results call for, in their order.

    Args:
        results: in the order in which they came in.
        rungs: how many, the whole training among them.
        keep: share of the layouts at a rung that goes on.
        closed: whether no further layout will begin.
    """
    found = Promotions(rungs, keep)
    for result in results:
        found.add(result)
    if closed:
        found.close()
    return tuple(found.granted)


def check_promoted(trials: Sequence[FrozenTrial], layouts: int, rungs: int, keep: Fraction) -> list[RungTrial]:
    """The results of a search that came to its end, whose promotions must be those that the rule says of its journal.

    Args:
        trials: of accuracy and MACs.
        layouts: that began.
        rungs, keep: of the study.
    """
    found = rung_trials(trials)
    assert Counter(one.rung for one in found) == dict(enumerate(expected_steps(layouts, rungs, keep)))
    granted = promotions([one.result(DIRECTIONS) for one in found], rungs, keep, closed=True)
    assert {(one.layout, one.rung) for one in granted} == {(one.layout, one.rung) for one in found if one.rung}
    return found
