"""The gate against simulation: coverage, cost in disguise, informative estimates, and degenerate input."""

import warnings

import numpy as np
import pytest

from search.estimate.ceiling import seed_ceiling
from search.estimate.gate import judge
from search.estimate.rank_correlation import kendall
from search.estimate.resampling import FEWEST, ResampledTaus, interval, partial_tau


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def world(rng, layouts: int, *, known: float = 0.0, noise: float = 0.8):
    """An estimate, full accuracies and costs: both depend on cost, and as much as `known` says on something else."""
    cost, other = rng.normal(size=(2, layouts))
    full = 1 - np.exp(-0.7 * cost) + known * other + noise * rng.normal(size=layouts)
    estimate = 3 * cost + 2 * known * other + noise * rng.normal(size=layouts)
    return estimate, full, {"macs": np.exp(cost), "params": np.exp(cost + 0.5 * rng.normal(size=layouts))}


def test_the_taus_of_resamples_are_those_of_the_resampled_layouts():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 9, (2, 15)).astype(float)  # with ties
    taus = ResampledTaus({"a": first, "b": second}, 700, seed=3)
    found = taus.tau("a", "b")
    drawn = np.random.default_rng(3).multinomial(15, np.full(15, 1 / 15), 700)
    assert found[0] == pytest.approx(kendall(first, second))
    for index in (0, 1, 650):
        rows = np.repeat(np.arange(15), drawn[index])
        assert found[1 + index] == pytest.approx(kendall(first[rows], second[rows]))


def test_the_interval_of_tau_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    truth = 2 / np.pi * np.arcsin(0.6)
    covered = 0
    for _ in range(300):
        first, second = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 24).T
        found = interval(ResampledTaus({"a": first, "b": second}, 400, seed=0).tau("a", "b"), 24)
        covered += found.low <= truth <= found.high
    assert 0.91 <= covered / 300 <= 0.98


@pytest.mark.parametrize("layouts", [24, 80])
def test_noisy_cost_in_disguise_seldom_passes_as_covariate_and_kendalls_own_partial_tau_would_let_it(layouts):
    rng = np.random.default_rng(2)
    gates = [judge(*world(rng, layouts), resamples=300) for _ in range(100)]
    assert abs(np.mean([gate.partial.value for gate in gates])) < 0.06
    assert sum(gate.covariate for gate in gates) <= 6
    x, y = (np.array([2 / np.pi * np.arcsin(r)]) for r in (0.7, 0.6))  # two noisy normal measurements of cost
    both = 2 / np.pi * np.arcsin(np.array([0.7 * 0.6]))
    assert partial_tau(x, y, both) == pytest.approx(0, abs=1e-12)
    assert (both - x * y) / np.sqrt((1 - x**2) * (1 - y**2)) > 0.08


def test_cost_itself_has_no_partial_tau_and_does_not_beat_itself():
    rng = np.random.default_rng(3)
    _, full, costs = world(rng, 40)
    gate = judge(np.log(costs["macs"]), full, costs)
    assert (gate.partial.value, gate.partial.low, gate.partial.high) == (0, 0, 0)
    assert gate.costs["macs"].difference.high == 0
    assert gate.tau.above_zero
    assert gate.verdict == "refused"
    assert "the difference is 0.00 [0.00, 0.00] to MACs and" in gate.describe("log MACs", {"macs": "MACs"})


def test_an_informative_estimate_passes_with_40_layouts():
    rng = np.random.default_rng(4)
    gates = [judge(*world(rng, 40, known=1.5, noise=0.5), resamples=400) for _ in range(40)]
    assert sum(gate.covariate for gate in gates) >= 38
    assert sum(gate.front for gate in gates) >= 30
    assert all(gate.verdict == "front" for gate in gates if gate.front)


def test_cost_alone_is_the_better_of_both_costs():
    rng = np.random.default_rng(5)
    estimate, full, _ = world(rng, 60, known=2, noise=0.3)
    useless = rng.permutation(60).astype(float)
    assert judge(estimate, full, {"macs": useless}).front
    assert not judge(estimate, full, {"macs": useless, "params": full}).front


@pytest.mark.parametrize(
    ("estimate", "full"),
    [
        (np.ones(20), np.arange(20.0)),
        (np.arange(20.0), np.ones(20)),
        (np.arange(3.0), np.arange(3.0)),
        (np.arange(float(FEWEST - 1)), np.arange(float(FEWEST - 1))),
        (np.array([1.0]), np.array([1.0])),
        (np.array([]), np.array([])),
        (np.repeat([0.0, 1.0], 10), np.tile([0.0, 1.0], 10)),
        (np.arange(20.0), np.full(20, np.nan)),
    ],
)
def test_degenerate_input_is_answered_and_passes_nothing(estimate, full):
    gate = judge(estimate, full, {"macs": np.zeros(len(full))})
    assert gate.verdict == "refused"
    assert np.isfinite(gate.tau.value)
    assert str(gate.tau) in gate.describe("x")
    assert gate.conclude()


def test_a_perfect_ranking_of_few_layouts_has_no_interval():
    gate = judge(np.arange(5.0), np.arange(5.0), {"macs": np.zeros(5)})
    assert (gate.tau.value, str(gate.tau)) == (1, "1.00")
    assert gate.record()["tau"] == {"value": 1, "low": None, "high": None}
    assert "fewer than 10 layouts" in gate.conclude()


def test_the_ceiling_is_the_tau_of_a_perfect_estimate():
    rng = np.random.default_rng(6)
    truth = rng.normal(size=400)
    trained = truth[:, None] + rng.normal(size=(400, 3)) + np.array([0, 5, -3])  # seeds shift all layouts alike
    found = seed_ceiling(trained)
    assert found == pytest.approx(kendall(truth, trained.mean(1)), abs=0.06)
    assert judge(truth, trained, {"macs": truth}).ceiling == found
    missing = trained.copy()
    missing[::3, 2] = np.nan
    assert seed_ceiling(missing) == pytest.approx(found, abs=0.06)
    apart = np.full((4, 8), np.nan)
    apart[[0, 0, 1, 1, 2, 2, 3, 3], range(8)] = range(8)
    assert np.isnan(seed_ceiling(apart))  # no seed in common


def test_one_seed_gives_no_ceiling_and_a_missing_training_no_mean_of_nothing():
    rng = np.random.default_rng(7)
    estimate, full, costs = world(rng, 20)
    assert np.isnan(judge(estimate, full, costs).ceiling)
    two = np.stack([full, np.full(20, np.nan)], 1)
    assert judge(estimate, two, costs).tau == judge(estimate, full, costs).tau


def test_rungs_say_that_the_range_was_restricted():
    rng = np.random.default_rng(8)
    gate = judge(*world(rng, 30), restricted=True)
    assert "promoted itself" in gate.describe("validation loss after 3 epochs")
    assert gate.record()["restricted"] is True
