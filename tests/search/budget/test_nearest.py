"""The nearest layout inside a budget, against a look at every layout of a small space."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.cost.tables import MetricAt
from archspec.documents.reader import parse_document
from search.budget.nearest import SPAN, changed, moves, nearest, span
from search.space.encoding import Encoding
from search.space.holes import Hole
from search.space.limits import Limit, parse_limits, settle
from search.space.space import parse_space

SPACE = """
name: small
resolution: 32
stem: {type: hr_stem, width: {choice: [8, 16]}}
stages:
  - {block: HR, depth: {range: [1, 3]}, width: {choice: [8, 12, 16]}, expansion: {choice: [4, 2]}}
  - block: {choice: {CFFN: CFFN, T: {type: T, heads: {choice: [2, 3, 4]}}}}
    depth: {range: [1, 2]}
    width: {choice: [12, 16, 24]}
    expansion: {choice: [2, 4]}
    downsample: irds_b
head: {type: classifier, classes: 10}
"""
METRICS = (MetricAt("macs", 32), MetricAt("params", 32), MetricAt("macs", 48))


class Table:
    """A space with all its layouts, possible or not, and their prices."""

    def __init__(self, text: str) -> None:
        self.encoding = Encoding(parse_space(parse_document(text, "space.yaml")))
        self.rows = np.array(list(product(*(range(count) for count in self.encoding.options))))
        self.chain = self.encoding.chain(METRICS)
        self.prices = self.chain.price(self.rows)

    def inside(self, box):
        keep = self.prices[:, 0] >= 0
        for limit in box:
            cost = self.prices[:, METRICS.index(limit.metric)]
            keep &= cost >= (0 if limit.low is None else limit.low)
            keep &= cost <= (2**62 if limit.high is None else limit.high)
        return keep

    def nearest(self, box, row):
        """The definition: by changes, then distance, then the order of the file."""
        far = moves(self.encoding, row)
        inside = self.rows[self.inside(box)]

        def key(other):
            changes = sum(int(table[option]) for table, option in zip(far.changes, other, strict=True))
            distance = sum(int(table[option]) for table, option in zip(far.distance, other, strict=True))
            return changes, distance, tuple(other)

        return min(inside, key=key, default=None)


@pytest.fixture(scope="module")
def small():
    return Table(SPACE)


costs = st.integers(0, 2_000_000)


@st.composite
def boxes(draw):
    limits = []
    for index in draw(st.sets(st.integers(0, 2), min_size=1)):
        scale = 1 if METRICS[index].name == "macs" else 0.05
        ends = sorted(int(draw(costs) * scale) for _ in range(2))
        shape = draw(st.sampled_from(["below", "above", "between"]))
        low, high = (None if shape == "below" else ends[0]), (None if shape == "above" else ends[1])
        limits.append(Limit(METRICS[index], low, high))
    return tuple(limits)


@settings(max_examples=150, deadline=None)
@given(boxes(), st.integers(0, 10**9))
def test_the_nearest_is_what_a_look_at_every_layout_finds(small, box, pick):
    row = small.rows[pick % len(small.rows)]
    found = nearest(small.chain, box, moves(small.encoding, row)).choices
    expected = small.nearest(box, row)
    assert (found is None) == (expected is None)
    assert expected is None or found.tolist() == expected.tolist()


def test_bounds_on_several_limits_and_small_batches_change_nothing(small, monkeypatch):
    """Neither how soon the relaxation is asked, nor how many beginnings are extended at a time, decides the answer."""
    rng = np.random.default_rng(0)
    monkeypatch.setattr("search.budget.nearest.FEW", -1)
    possible = small.prices[small.prices[:, 0] >= 0]
    found = []
    for index in range(60):
        monkeypatch.setattr("search.budget.nearest.CHUNK", (1, 50, 1 << 18)[index % 3])
        monkeypatch.setattr("search.budget.nearest.BEAM", (1, 3, 2048)[index % 3])
        center = possible[rng.integers(len(possible))]
        ends = [(cost - cost // 40, cost + cost // 40) for cost in center.tolist()]
        shapes = rng.integers(0, 3, 3)
        box = tuple(
            Limit(metric, low if shape < 2 else None, high if shape > 0 else None)
            for metric, (low, high), shape in zip(METRICS, ends, shapes, strict=True)
        )
        row = small.rows[rng.integers(len(small.rows))]
        far = moves(small.encoding, row)
        near = nearest(small.chain, box, far).choices
        assert near.tolist() == small.nearest(box, row).tolist()
        found.append(sum(int(table[option]) for table, option in zip(far.changes, near, strict=True)))
    assert max(found) >= 5


def test_the_examples_are_not_all_empty_or_near(small):
    """The costs above hit the space: some boxes need several changes."""
    box = settle(parse_limits(["600k..610k"]), 32)
    changes = set()
    for row in small.rows[:: len(small.rows) // 60]:
        far = moves(small.encoding, row)
        found = nearest(small.chain, box, far).choices
        changes.add(sum(int(table[option]) for table, option in zip(far.changes, found, strict=True)))
    assert {1, 2, 3} <= changes


def test_a_layout_inside_stays_as_it_is(small):
    box = settle(parse_limits(["<= 100M"]), 32)
    for row in small.rows[small.prices[:, 0] >= 0][::97]:
        assert nearest(small.chain, box, moves(small.encoding, row)).choices.tolist() == row.tolist()


def test_an_impossible_layout_becomes_possible(small):
    box = settle(parse_limits([">= 0"]), 32)
    impossible = small.rows[small.prices[:, 0] < 0]
    assert len(impossible)
    for row in impossible[::29]:
        found = nearest(small.chain, box, moves(small.encoding, row)).choices
        assert small.chain.price(found[None]).min() >= 0


def test_an_empty_box_has_no_nearest(small):
    for text in ("<= 1", ">= 1G"):
        found = nearest(small.chain, settle(parse_limits([text]), 32), moves(small.encoding, small.rows[0]))
        assert (found.choices, found.decided) == (None, True)


def test_what_opens_or_closes_with_another_hole_is_no_change_of_its_own(small):
    encoding = small.encoding
    params = encoding.params(small.rows[0]) | {"stages[1].block": "CFFN"}
    far = moves(encoding, encoding.encode(params))
    other = encoding.encode({**params, "stages[1].block": "T", "stages[1].block.T.heads": 4})
    component = encoding.names.index("stages.1")
    assert far.changes[component][other[component]] == 1
    assert far.distance[component][other[component]] == SPAN


def test_numbers_are_as_far_apart_as_their_ranks_and_words_are_all_alike():
    assert span(Hole("width", (8, 64, 12), ordered=False)).tolist() == [
        [0, SPAN, SPAN // 2],
        [SPAN, 0, SPAN // 2],
        [SPAN // 2, SPAN // 2, 0],
    ]
    assert span(Hole("block", ("HR", "T", "CFFN"), ordered=False)).tolist() == (SPAN * (1 - np.eye(3))).tolist()
    assert span(Hole("one", (5,), ordered=True)).tolist() == [[0]]


def test_changes_are_told_in_the_order_of_the_file():
    before = {"a": 1, "b": "T", "b.T.heads": 3}
    assert changed(before, {"a": 2, "b": "T", "b.T.heads": 3}) == ("a: 1 -> 2",)
    assert changed(before, {"a": 1, "b": "CFFN"}) == ("b: T -> CFFN",)
    assert changed({"b": "CFFN"}, {"b": "T", "b.T.heads": 3}) == ("b: CFFN -> T", "b.T.heads: none -> 3")
