"""The additive surrogate: its closed forms against refitting, and what it recovers."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear
from scipy.stats import kendalltau, spearmanr

from archspec.cost.tables import MetricAt
from search.estimate.rank_correlation import kendall, spearman
from search.space.encoding import Encoding
from search.space.space import load_space
from search.surrogate.features import Features
from search.surrogate.model import add_up, bounded_ridge, fit_surrogate


@pytest.fixture(scope="module")
def encoding() -> Encoding:
    return Encoding(load_space("five_stage_tiny"))


@pytest.fixture(scope="module")
def features(encoding) -> Features:
    return Features(encoding)


def draw(encoding: Encoding, rng: np.random.Generator, count: int) -> np.ndarray:
    return np.stack([rng.integers(0, options, count) for options in encoding.options], axis=1)


def additive_truth(features: Features, rng: np.random.Generator) -> list[np.ndarray]:
    return [table @ rng.normal(size=table.shape[1]) for table in features.tables]


def solve_ridge(x, y, penalty, *free):
    """By the normal equations, with a column of ones and further ones that are not penalised, which come first."""
    ones = np.column_stack([np.ones(len(y)), *free, x])
    gram = ones.T @ ones + penalty * np.diag([0.0] * (1 + len(free)) + [1.0] * x.shape[1])
    return np.linalg.solve(gram, ones.T @ y)


def test_leave_one_out_in_closed_form_is_leaving_one_out(encoding, features):
    rng = np.random.default_rng(0)
    rows = draw(encoding, rng, 25)
    values = rng.normal(size=25)
    fitted = fit_surrogate(features, rows, values)
    x = features.rows(rows)
    for index in range(25):
        others = np.arange(25) != index
        weights = solve_ridge(x[others], values[others], fitted.penalty)
        assert fitted.left_out[index] == pytest.approx(weights[0] + x[index] @ weights[1:], abs=1e-8)
    assert fitted.loo_error == pytest.approx(np.sqrt(np.mean((fitted.left_out - values) ** 2)))


def test_leave_one_out_with_a_line_in_log_cost_is_leaving_one_out(encoding, features):
    rng = np.random.default_rng(7)
    rows, other = draw(encoding, rng, 25), draw(encoding, rng, 30)
    chain = encoding.chain([MetricAt("macs", 64)])
    costs, prices = chain.price(rows)[:, 0], chain.price(other)[:, 0]
    values = 0.1 * np.log1p(costs) + 0.05 * rng.normal(size=25)
    fitted = fit_surrogate(features, rows, values, costs=costs)
    x, line = features.rows(rows), np.log1p(costs) - 15
    for index in range(25):
        others = np.arange(25) != index
        weights = solve_ridge(x[others], values[others], fitted.penalty, line[others])
        assert fitted.left_out[index] == pytest.approx(
            weights[:2] @ [1, line[index]] + x[index] @ weights[2:], abs=1e-8
        )
    weights = solve_ridge(x, values, fitted.penalty, line)
    expected = weights[0] + weights[1] * (np.log1p(prices) - 15) + features.rows(other) @ weights[2:]
    assert fitted.slope == pytest.approx(weights[1])
    np.testing.assert_allclose(fitted.predict(other, prices), expected, atol=1e-8)
    with pytest.raises(ValueError, match="predictions need the costs"):
        fitted.predict(other)


def test_the_line_carries_what_few_trials_cannot_say(encoding, features):
    rng = np.random.default_rng(8)
    rows, other = draw(encoding, rng, 12), draw(encoding, rng, 200)
    chain = encoding.chain([MetricAt("macs", 64)])
    costs, prices = chain.price(rows)[:, 0], chain.price(other)[:, 0]
    truth = add_up(additive_truth(features, rng), np.concatenate([rows, other]))
    truth = 0.03 * truth / truth.std() + 0.2 * np.log1p(np.concatenate([costs, prices]))
    plain = fit_surrogate(features, rows, truth[:12])
    with_line = fit_surrogate(features, rows, truth[:12], costs=costs)
    assert with_line.slope == pytest.approx(0.2, abs=0.05)
    assert kendall(with_line.predict(other, prices), truth[12:]) > kendall(plain.predict(other), truth[12:]) + 0.1


def test_costs_that_say_nothing_give_no_line(encoding, features):
    rng = np.random.default_rng(9)
    rows, values = draw(encoding, rng, 8), rng.normal(size=8)
    alike = np.full(8, 1000)
    alike[3] = 2000  # left out, no slope is left
    for costs in (alike, None):
        assert fit_surrogate(features, rows, values, costs=costs).slope == 0
    assert fit_surrogate(features, rows[:4], values[:4], costs=np.arange(4)).slope == 0
    assert fit_surrogate(features, rows[:5], values[:5], costs=np.arange(5)).slope != 0


def test_predictions_are_those_of_the_normal_equations(encoding, features):
    rng = np.random.default_rng(1)
    rows, other = draw(encoding, rng, 40), draw(encoding, rng, 30)
    values = rng.normal(size=40)
    fitted = fit_surrogate(features, rows, values)
    weights = solve_ridge(features.rows(rows), values, fitted.penalty)
    np.testing.assert_allclose(fitted.predict(other), weights[0] + features.rows(other) @ weights[1:], atol=1e-8)


def test_the_deviations_bound_that_of_a_layout(encoding, features):
    rng = np.random.default_rng(2)
    rows, other = draw(encoding, rng, 30), draw(encoding, rng, 50)
    values = add_up(additive_truth(features, rng), rows) + 0.1 * rng.normal(size=30)
    fitted = fit_surrogate(features, rows, values)
    x, center = features.rows(rows), features.rows(rows).mean(0)
    y = values - values.mean()
    kernel = (x - center) @ (x - center).T + fitted.penalty * np.eye(30)
    scale = np.sqrt(y @ np.linalg.solve(kernel, y) / 29)
    z = features.rows(other) - center
    inside = z @ (x - center).T
    deviation = scale * np.sqrt(np.square(z).sum(1) - (inside * np.linalg.solve(kernel, inside.T).T).sum(1))
    total = add_up(fitted.deviations, other)
    assert (total >= deviation * (1 - 1e-9)).all()
    upper = add_up(fitted.optimistic(2.0), other)
    np.testing.assert_allclose(upper, fitted.predict(other) + 2 * total)
    for index, table in enumerate(features.tables):  # alone, a component's deviation is exact
        part = np.zeros((len(table), x.shape[1]))
        start = sum(t.shape[1] for t in features.tables[:index])
        part[:, start : start + table.shape[1]] = table - center[start : start + table.shape[1]]
        own = part @ (x - center).T
        exact = np.square(part).sum(1) - (own * np.linalg.solve(kernel, own.T).T).sum(1)
        np.testing.assert_allclose(fitted.deviations[index], scale * np.sqrt(np.maximum(exact, 0)), atol=1e-7)


def test_an_additive_truth_is_recovered(encoding, features):
    rng = np.random.default_rng(3)
    truth = additive_truth(features, rng)
    rows, other = draw(encoding, rng, 400), draw(encoding, rng, 300)
    noise = 0.1
    fitted = fit_surrogate(features, rows, add_up(truth, rows) + noise * rng.normal(size=400))
    expected = add_up(truth, other)
    assert np.corrcoef(fitted.predict(other), expected)[0, 1] > 0.999
    assert np.sqrt(np.mean((fitted.predict(other) - expected) ** 2)) < 0.1 * expected.std()
    assert noise < fitted.loo_error < 0.1 * expected.std() + noise
    assert fitted.kendall > 0.9
    # A surrogate of noise alone has nothing to say, and says so.
    noisy = fit_surrogate(features, rows, rng.normal(size=400))
    assert noisy.kendall < 0.15
    assert noisy.predict(other).std() < 0.3


def test_monotone_effects_never_fall_with_depth_or_width(encoding, features):
    rng = np.random.default_rng(4)
    rows = draw(encoding, rng, 60)
    values = rng.normal(size=60)  # noise, to which an unconstrained fit gives falling effects
    falls = {
        monotone: count_falls(encoding, fit_surrogate(features, rows, values, monotone=monotone).scores)
        for monotone in (False, True)
    }
    assert falls[True] == 0
    assert falls[False] > 100


def count_falls(encoding: Encoding, scores: list[np.ndarray]) -> int:
    """Pairs of options alike but for one depth or width, in which the larger one has the lower score."""
    falls = 0
    for component, score in enumerate(scores):
        groups: dict[tuple, list[tuple[float, float]]] = {}
        for option, value in enumerate(score):
            params = encoding.assignment(component, option)
            for path, own in params.items():
                if path.endswith(("depth", "width")):
                    rest = tuple(item for item in params.items() if item[0] != path)
                    groups.setdefault((path, rest), []).append((float(own), float(value)))
        for points in groups.values():
            points.sort()
            falls += sum(after[1] < before[1] - 1e-9 for before, after in pairwise(points))
    return falls


def test_monotone_leave_one_out_refits(encoding, features):
    rng = np.random.default_rng(5)
    rows = draw(encoding, rng, 12)
    values = add_up(additive_truth(features, rng), rows)
    fitted = fit_surrogate(features, rows, values, monotone=True)
    x = features.rows(rows)
    others = np.arange(12) != 7
    center, mean = x[others].mean(0), values[others].mean()
    effects = bounded_ridge(x[others] - center, values[others] - mean, fitted.penalty, features.rising)
    assert fitted.left_out[7] == pytest.approx(mean + (x[7] - center) @ effects, abs=1e-7)


def test_monotone_leave_one_out_refits_the_line_too(encoding, features):
    rng = np.random.default_rng(10)
    rows, costs = draw(encoding, rng, 12), rng.integers(10, 10**6, 12)
    values = add_up(additive_truth(features, rng), rows) + 3 * np.log1p(costs)
    fitted = fit_surrogate(features, rows, values, costs=costs, monotone=True)
    x, others = features.rows(rows), np.arange(12) != 4
    line = np.column_stack([np.ones(12), np.log1p(costs)])
    basis = np.linalg.qr(line[others])[0]
    away = np.eye(11) - basis @ basis.T
    effects = bounded_ridge(away @ x[others], away @ values[others], fitted.penalty, features.rising)
    weights = np.linalg.lstsq(line[others], values[others] - x[others] @ effects, rcond=None)[0]
    assert fitted.left_out[4] == pytest.approx(line[4] @ weights + x[4] @ effects, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 8))
def test_bounded_ridge_is_the_constrained_optimum(seed, trials, features):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(trials, features)), rng.normal(size=trials)
    bounded = rng.random(features) < 0.6
    penalty = float(rng.choice([0.01, 1.0, 30.0]))
    found = bounded_ridge(x, y, penalty, bounded)
    stacked = np.vstack([x, np.sqrt(penalty) * np.eye(features)])
    low = np.where(bounded, 0, -np.inf)
    expected = lsq_linear(stacked, np.append(y, np.zeros(features)), (low, np.inf), method="bvls").x
    np.testing.assert_allclose(found, expected, atol=1e-6)
    guess = rng.random(features) < 0.5
    np.testing.assert_allclose(bounded_ridge(x, y, penalty, bounded, guess), expected, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=30))
def test_rank_correlations_are_the_textbook_ones(pairs):
    first, second = np.array(pairs, np.float64).T
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert kendall(first, second) == spearman(first, second) == 0
        return
    assert kendall(first, second) == pytest.approx(kendalltau(first, second).statistic)
    assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)


def test_constant_values_and_few_trials(encoding, features):
    rng = np.random.default_rng(6)
    rows = draw(encoding, rng, 5)
    fitted = fit_surrogate(features, rows, np.full(5, 0.5))
    assert fitted.loo_error == pytest.approx(0)
    np.testing.assert_allclose(fitted.predict(rows), 0.5)
    assert (add_up(fitted.deviations, rows) == 0).all()
    with pytest.raises(ValueError, match="at least 2 trials, not 1"):
        fit_surrogate(features, rows[:1], np.ones(1))


def test_features_know_holes_of_numbers_labels_and_what_is_closed(encoding, features):
    component = encoding.names.index("stages.2")  # HR, CFFN, or T with heads 1, 2, 4
    table, count = features.tables[component], encoding.options[component]
    params = [encoding.assignment(component, option) for option in range(count)]
    plain = [index for index, own in enumerate(params) if own["stages[2].block"] != "T"]
    closed = [column for column in table.T if not column[plain].any()]
    assert len(closed) == 2 + 1 + 3 + 2 + 1  # heads 2 and 4; T; its widths, depths and expansion
    assert len({tuple(row) for row in table}) == count  # no two options look alike
    assert features.rising.sum() > 0
    assert features.rows(np.zeros((3, len(encoding.options)), int)).shape == (3, len(features.rising))


def test_leave_one_out_with_weights_and_a_covariate_is_leaving_one_out(encoding, features):
    rng = np.random.default_rng(11)
    rows, values = draw(encoding, rng, 25), rng.normal(size=25)
    weights = rng.integers(1, 4, 25).astype(float)
    terms = additive_truth(features, rng)
    fitted = fit_surrogate(features, rows, values, weights=weights, covariates=[terms])
    x, column, root = features.rows(rows), add_up(terms, rows), np.sqrt(weights)
    free = np.column_stack([np.ones(25), column])
    penalties = fitted.penalty * np.diag([0.0, 0.0] + [1.0] * x.shape[1])
    whole = np.column_stack([free, x])
    for index in range(25):
        others = np.arange(25) != index
        design = whole[others] * root[others, None]
        solved = np.linalg.solve(design.T @ design + penalties, design.T @ (values[others] * root[others]))
        assert fitted.left_out[index] == pytest.approx(whole[index] @ solved, abs=1e-7)
    design = whole * root[:, None]
    solved = np.linalg.solve(design.T @ design + penalties, design.T @ (values * root))
    np.testing.assert_allclose(fitted.predict(rows), whole @ solved, atol=1e-7)


def test_equal_weights_are_none(encoding, features):
    rng = np.random.default_rng(12)
    rows, values = draw(encoding, rng, 25), rng.normal(size=25)
    plain, equal = fit_surrogate(features, rows, values), fit_surrogate(features, rows, values, weights=np.ones(25))
    np.testing.assert_allclose(plain.left_out, equal.left_out, atol=1e-8)
    np.testing.assert_allclose(plain.predict(rows), equal.predict(rows), atol=1e-8)
