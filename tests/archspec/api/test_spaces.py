"""Search spaces from Python: counts, draws, budgets and fronts, against every layout measured one by one."""

import pytest

import archspec
from archspec.errors import SpecError

SMALL = {
    "name": "small",
    "resolution": 32,
    "stem": {"type": "hr_stem", "width": 8},
    "stages": [
        {"block": "HR", "depth": {"range": [1, 3]}, "width": {"choice": [8, 12]}, "expansion": 2},
        {"block": {"choice": ["CFFN", "HR"]}, "depth": 1, "width": {"choice": [16, 24]}, "expansion": 2},
    ],
    "head": {"type": "classifier", "classes": 10},
}

PARALLEL = {
    "name": "sides",
    "resolution": 32,
    "topology": "parallel",
    "stem": {"type": "hrnet_stem", "hidden": 4, "width_out": 8},
    "stages": [
        {"block": "basic", "depth": {"range": [1, 2]}, "widths": [8]},
        {
            "blocks": ["basic", "T"],
            "depths": [1, 1],
            "widths": [8, {"choice": [8, 12]}],
            "heads": [None, {"choice": [2, 3]}],
            "downsamples": [None, "conv_relu"],
            "fuse": {"type": "fuse"},
        },
    ],
    "head": {"type": "hr_classifier", "planes": 2, "hidden": 8, "classes": 3},
}
"""Of its 8 ways to fill the holes, the two with 3 heads on 8 channels are impossible."""


@pytest.fixture(scope="module")
def small():
    return archspec.space(SMALL)


@pytest.fixture(scope="module")
def macs(small):
    return {spec.digest: archspec.measure(spec).macs for spec in small}


def test_a_space_counts_and_gives_its_layouts(small, macs):
    assert len(small) == small.count() == len(macs) == len(list(small)) == 24
    assert small.holes["stages[0].depth"] == (1, 2, 3)
    assert "small" in repr(small)
    assert bool(small)


def test_a_budget_leaves_exactly_the_layouts_that_keep_it(small, macs):
    limit = sorted(macs.values())[10]
    inside = {digest for digest, cost in macs.items() if cost <= limit}
    for budget in (f"<= {limit}", [f"macs <= {limit}"], {"macs": f"<= {limit}"}):
        within = small.within(budget)
        assert {spec.digest for spec in within} == inside
        assert len(within) == small.count(budget) == len(inside)
    narrower = small.within(f"<= {limit}").within(f">= {limit}")
    assert [macs[spec.digest] for spec in narrower] == [limit]
    assert list(narrower.budget) == ["macs"]


def test_draws_are_different_inside_and_the_same_for_a_seed(small, macs):
    limit = sorted(macs.values())[10]
    drawn = small.sample(6, seed=3, budget=f"<= {limit}")
    assert len({spec.digest for spec in drawn}) == 6
    assert all(macs[spec.digest] <= limit for spec in drawn)
    assert [spec.digest for spec in small.within(f"<= {limit}").sample(4, seed=3)] == [s.digest for s in drawn[:4]]
    assert [spec.digest for spec in small.sample(6, seed=4)] != [spec.digest for spec in small.sample(6, seed=3)]


def test_the_front_is_that_of_all_layouts(small):
    points = [archspec.measure(spec) for spec in small]
    found = small.front("macs", "params")
    best = {
        (one.macs, one.params)
        for one in points
        if not any(
            other.macs <= one.macs
            and other.params >= one.params
            and (other.macs, other.params) != (one.macs, one.params)
            for other in points
        )
    }
    assert {(member.metrics["macs"], member.metrics["params"]) for member in found} == best
    costs = archspec.measure(found[0].spec)
    assert {name: getattr(costs, name) for name in found[0].metrics} == dict(found[0].metrics)
    table = found.to_frame()
    assert list(table.columns[:3]) == ["code", "macs", "params"]
    assert table["macs"].is_monotonic_increasing
    assert isinstance(found[:1], archspec.ParetoFront)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda space: space.count("<= 2Q"), r"budget: '<= 2Q': unknown unit 'Q'"),
        (lambda space: space.within({"macz": "<= 2G"}), r"budget: .*did you mean macs\?"),
        (lambda space: space.sample(1000), r"n: cannot draw 1,000 different layouts: the space has 24"),
        (lambda space: space.sample(1, budget="<= 1"), r"n: cannot draw 1 different layouts: the space has 0 inside"),
        (lambda space: space.front("mac"), r"front: 'mac' is no cost .* \(did you mean macs\?\)"),
        (lambda space: space.within("<= 1k").within(">= 1G"), "exclude each other"),
        (lambda space: archspec.space("five_stage_tinny"), r"no shipped space \(did you mean five_stage_tiny\?\)"),
        (lambda space: archspec.space({"stem": "hr_stem"}), "needs at least one hole"),
        (lambda space: archspec.space({**SMALL, "stem": "hr_stemm"}), r"stem: unknown stem .*did you mean hr_stem"),
    ],
)
def test_mistakes_are_told_in_words_of_python(small, ask, message):
    with pytest.raises(SpecError, match=message) as caught:
        ask(small)
    assert "--" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_budget_may_leave_nothing(small):
    nothing = small.within("<= 1")
    assert (nothing.count(), list(nothing), bool(nothing)) == (0, [], True)


def test_a_space_without_tables_is_gone_through_one_by_one():
    sides = archspec.space(PARALLEL)
    digests = [spec.digest for spec in sides]
    assert len(sides) == len(set(digests)) == 6
    drawn = [spec.digest for spec in sides.sample(6, seed=1)]
    assert sorted(drawn) == sorted(digests)
    assert [spec.digest for spec in sides.sample(2, seed=1)] == drawn[:2]
    with pytest.raises(SpecError, match="gives 6 different layouts, not 7"):
        sides.sample(7)
    with pytest.raises(SpecError, match="cannot be tabulated for parallel branches"):
        sides.count("<= 1G")


def test_what_is_shown_is_escaped(small):
    named = archspec.space({**SMALL, "name": "<b>bold</b>", "description": "a & b"})
    assert "&lt;b&gt;bold" in named._repr_html_()
    assert "a &amp; b" in named._repr_html_()
    front = archspec.ParetoFront([], ("<i>",))
    assert "<i>" not in front._repr_html_()
