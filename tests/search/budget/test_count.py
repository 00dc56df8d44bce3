"""Counting, drawing and explaining, against brute force on small random chains."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from math import prod

import numpy as np
import pytest
from chains import restrict
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from archspec.cost.tables import Chain, Component, MetricAt
from archspec.errors import SpecError
from search.budget.count import (
    BoxSampler,
    count,
    distribution,
    explain,
    extremes,
    extremes_given,
    nearest,
    neighbours,
)
from search.counting import draw_binned, meet_in_the_middle, points
from search.counting.draw_traced import ExactDraw
from search.counting.enumeration import enumerate_layouts
from search.space.encoding import Encoding
from search.space.limits import Box, Limit
from search.space.space import load_space

METRICS = (MetricAt("macs"), MetricAt("params"), MetricAt("macs", 224))


def random_chain(rng: np.random.Generator, *, metrics: int = 3, components: int = 4, scale: int = 9) -> Chain:
    """A chain of few layouts, with impossible options, several states and costs that often coincide."""
    states = [1, *rng.integers(1, 4, components - 1).tolist(), 1]
    parts: list[Component] = []
    for index in range(components):
        shape = (states[index], int(rng.integers(1, 7)))
        after = rng.integers(-1, states[index + 1], shape).astype(np.int32)
        unit = int(rng.integers(1, 4))
        costs = rng.integers(0, scale, (*shape, metrics)) * unit + int(rng.integers(0, 5))
        costs[after < 0] = 0
        parts.append(Component(f"stages.{index}", costs, after))
    return Chain(METRICS[:metrics], tuple(parts))


def brute(chain: Chain) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every possible layout and its costs, by pricing all choices."""
    choices = np.array(list(product(*(range(part.options) for part in chain.components))), np.int64)
    costs = chain.price(choices)
    possible = costs[:, 0] >= 0
    return choices[possible], costs[possible]


def inside(costs: NDArray[np.int64], chain: Chain, box: Box) -> NDArray[np.bool_]:
    keep = np.ones(len(costs), bool)
    for limit in box:
        column = costs[:, chain.metrics.index(limit.metric)]
        keep &= np.array([limit.holds(int(cost)) for cost in column], bool)
    return keep


def random_box(rng: np.random.Generator, chain: Chain, limits: int) -> Box:
    box: list[Limit] = []
    most = [sum(int(part.costs[..., index].max()) for part in chain.components) for index in range(limits)]
    for metric, top in zip(chain.metrics[:limits], most, strict=True):
        low, high = sorted(rng.integers(-1, top + 2, 2).tolist())
        kind = rng.integers(0, 4)
        box.append(Limit(metric, None if kind == 0 else low, None if kind == 1 else high))
    return tuple(box)


seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_count_equals_brute_force(seed: int, limits: int) -> None:
    rng = np.random.default_rng(seed)
    chain = random_chain(rng)
    _, costs = brute(chain)
    for _ in range(4):
        box = random_box(rng, chain, limits)
        assert count(chain, box) == inside(costs, chain, box).sum()


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_count_does_not_depend_on_how_it_is_cut(seed: int) -> None:
    rng = np.random.default_rng(seed)
    chain = random_chain(rng, components=5)
    box = random_box(rng, chain, int(rng.integers(1, 4)))
    wanted = count(chain, box)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(meet_in_the_middle, "BATCH", 5)
        patch.setattr(meet_in_the_middle, "DENSE", 0)
        patch.setattr(points, "DENSE", 0)
        assert count(chain, box) == wanted
        patch.setattr(meet_in_the_middle.Meeting, "_size", lambda self, tier, component, *, first: -component)
        assert count(chain, box) == wanted


def wide_chain(components: int, options: int) -> Chain:
    """Option i of each component costs (i % 10, i % 7); 70 divides `options`, so all pairs are equally frequent."""
    index = np.arange(options)
    costs = np.stack([index % 10, index % 7], axis=1)[None].astype(np.int64)
    after = np.zeros((1, options), np.int32)
    return Chain(METRICS[:2], tuple(Component(f"stages.{i}", costs, after) for i in range(components)))


def polynomial(digits: int, components: int) -> list[int]:
    """How many sequences of digits below `digits` have each sum."""
    ways = [1]
    for _ in range(components):
        ways = [sum(ways[max(0, i - digits + 1) : i + 1]) for i in range(len(ways) + digits - 1)]
    return ways


def test_spaces_beyond_64_bits_are_counted_exactly() -> None:
    components, options = 12, 70_000
    chain = wide_chain(components, options)
    assert count(chain) == options**components > 2**190
    unit = (options // 70) ** components
    tens, sevens = polynomial(10, components), polynomial(7, components)
    macs, params = METRICS[:2]
    wanted = sum(tens[40:61]) * 7**components * unit
    assert count(chain, (Limit(macs, 40, 60),)) == wanted
    box = (Limit(macs, 40, 60), Limit(params, None, 30))
    assert count(chain, box) == sum(tens[40:61]) * sum(sevens[:31]) * unit
    edges, counts = distribution(chain, macs, 27)
    assert counts == [sum(tens[a:b]) * 7**components * unit for a, b in pairwise(edges.tolist())]


def test_drawing_beyond_64_bits_is_uniform_and_exact() -> None:
    chain = wide_chain(6, 70_000)
    box = (Limit(METRICS[0], 20, 24), Limit(METRICS[1], None, 16))
    sampler = BoxSampler(chain, box)
    assert sampler._proposer.grid.words > 1
    assert sampler._proposer.grid.count == count(chain, box)  # bins of width 1 reject nothing
    rows = sampler.sample(20_000, np.random.default_rng(1))
    assert inside(chain.price(rows), chain, box).all()
    tens = polynomial(10, 6)[20:25]
    seen = np.bincount(chain.price(rows)[:, 0] - 20, minlength=5)
    assert chi_square(seen, np.array(tens) / sum(tens)) < 25  # p = 5e-5 at 4 degrees of freedom
    options = np.bincount(rows[:, 3] // 7000, minlength=10)
    assert chi_square(options, np.full(10, 0.1)) < 40


def chi_square(seen: NDArray[np.integer], shares: NDArray[np.float64]) -> float:
    wanted = seen.sum() * shares
    return float(((seen - wanted) ** 2 / wanted).sum())


@given(seeds, st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_sampler_reaches_exactly_the_layouts_inside(seed: int, limits: int) -> None:
    rng = np.random.default_rng(seed)
    chain = random_chain(rng, components=3)
    choices, costs = brute(chain)
    box = random_box(rng, chain, limits)
    wanted = {tuple(row) for row in choices[inside(costs, chain, box)].tolist()}
    if not wanted:
        with pytest.raises(SpecError, match="no layout"):
            BoxSampler(chain, box)
        return
    rows = BoxSampler(chain, box).sample(40 * len(wanted), rng)
    assert {tuple(row) for row in rows.tolist()} == wanted


def sampled_statistic(chain: Chain, box: Box, seed: int, size: int, draw: str) -> tuple[float, int]:
    """The chi-square statistic of a sample over every layout inside, and its degrees of freedom."""
    choices, costs = brute(chain)
    places = {tuple(row): index for index, row in enumerate(choices[inside(costs, chain, box)].tolist())}
    sampler = BoxSampler(chain, box)
    rng = np.random.default_rng(seed)
    rows = ExactDraw(sampler._proposer.grid.lattice).draw(size, rng) if draw == "traced" else sampler.sample(size, rng)
    seen = np.bincount([places[tuple(row)] for row in rows.tolist()], minlength=len(places))
    return chi_square(seen, np.full(len(places), 1 / len(places))), len(places) - 1


@pytest.mark.parametrize("draw", ["proposed", "coarse", "words", "traced"])
@pytest.mark.parametrize("limits", [1, 2, 3])
def test_samples_are_uniform(draw: str, limits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if draw == "coarse":  # few bins, many rejections
        monkeypatch.setattr(draw_binned, "WORK", 400)
    if draw == "words":
        monkeypatch.setattr("search.counting.grid.SAFE", 1)
        monkeypatch.setattr("search.counting.grid.WORD", 4)
        monkeypatch.setattr("search.counting.draw_binned.WORD", 4)
    chain = random_chain(np.random.default_rng(197), components=4, scale=40)
    spans = [extremes(chain, metric) for metric in METRICS[:limits]]
    box = tuple(
        Limit(metric, low + (high - low) // 3, high - (high - low) // 5)
        for metric, (low, high) in zip(METRICS, spans, strict=False)
    )
    size = 3000 if draw == "traced" else 30_000
    statistic, freedom = sampled_statistic(chain, box, 7, size, draw)
    assert freedom > 20
    assert abs(statistic - freedom) < 3.3 * (2 * freedom) ** 0.5  # two-sided p about 1e-3, at this one seed


def test_tiny_boxes_are_drawn_by_the_meeting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw_binned, "WORK", 10_000)
    rng = np.random.default_rng(0)
    parts = tuple(
        Component(f"stages.{i}", rng.integers(0, 10**12, (1, 40, 2)), np.zeros((1, 40), np.int32)) for i in range(4)
    )
    chain = Chain(METRICS[:2], parts)
    costs = np.concatenate([costs for _, costs in enumerate_layouts(chain)])
    middle = np.sort(costs[:, 0])[len(costs) // 2 :][:6]
    box = (Limit(METRICS[0], int(middle[0]), int(middle[5])), Limit(METRICS[1], 1, None))
    assert count(chain, box) == 6
    sampler = BoxSampler(chain, box)
    assert sampler._tracer is not None
    rows = sampler.sample(300, np.random.default_rng(1))
    assert set(chain.price(rows)[:, 0].tolist()) == set(middle.tolist())
    with pytest.raises(
        SpecError, match=rf"the nearest below has {middle[0]:,} and the nearest above has {middle[1]:,}"
    ):
        BoxSampler(chain, (Limit(METRICS[0], int(middle[0]) + 1, int(middle[1]) - 1),))


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_extremes_nearest_and_distribution(seed: int) -> None:
    rng = np.random.default_rng(seed)
    chain = random_chain(rng)
    _, costs = brute(chain)
    metric = METRICS[0]
    if not len(costs):
        assert count(chain) == 0
        with pytest.raises(SpecError, match="possible"):
            extremes(chain, metric)
        return
    column = costs[:, 0]
    assert extremes(chain, metric) == (column.min(), column.max())
    edges, counts = distribution(chain, metric, 7)
    assert counts == [((column >= a) & (column < b)).sum() for a, b in pairwise(edges)]
    assert sum(counts) == len(costs)
    low, high = sorted(rng.integers(0, int(column.max()) + 5, 2).tolist())
    for limit in (Limit(metric, low, high), Limit(metric, None, high), Limit(metric, low, None)):
        gaps = [max(0, (limit.low or 0) - cost, cost - (high if limit.high is None else limit.high)) for cost in column]
        if limit.high is None:
            gaps = [max(0, low - cost) for cost in column]
        found = nearest(chain, limit)
        assert min(gaps) == gaps[column.tolist().index(found)]
        assert count(chain, (limit,)) == inside(costs, chain, (limit,)).sum()


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_extremes_under_another_limit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    chain = random_chain(rng)
    _, costs = brute(chain)
    (limit,) = random_box(rng, chain, 1)
    column = costs[inside(costs, chain, (limit,)), 1]
    wanted = (column.min(), column.max()) if len(column) else None
    assert extremes_given(chain, METRICS[1], limit) == wanted


def line_chain() -> Chain:
    """Costs (10 i, 100 - 10 i) for i from 1 to 9: what is cheap in one is dear in the other."""
    costs = np.array([[[10 * i, 100 - 10 * i, 5] for i in range(1, 10)]], np.int64)
    return Chain(METRICS, (Component("stem", costs, np.zeros((1, 9), np.int32)),))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ([(0, None, 9)], "no layout meets macs <= 9: the cheapest has 10"),
        ([(1, 91, None)], "no layout meets params >= 91: the dearest has 90"),
        ([(0, 11, 19)], "no layout meets macs 11..19: the nearest below has 10 and the nearest above has 20"),
        ([(0, None, 40), (1, None, 40)], "with params <= 40, the smallest macs is 60"),
        ([(0, 60, None), (1, 60, None)], "with params >= 60, the largest macs is 40"),
        ([(2, None, 9), (0, None, 40), (1, None, 40)], "with params <= 40, the smallest macs is 60"),
    ],
)
def test_empty_boxes_are_explained(limits: Sequence[tuple[int, int | None, int | None]], message: str) -> None:
    chain = line_chain()
    box = tuple(Limit(METRICS[index], low, high) for index, low, high in limits)
    assert count(chain, box) == 0
    assert message in explain(chain, box)
    with pytest.raises(SpecError) as caught:
        BoxSampler(chain, box)
    assert message in str(caught.value)


def test_a_metric_without_a_table_is_named() -> None:
    with pytest.raises(SpecError, match="no table of activations; there are tables of macs, params, macs@224"):
        count(line_chain(), (Limit(MetricAt("activations"), None, 5),))


def test_too_many_sums_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meet_in_the_middle, "MAX_POINTS", 10)
    monkeypatch.setattr(meet_in_the_middle, "BATCH", 10)
    with pytest.raises(SpecError, match="too many distinct costs"):
        count(wide_chain(4, 700), (Limit(METRICS[0], 5, 8), Limit(METRICS[1], 5, 8)))


@given(seeds, st.integers(1, 300))
@settings(max_examples=60, deadline=None)
def test_enumeration_gives_every_layout_in_order(seed: int, block: int) -> None:
    chain = random_chain(np.random.default_rng(seed))
    choices, costs = brute(chain)
    blocks = list(enumerate_layouts(chain, block))
    assert sum(len(part) for part, _ in blocks) == len(choices)
    if len(choices):
        np.testing.assert_array_equal(np.concatenate([part for part, _ in blocks]), choices)
        np.testing.assert_array_equal(np.concatenate([part for _, part in blocks]), costs)
        most = max(part.options for part in chain.components)
        assert max(len(part) for part, _ in blocks) <= max(block, most)


def test_neighbours_differ_in_one_hole() -> None:
    encoding = Encoding(load_space("five_stage_tiny"))
    macs = MetricAt("macs")
    chain = encoding.chain([macs])
    row = BoxSampler(chain).sample(1, np.random.default_rng(3))[0]
    params = encoding.params(row)
    cost = int(chain.price(row[None])[0, 0])
    box = (Limit(macs, cost * 9 // 10, cost * 11 // 10),)
    everywhere = {tuple(near) for near in neighbours(encoding, row).tolist()}
    near = neighbours(encoding, row, box)
    assert 0 < len(near) < len(everywhere)
    assert inside(chain.price(near), chain, box).all()
    wanted = set()
    for slot in encoding.slots:
        if slot.path not in params:
            continue
        for option in slot.options:
            if option == params[slot.path]:
                continue
            changed = {path: value for path, value in params.items() if not path.startswith(f"{slot.path}.")}
            changed[slot.path] = option
            changed |= {inner.path: inner.options[0] for inner in slot.nested.get(option, ())}
            candidate = encoding.encode(changed)
            if chain.price(candidate[None])[0, 0] >= 0:
                wanted.add(tuple(candidate.tolist()))
    assert everywhere == wanted


def test_the_shipped_space_agrees_with_enumeration_where_it_is_cut_down() -> None:
    encoding = Encoding(load_space("five_stage"))
    chain = encoding.chain([MetricAt("macs"), MetricAt("params")])
    rng = np.random.default_rng(0)
    few = [rng.choice(options, 12, replace=False).tolist() for options in encoding.options[2:-1]]
    chain = restrict(chain, [None, [1, 2], *few, None])
    costs = np.concatenate([costs for _, costs in enumerate_layouts(chain)])
    assert len(costs) == count(chain) > 100_000
    medians = np.median(costs, axis=0).astype(int).tolist()
    box = (Limit(MetricAt("macs"), medians[0], medians[0] * 6 // 5), Limit(MetricAt("params"), None, medians[1]))
    assert count(chain, box) == inside(costs, chain, box).sum()
    assert prod(chain.options) >= count(chain)
