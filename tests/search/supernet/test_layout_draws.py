"""Layouts for the training of a supernet: functions of seed and step, inside the budget, and the exact extremes."""

from collections import Counter

import pytest
from small_supernets import SPACE, make_plan

from archspec.cost.measure import measure
from archspec.documents.reader import Document
from search.space.space import parse_space


@pytest.fixture(scope="module")
def macs() -> dict[str, int]:
    """MACs of every layout of the space by its digest, counted one by one."""
    fit = make_plan().data.fit
    specs = [fit(layout.spec) for layout in parse_space(Document(SPACE, "")).enumerate()]
    return {spec.digest: measure(spec).macs for spec in specs}


def test_largest_and_smallest_are_those_of_the_whole_space(macs):
    draws = make_plan().draws
    assert measure(draws.largest).macs == max(macs.values())
    assert measure(draws.smallest).macs == min(macs.values())


def test_inside_a_budget_all_layouts_keep_it_and_the_largest_comes_near(macs):
    limit = sorted(macs.values())[len(macs) // 2]
    draws = make_plan(budget={"macs": f"<= {limit}"}).draws
    assert measure(draws.largest).macs == limit
    assert measure(draws.smallest).macs == min(macs.values())
    assert all(macs[spec.digest] <= limit for spec in draws.draw(0, 0, 50))


def test_seed_and_step_alone_decide_and_every_layout_is_as_likely(macs):
    first, second = make_plan().draws, make_plan().draws
    second.draw(0, 17, 5)  # what was drawn before must not matter
    assert [spec.digest for spec in first.draw(1, 2, 4)] == [spec.digest for spec in second.draw(1, 2, 4)]
    steps = [spec.digest for step in range(8) for spec in first.draw(1, step, 40)]
    assert steps[:40] != [spec.digest for spec in first.draw(2, 0, 40)]
    assert steps[:40] != steps[40:80]
    counts = Counter(steps)
    assert counts.keys() == macs.keys()
    expected = len(steps) / len(macs)
    spread = sum((counts[digest] - expected) ** 2 / expected for digest in macs)
    assert spread < len(macs) + 4 * (2 * len(macs)) ** 0.5  # chi-square, four deviations
