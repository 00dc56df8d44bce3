"""The counts that docs/papers/paper.md states are those of the families."""

import re
from pathlib import Path

import pytest

from reports.paper.tables import paper

PAGE = (Path(__file__).parents[1] / "docs" / "papers" / "paper.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("family", ["W", "V", "X", "U"])
def test_the_counts_of_the_families_are_theirs(family):
    row = re.search(rf"^\| {family} \|.*\| (\d+) \|$", PAGE, re.MULTILINE)
    assert row is not None
    assert paper("hiri-vit", family).count("off") == int(row[1])
