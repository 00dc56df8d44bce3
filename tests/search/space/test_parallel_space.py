"""Spaces over specs of parallel branches: holes as anywhere, and one line where cost tables would be needed."""

import random

import pytest

from archspec.cost.measure import measure
from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.loader import load
from search.budget.fix import fix, read_budget
from search.space.encoding import Encoding
from search.space.space import parse_space

SPACE = """
name: two
topology: parallel
resolution: 32
stem: {type: hrnet_stem, hidden: 4, width_out: 8}
stages:
  - {block: basic, depth: {range: [1, 2]}, widths: [8]}
  - blocks: [{choice: [basic, HR]}, T]
    depths: [1, {range: [1, 3]}]
    widths: [8, {choice: [8, 12, 16]}]
    heads: [~, {choice: [1, 2, 3]}]
    downsamples: [~, conv_relu]
    fuse: {type: fuse, down: {choice: [chain, step]}}
head: {type: hr_classifier, planes: 2, hidden: 8, classes: 3}
"""


def test_layouts_are_filled_repaired_and_measured():
    space = parse_space(parse_document(SPACE, "space.yaml"))
    assert space.count() == 2 * 2 * 3 * 3 * 3 * 2
    rng = random.Random(0)
    layouts = [space.sample(rng) for _ in range(30)]
    assert len({layout.spec.digest for layout in layouts}) > 15
    assert len({measure(layout.spec).macs for layout in layouts}) > 10
    assert any(layout.repaired for layout in layouts)  # 3 heads divide 12 channels only


def test_a_space_may_choose_the_paths_of_an_exchange():
    paths = "paths: {choice: {all: ~, to_coarser: [[0, 1]], to_finer: [[1, 0]], named: [[1, 0], [0, 1]]}}"
    space = parse_space(parse_document(SPACE.replace("{choice: [chain, step]}", f"step, {paths}"), "space.yaml"))
    hole = next(hole for hole in space.holes if hole.path == "stages[1].fuse.paths")
    assert hole.options == ("all", "to_coarser", "to_finer", "named")
    found = {}
    for label in hole.options:
        layout = space.fill(lambda other, label=label: label if other is hole else other.options[0])
        found[label] = layout.spec
    assert found["to_finer"].branched[1].fuse.paths == ((1, 0),)
    assert found["named"] == found["all"]  # one layout, however it is written: it is trained once
    assert len({spec.digest for spec in found.values()}) == 3
    with pytest.raises(
        SpecError, match=r"space.yaml:13: stages\[1\].fuse.paths\[0\]: no branch 2: the stage has 2, 0 to 1"
    ):
        parse_space(parse_document(SPACE.replace("{choice: [chain, step]}", "step, paths: [[0, 2]]"), "space.yaml"))
    choice = "step, paths: {choice: [[[0, 1]], [[0, 2]]]}"
    with pytest.raises(SpecError, match=r"space.yaml:13: stages\[1\].fuse.paths\[0\]: no branch 2: the stage has 2"):
        parse_space(parse_document(SPACE.replace("{choice: [chain, step]}", choice), "space.yaml"))


def test_what_needs_tables_refuses_in_one_line():
    space = parse_space(parse_document(SPACE, "space.yaml"))
    with pytest.raises(SpecError, match=r"space.yaml:3: topology: costs cannot be tabulated for parallel branches"):
        Encoding(space)
    with pytest.raises(SpecError, match="hrnet-w18: parallel branches cannot be edited to a budget"):
        fix(load("hrnet-w18"), read_budget(["macs<=1G"]))
