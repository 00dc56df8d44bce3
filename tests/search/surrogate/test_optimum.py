"""The most promising layout of a space, against looking at every one."""

from itertools import product

import numpy as np
import pytest

from archspec.cost.tables import MetricAt
from search.space.encoding import Encoding
from search.space.limits import Limit
from search.space.space import load_space
from search.surrogate import model
from search.surrogate import optimum as module
from search.surrogate.features import Features
from search.surrogate.model import fit_surrogate
from search.surrogate.optimum import Known, Optimizer

MACS, PARAMS = MetricAt("macs", 64), MetricAt("params")


@pytest.fixture(scope="module")
def encoding() -> Encoding:
    return Encoding(load_space("five_stage_grid"))


@pytest.fixture(scope="module")
def everything(encoding) -> np.ndarray:
    return np.array(list(product(*(range(count) for count in encoding.options))))


def make_known(rows: np.ndarray, rng: np.random.Generator, count: int, pending: int = 0, closed: int = 0) -> Known:
    drawn = rows[rng.choice(len(rows), count + pending + closed, replace=False)]
    values = 0.5 + 0.1 * rng.random(count)
    return Known(drawn[:count], values, drawn[count : count + pending], drawn[count + pending :])


def hypervolume(cost, value, end, worst) -> float:
    """Of maximised values over the logarithm of minimised costs, by a sweep."""
    total, best, order = 0.0, worst, np.lexsort((-value, cost))
    for place in order:
        if value[place] > best:
            total += (np.log(end) - np.log(cost[place])) * (value[place] - best)
            best = value[place]
    return total


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("high", [None, 3_000_000])
def test_no_layout_promises_more(encoding, everything, seed, high):
    rng = np.random.default_rng(seed)
    chain = encoding.chain([MACS, PARAMS])
    known = make_known(everything, rng, 30, pending=3, closed=2)
    limits = () if high is None else (Limit(MACS, None, high),)
    found, surrogate = Optimizer(chain, Features(encoding), limits, kappa=2.0).propose(known)
    assert found is not None
    layouts = np.concatenate([known.choices, known.pending])
    costs = chain.price(layouts)[:, 0]
    values = surrogate.predict(layouts, costs)
    values[:30] = (values[:30] + known.values) / 2
    end, worst = costs.max(), values.min()
    scores = surrogate.optimistic(2.0)

    def promise(row: np.ndarray) -> float:
        cost = chain.price(row[None])[:, 0]
        cost, score = cost[0], surrogate.total(scores, row[None], cost)[0]
        return hypervolume(np.append(costs, min(cost, end)), np.append(values, score), end, worst)

    taken = {tuple(row) for row in (*layouts, *known.closed)}
    inside = chain.price(everything)[:, 0] <= (high or 1 << 60)
    promises = {tuple(row): promise(row) for row in everything[inside]}
    assert tuple(found) not in taken
    assert promises[tuple(found)] > hypervolume(costs, values, end, worst)
    best = max(promises, key=lambda row: promises[row])
    if best in taken:  # then it is the best of the rest, or of those near to what is known
        better = [row for row in promises if promises[row] > promises[tuple(found)] and row not in taken]
        assert len(better) < 5
        assert all((np.array(row) != best).sum() > 1 for row in better)
    else:
        assert promises[tuple(found)] == pytest.approx(promises[best])


def test_where_the_front_is_known_a_neighbour_is_next_and_at_last_nothing(encoding, everything):
    chain = encoding.chain([MACS])
    features = Features(encoding)
    rng = np.random.default_rng(0)
    values = 0.5 + 0.1 * rng.random(len(everything))
    none = everything[:0]
    missing = np.arange(len(everything)) != 100
    found, _ = Optimizer(chain, features).propose(Known(everything[missing], values[missing], none, none))
    assert found is None or tuple(found) == tuple(everything[100])
    assert Optimizer(chain, features).propose(Known(everything, values, none, none))[0] is None
    known = Known(everything[:20], values[:20], none, none)
    first, surrogate = Optimizer(chain, features).propose(known)
    front = Optimizer(chain, features)._front(surrogate.optimistic(module.KAPPA), surrogate)
    near, _ = Optimizer(chain, features).propose(Known(everything[:20], values[:20], none, front))
    assert first is not None
    assert near is not None
    assert tuple(near) not in {tuple(row) for row in front}
    assert min((near != row).sum() for row in front) == 1


@pytest.mark.parametrize(
    "limits",
    [
        (Limit(MACS, 2_000_000, 2_500_000),),
        (Limit(MACS, None, 3_000_000), Limit(PARAMS, None, 130_000)),
        (Limit(PARAMS, 130_000, None),),
        (Limit(PARAMS, 120_000, 140_000),),
    ],
)
@pytest.mark.parametrize("most", [None, (1 << 31, 1, 1)])
def test_proposals_keep_every_limit_even_where_its_front_is_too_hard(encoding, everything, limits, most, monkeypatch):
    from search.front import front

    if most:
        monkeypatch.setattr(front, "MOST", most)
    chain = encoding.chain([MACS, PARAMS])
    found, _ = Optimizer(chain, Features(encoding), limits).propose(
        make_known(everything, np.random.default_rng(1), 20)
    )
    assert found is not None
    costs = chain.price(found[None])[0]
    assert all(limit.holds(int(costs[chain.metrics.index(limit.metric)])) for limit in limits)


def test_layouts_under_way_count_as_predicted(encoding, everything):
    rng = np.random.default_rng(3)
    known = make_known(everything, rng, 25)
    optimizer = Optimizer(encoding.chain([MACS]), Features(encoding))
    pending = known.pending
    seen = set()
    for _ in range(16):
        row, surrogate = optimizer.propose(Known(known.choices, known.values, pending, known.closed))
        assert row is not None
        np.testing.assert_array_equal(
            surrogate.left_out,
            fit_surrogate(
                Features(encoding), known.choices, known.values, costs=optimizer.chain.price(known.choices)[:, 0]
            ).left_out,
        )
        seen.add(tuple(row))
        pending = np.vstack([pending, row])
    assert len(seen) == 16


def test_of_a_list_the_best_is_proposed_though_it_is_on_no_front_of_the_space(encoding, everything):
    rng = np.random.default_rng(4)
    chain = encoding.chain([MACS])
    listed = everything[rng.choice(len(everything), 40, replace=False)]
    known = Known(listed[:20], 0.5 + 0.1 * rng.random(20), listed[20:22], listed[:0])
    found, _ = Optimizer(chain, Features(encoding), listed=listed).propose(known)
    assert found is not None
    assert tuple(found) in {tuple(row) for row in listed[22:]}
    everything_known = Known(listed, 0.5 + 0.1 * rng.random(40), listed[:0], listed[:0])
    assert Optimizer(chain, Features(encoding), listed=listed).propose(everything_known)[0] is None


def test_of_many_answers_those_that_came_first_are_fitted_and_again_after_some_more(encoding, everything, monkeypatch):
    monkeypatch.setattr(module, "EACH", 64)
    rng = np.random.default_rng(5)
    rows = everything[rng.permutation(len(everything))[:200]]
    values, order = rng.uniform(size=200), rng.permutation(200)

    def known(count: int) -> Known:
        kept = order < count
        none = np.zeros((0, rows.shape[1]), np.int64)
        return Known(rows[kept], values[kept], none, none, order=order[kept])

    assert [len(known(count).settled().values) for count in (63, 64, 65, 66, 127, 128, 131, 132)] == [
        *(63, 64, 64, 66),
        *(126, 128, 128, 132),
    ]
    assert set(known(131).settled().values) == set(known(128).values)
    chain = encoding.chain((MetricAt("macs", 64),))
    optimizer, afresh = (Optimizer(chain, Features(encoding)) for _ in range(2))
    found = {count: optimizer.propose(known(count)) for count in (63, 128, 129, 131, 132)}
    assert found[128][1] is found[129][1] is found[131][1]
    assert found[132][1] is not found[131][1]
    again, surrogate = afresh.propose(known(131))  # as a run that goes on from here
    assert again is not None
    assert (again == found[131][0]).all()
    assert surrogate.loo_error == found[131][1].loo_error


def test_many_trials_are_fitted_as_few_are(encoding, everything, monkeypatch):
    rng = np.random.default_rng(6)
    rows = everything[:150]
    values, costs = rng.uniform(size=150), encoding.chain((MetricAt("macs", 64),)).price(rows)[:, 0]
    few = fit_surrogate(Features(encoding), rows, values, costs=costs)
    monkeypatch.setattr(model, "MANY", 100)
    many = fit_surrogate(Features(encoding), rows, values, costs=costs)
    assert many.penalty == few.penalty
    assert many.predict(rows, costs) == pytest.approx(few.predict(rows, costs), rel=1e-6)
    assert many.left_out == pytest.approx(few.left_out, rel=1e-6)
    assert np.concatenate(many.deviations) == pytest.approx(np.concatenate(few.deviations), rel=1e-6)
