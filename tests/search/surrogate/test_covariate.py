"""A covariate of the surrogate: it stands for an estimate by a sum, and its gate tells knowledge from noise."""

import numpy as np
import pytest

from archspec.cost.tables import Chain, MetricAt
from search.estimate.rank_correlation import kendall
from search.space.encoding import Encoding
from search.space.space import load_space
from search.surrogate.covariate import Covariate, describe_gate
from search.surrogate.features import Features
from search.surrogate.model import fit_surrogate


@pytest.fixture(scope="module")
def encoding() -> Encoding:
    return Encoding(load_space("five_stage_tiny"))


@pytest.fixture(scope="module")
def features(encoding) -> Features:
    return Features(encoding)


@pytest.fixture(scope="module")
def chain(encoding) -> Chain:
    return encoding.chain([MetricAt("macs")])


def draw(encoding: Encoding, chain: Chain, rng: np.random.Generator, count: int) -> np.ndarray:
    rows = np.stack([rng.integers(0, options, 4 * count) for options in encoding.options], axis=1)
    return rows[chain.price(rows)[:, 0] >= 0][:count]


def hidden(features: Features, rows: np.ndarray) -> np.ndarray:
    """Some sum over components that cost does not tell."""
    rng = np.random.default_rng(5)
    return features.rows(rows) @ rng.normal(size=sum(table.shape[1] for table in features.tables))


def test_with_a_covariate_that_knows_few_trainings_say_much(encoding, features, chain):
    rng = np.random.default_rng(0)
    rows, few, other = draw(encoding, chain, rng, 200), draw(encoding, chain, rng, 20), draw(encoding, chain, rng, 200)
    covariate = Covariate("known", chain, features, rows, 1000 + 7 * hidden(features, rows))
    assert covariate.kendall > 0.8
    truth, costs = hidden(features, few), chain.price(few)[:, 0]
    values = truth + 0.3 * truth.std() * rng.normal(size=len(few))
    plain = fit_surrogate(features, few, values, costs=costs)
    better = fit_surrogate(features, few, values, costs=costs, covariates=[covariate.terms])
    expected, prices = hidden(features, other), chain.price(other)[:, 0]
    assert kendall(better.predict(other, prices), expected) > kendall(plain.predict(other, prices), expected) + 0.2


def test_the_gate_lets_in_what_tells_more_than_cost_and_nothing_else(encoding, features, chain):
    rng = np.random.default_rng(1)
    rows, trained = draw(encoding, chain, rng, 120), draw(encoding, chain, rng, 40)
    values = hidden(features, trained) + 0.1 * rng.normal(size=len(trained))
    known = Covariate("known", chain, features, rows, hidden(features, rows)).judge(trained, values, 0)
    noise = Covariate("noise", chain, features, rows, rng.normal(size=len(rows))).judge(trained, values, 0)
    macs = Covariate("macs", chain, features, rows, np.log(chain.price(rows)[:, 0])).judge(trained, values, 0)
    assert (known.covariate, noise.covariate, macs.covariate) == (True, False, False)
    few = Covariate("known", chain, features, rows, hidden(features, rows)).judge(trained[:9], values[:9], 0)
    assert describe_gate(few).keys() == {"partial", "layouts", "used"}
    assert describe_gate(known)["used"]
    assert describe_gate(known)["low"] > 0


def test_a_covariate_that_adds_nothing_changes_nothing(encoding, features, chain):
    rng = np.random.default_rng(2)
    rows = draw(encoding, chain, rng, 30)
    values, costs = rng.normal(size=30), chain.price(rows)[:, 0]
    constant = [np.full(len(table), 0.5) for table in features.tables]
    plain = fit_surrogate(features, rows, values, costs=costs)
    same = fit_surrogate(features, rows, values, costs=costs, covariates=[constant])
    np.testing.assert_array_equal(plain.left_out, same.left_out)
