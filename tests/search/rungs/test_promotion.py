"""The rule of promotion: the cap, a newcomer that dominates all others, and that results alone decide."""

import math
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from promoted import promotions

from search.rungs.promotion import (
    Promotion,
    Promotions,
    RungResult,
    expected_epochs,
    expected_steps,
)

THIRD = Fraction(1, 3)
losses = st.tuples(st.integers(0, 5).map(float), st.integers(0, 5).map(float))


def first_rung(points):
    return [RungResult(layout, 0, tuple(point)) for layout, point in enumerate(points)]


def simulate(points, rungs, keep, order):
    """Results in an order that `order` draws, as several workers may give them; a promoted layout keeps its losses."""
    rule, results, waiting = Promotions(rungs, keep), [], first_rung(points)
    while True:
        if not waiting:
            rule.close()
        ready = [*waiting, *(RungResult(one.layout, one.rung, tuple(points[one.layout])) for one in rule.open)]
        if not ready:
            break
        result = ready[order(len(ready))]
        waiting = [one for one in waiting if one != result]
        rule.add(result)
        results.append(result)
        counts = counted(results, rule.granted, rungs)
        if waiting:
            assert all(up <= math.floor(keep * came) for came, up in counts)
    return rule, results


def counted(results, granted, rungs):
    """Of each rung but the last, how many came to it and how many were promoted from it."""
    return [
        (sum(one.rung == rung for one in results), sum(one.rung == rung + 1 for one in granted))
        for rung in range(rungs - 1)
    ]


def test_a_newcomer_that_dominates_all_others_is_promoted():
    for others in range(2, 40):
        points = [(float(1 + index % 7), float(1 + (index * 5) % 11)) for index in range(others)]
        before = promotions(first_rung(points), 2, THIRD)
        room = math.floor(THIRD * (others + 1)) > len(before)
        results = first_rung([*points, (0.0, 0.0)])
        newcomer = Promotion(others, 1)
        assert (newcomer in promotions(results, 2, THIRD)) is room
        assert newcomer in promotions(results, 2, THIRD, closed=True)  # whether or not there was room before
        later = [*results, *(RungResult(others + 1 + index, 0, (9.0, 12.0)) for index in range(3))]
        assert newcomer in promotions(later, 2, THIRD)  # the next place is its own


@settings(max_examples=60, deadline=None)
@given(
    st.lists(losses, min_size=1, max_size=25),
    st.integers(2, 4),
    st.sampled_from(["1/4", "1/3", "1/2", "2/3"]),
    st.data(),
)
def test_the_cap_is_held_whatever_the_order(points, rungs, keep, data):
    share = Fraction(keep)
    rule, results = simulate(points, rungs, share, lambda count: data.draw(st.integers(0, count - 1)))
    counts = counted(results, rule.granted, rungs)
    steps = expected_steps(len(points), rungs, share)
    assert [came for came, _ in counts] == list(steps[:-1])
    assert [up for _, up in counts] == list(steps[1:])
    assert not rule.open


@settings(max_examples=60, deadline=None)
@given(st.lists(losses, min_size=1, max_size=20), st.data())
def test_a_kill_anywhere_gives_the_same_promotions(points, data):
    rule, results = simulate(points, 3, THIRD, lambda count: data.draw(st.integers(0, count - 1)))
    cut = data.draw(st.integers(0, len(results)))
    before = promotions(results[:cut], 3, THIRD)
    after = promotions(results, 3, THIRD)
    assert after[: len(before)] == before  # what was under way is under way again
    assert set(promotions(results, 3, THIRD, closed=True)) == set(rule.granted)


def test_layouts_that_are_all_equal_go_on_in_the_order_in_which_they_began():
    found = promotions(first_rung([(1.0, 1.0)] * 9), 2, THIRD)
    assert found == (Promotion(0, 1), Promotion(1, 1), Promotion(2, 1))


def test_a_failed_promotion_takes_its_place_and_may_be_made_good():
    rule = Promotions(2, THIRD)
    for one in first_rung([(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)]):
        rule.add(one)
    (chosen,) = rule.open
    rule.add(RungResult(chosen.layout, 1, ()))
    assert rule.open == []
    rule.close()
    assert len(rule.granted) == 1
    rule.add(RungResult(chosen.layout, 1, (1.0, 1.0)))
    assert rule.settled == 1


def test_what_rungs_cost():
    assert expected_steps(50, 2, THIRD) == (50, 17)
    assert expected_epochs(50, (3, 9), THIRD) == 50 * 3 + 17 * 6
    assert expected_epochs(9, (1, 3, 9), THIRD) == 9 + 3 * 2 + 6
