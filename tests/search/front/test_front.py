"""The exact front, and dominance, against brute force on random chains."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.cost.tables import Chain, Component, MetricAt
from archspec.errors import SpecError
from search.front import front as front_module
from search.front.dominance import DominanceFilter, nondominated, nondominated_rows
from search.front.front import solve_front
from search.space.limits import Limit

METRICS = (MetricAt("macs"), MetricAt("params"), MetricAt("activations", 64))


def random_chain(
    rng: np.random.Generator, components: int, *, states: int = 3, options: int = 5, top: int = 12
) -> Chain:
    """Small costs make many ties; some options are impossible, some borders dead ends."""
    parts, enter = [], 1
    for index in range(components):
        leave = 1 if index == components - 1 else int(rng.integers(1, states + 1))
        shape = (enter, int(rng.integers(1, options + 1)))
        after = rng.integers(-1 if rng.random() < 0.7 else 0, leave, shape).astype(np.int32)
        costs = np.where(after[..., None] >= 0, rng.integers(0, top, (*shape, len(METRICS))), 0)
        parts.append(Component(str(index), costs.astype(np.int64), after))
        enter = leave
    return Chain(METRICS, tuple(parts))


def random_scores(rng: np.random.Generator, chain: Chain) -> list[np.ndarray]:
    """Per option, or per border and option; tenths, which make ties that rounding may break."""
    shapes = [part.after.shape if rng.random() < 0.5 else (part.options,) for part in chain.components]
    return [rng.integers(-9, 10, shape) / 10 for shape in shapes]


def every_layout(chain: Chain, scores: list[np.ndarray]):
    """Choices, costs and scores of all possible layouts, scores added from left to right."""
    choices, costs, sums = [], [], []
    for row in product(*(range(part.options) for part in chain.components)):
        state, cost, score = 0, np.zeros(len(METRICS), np.int64), 0.0
        for part, table, option in zip(chain.components, scores, row, strict=True):
            cost = cost + part.costs[state, option]
            score += float(np.broadcast_to(table, part.after.shape)[state, option])
            state = int(part.after[state, option])
            if state < 0:
                break
        else:
            choices.append(row)
            costs.append(cost)
            sums.append(score)
    return choices, np.array(costs).reshape(-1, len(METRICS)), np.array(sums)


def brute_front(costs: np.ndarray, scores: np.ndarray) -> list[tuple[int, float]]:
    points = sorted(set(zip(costs.tolist(), scores.tolist(), strict=True)), key=lambda p: (p[0], -p[1]))
    kept: list[tuple[int, float]] = []
    for point in points:
        if not kept or point[1] > kept[-1][1]:
            kept.append(point)
    return kept


def check(
    chain: Chain, metric: int, scores: list[np.ndarray], limits: tuple[Limit, ...] = (), slope: float = 0.0
) -> int:
    choices, costs, sums = every_layout(chain, scores)
    if slope:
        sums = sums + slope * np.log1p(costs[:, metric])
    inside = np.ones(len(sums), bool)
    for limit in limits:
        values = costs[:, METRICS.index(limit.metric)]
        inside &= np.array([limit.holds(int(value)) for value in values], bool)
    found = solve_front(chain, metric, scores, limits, slope=slope)
    assert list(zip(found.costs.tolist(), found.scores.tolist(), strict=True)) == brute_front(
        costs[inside, metric], sums[inside]
    )
    index = {row: place for place, row in enumerate(choices)}
    for row, cost, score in zip(found.choices.tolist(), found.costs, found.scores, strict=True):
        place = index[tuple(row)]
        assert (costs[place, metric], sums[place]) == (cost, score)
        assert inside[place]
    return len(found.costs)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_the_front_is_that_of_all_layouts(seed, components):
    rng = np.random.default_rng(seed)
    chain = random_chain(rng, components)
    check(chain, int(rng.integers(3)), random_scores(rng, chain))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_limits_of_every_kind_are_kept_exactly(seed, components):
    rng = np.random.default_rng(seed)
    chain = random_chain(rng, components)
    limits = []
    for index in rng.permutation(3)[: rng.integers(1, 4)]:
        low, high = sorted(rng.integers(0, 10 * components, 2).tolist())
        kind = rng.integers(3)
        limits.append(Limit(METRICS[index], None if kind == 0 else low, None if kind == 1 else high))
    check(chain, int(rng.integers(3)), random_scores(rng, chain), tuple(limits))


@pytest.mark.parametrize("slope", [-3.0, -0.2, 0.05, 0.5, 4.0, 100.0])
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.booleans())
def test_with_a_multiple_of_log_cost_the_front_is_that_of_all_layouts(slope, seed, components, limited):
    rng = np.random.default_rng(seed)
    chain = random_chain(rng, components, top=int(rng.choice([4, 12, 300])))
    limits = (Limit(METRICS[1], None, int(rng.integers(0, 200))), Limit(METRICS[0], None, 500)) if limited else ()
    check(chain, int(rng.integers(3)), random_scores(rng, chain), limits, slope)


def test_what_is_cheaper_and_better_before_the_term_may_lose_after_it():
    """Two stages: pruned by cost and sum alone, the dearer beginning would be lost, and with it the best layout."""
    costs = np.array([[[10, 0, 0], [20, 0, 0]]])
    first = Component("0", costs, np.zeros((1, 2), np.int32))
    last = Component("1", np.array([[[5, 0, 0]]]), np.zeros((1, 1), np.int32))
    chain, scores = Chain(METRICS, (first, last)), [np.array([0.1, 0.0]), np.zeros(1)]
    assert solve_front(chain, 0, scores).choices.tolist() == [[0, 0]]
    assert solve_front(chain, 0, scores, slope=1.0).choices.tolist() == [[0, 0], [1, 0]]
    assert solve_front(chain, 0, scores, slope=-1.0).choices.tolist() == [[0, 0]]


@pytest.mark.parametrize("slope", [2.0, -2.0])
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_a_grain_thins_the_front_and_misses_no_more_than_it_says(slope, seed, limited):
    rng = np.random.default_rng(seed)
    chain = random_chain(rng, 4, states=2, options=8, top=1000)
    scores = [rng.normal(size=part.options) * 0.01 for part in chain.components]
    limits = (Limit(METRICS[1], None, 1500),) if limited else ()
    direct, front_module.DIRECT = front_module.DIRECT, 4
    try:
        found = solve_front(chain, 0, scores, limits, slope=slope, grain=0.02)
    finally:
        front_module.DIRECT = direct
    exact = solve_front(chain, 0, scores, limits, slope=slope)
    assert len(found.costs) <= len(exact.costs)
    for cost, score in zip(exact.costs, exact.scores, strict=True):
        assert found.scores[found.costs <= cost].max() >= score - 0.02 * len(chain.components)
    sums = add_scores(scores, found.choices) + slope * np.log1p(found.costs)
    np.testing.assert_array_equal(sums, found.scores)


def test_a_grain_counts_where_nearly_every_cost_is_on_the_front():
    rng = np.random.default_rng(0)
    part = Component("0", rng.integers(0, 10**6, (1, 60, 3)), np.zeros((1, 60), np.int32))
    chain, scores = Chain(METRICS, (part, part, part)), [1e-6 * rng.random(60) for _ in range(3)]
    whole = solve_front(chain, 0, scores, slope=1.0)
    thin = solve_front(chain, 0, scores, slope=1.0, grain=0.01)
    assert len(whole.costs) > 5_000
    assert len(thin.costs) < 500


def add_scores(scores: list[np.ndarray], choices: np.ndarray) -> np.ndarray:
    total = np.zeros(len(choices))
    for index, score in enumerate(scores):
        total += score[choices[:, index]]
    return total


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([0.0, 1.5, -0.7]))
def test_screening_loses_nothing(seed, limited, slope):
    rng = np.random.default_rng(seed)
    chain = random_chain(rng, 4, states=2, options=8, top=1000)
    direct, front_module.DIRECT = front_module.DIRECT, 4
    try:
        limits = (Limit(METRICS[1], 500, 1500), Limit(METRICS[2], None, 1200)) if limited else ()
        check(chain, 0, random_scores(rng, chain), limits, slope)
    finally:
        front_module.DIRECT = direct


def test_limits_that_leave_nothing_give_an_empty_front():
    rng = np.random.default_rng(0)
    chain = random_chain(rng, 3)
    front = solve_front(chain, 0, random_scores(rng, chain), (Limit(METRICS[1], 10**9, None),))
    assert len(front.costs) == 0
    assert front.choices.shape == (0, 3)
    assert len(solve_front(chain, 0, random_scores(rng, chain), (Limit(METRICS[0], None, 2**63 - 1),)).costs)


def test_the_front_is_the_same_every_time():
    rng = np.random.default_rng(5)
    chain = random_chain(rng, 5, top=3)
    scores = random_scores(rng, chain)
    first, again = solve_front(chain, 0, scores), solve_front(chain, 0, scores)
    np.testing.assert_array_equal(first.choices, again.choices)


def test_scores_that_are_no_numbers_and_too_many_candidates_are_refused(monkeypatch):
    rng = np.random.default_rng(1)
    chain = random_chain(rng, 4, top=10**6)
    scores = random_scores(rng, chain)
    monkeypatch.setattr(front_module, "MOST", (9, 3, 3))
    with pytest.raises(SpecError, match="more than 3 layouts to compare at once"):
        solve_front(chain, 0, scores, (Limit(METRICS[0], 10, None),))
    scores[1][...] = np.nan
    with pytest.raises(ValueError, match="scores must be finite"):
        solve_front(chain, 0, scores)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 600), st.integers(0, 3))
def test_nondominated_points_are_those_that_nothing_beats(seed, points, burdens):
    rng = np.random.default_rng(seed)
    top = int(rng.choice([3, 30, 1000]))
    cost, burden = rng.integers(0, top, points), rng.integers(0, top, (points, burdens))
    score = rng.integers(0, top, points) / 7
    table = np.column_stack([cost, -score, burden])
    weakly = (table[:, None] <= table[None]).all(2)
    equal = (table[:, None] == table[None]).all(2)
    earlier = np.tri(points, k=-1, dtype=bool).T  # [i, j]: i stands before j
    beaten = (weakly & (~equal | earlier)).any(0)
    expected = np.flatnonzero(~beaten)
    found = nondominated(cost, score, burden)
    assert sorted(found.tolist()) == expected.tolist()
    assert (np.diff(cost[found]) >= 0).all()
    if not burdens:
        empty = np.full(points, -np.inf)
        rows, columns = nondominated_rows(np.stack([cost, cost, cost]), np.stack([score, empty, score]))
        assert rows.tolist() == [0] * len(found) + [2] * len(found)
        assert columns.tolist() == found.tolist() * 2


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2))
def test_a_screen_stops_dominated_points_only(seed, burdens):
    rng = np.random.default_rng(seed)
    cost, burden = rng.integers(-50, 10**6, 300), rng.integers(-50, 900, (300, burdens))
    score = rng.normal(size=300)
    values = np.column_stack([cost, burden])
    some = nondominated(cost[::4], score[::4], burden[::4]) * 4
    screen = DominanceFilter(cost[some], score[some], burden[some], values.min(0), values.max(0))
    stopped = np.flatnonzero(~screen.passes(cost, score, burden))
    assert not set(stopped) & set(nondominated(cost, score, burden).tolist())
    assert not burdens or len(stopped) or len(some) == 1
