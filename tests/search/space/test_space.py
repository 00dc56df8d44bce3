"""Spaces: holes, counts, repairs, and what is refused."""

import random
from typing import Any

import optuna
import pytest

from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.spec.schema import ArchSpec
from search.run.proposals import suggest_option
from search.space.holes import has_holes
from search.space.space import Space, load_space, parse_space, spaces

BASE = """
resolution: 64
stem: {type: hr_stem, width: 8}
stages:
  - {block: HR, depth: %(depth)s, width: %(width)s}
  - {block: %(block)s, depth: 1, width: %(width2)s, downsample: irds_b}
head: {type: classifier, classes: 10}
"""


def space(**holes: Any) -> Space:
    values = {"depth": 1, "width": 8, "block": "CFFN", "width2": 12, **holes}
    return parse_space(parse_document(BASE % values, "space.yaml"))


def test_count_is_exact_over_conditional_holes():
    block = "{choice: {CFFN: CFFN, T: {type: T, heads: {choice: [1, 2, 3]}, ffn: {choice: [conv, plain]}}}}"
    made = space(depth="{range: [1, 4]}", block=block)
    assert made.count() == 4 * (1 + 3 * 2)
    layouts = list(made.enumerate())
    assert len(layouts) == made.count()
    assert len({layout.spec.digest for layout in layouts}) == made.count()


def test_parameters_are_dotted_paths_and_hold_only_open_holes():
    block = "{choice: {CFFN: CFFN, T: {type: T, heads: {choice: [2, 3]}}}}"
    made = space(width="{choice: [8, 16]}", block=block)
    plain = made.fill(lambda hole: hole.options[0])
    assert plain.params == {"stages[0].width": 8, "stages[1].block": "CFFN"}
    attention = made.fill(lambda hole: hole.options[-1])
    assert attention.params == {"stages[0].width": 16, "stages[1].block": "T", "stages[1].block.T.heads": 3}
    assert attention.spec.stages[1].blocks[0].heads == 3


@pytest.mark.parametrize(
    ("text", "options"),
    [("[1, 3]", (1, 2, 3)), ("[4, 16, 4]", (4, 8, 12, 16)), ("[4, 15, 4]", (4, 8, 12)), ("[2, 3, 0.5]", (2, 2.5, 3))],
)
def test_ranges_include_both_ends(text, options):
    template = BASE.replace("depth: 1", "depth: 1, expansion: " + "{range: " + text + "}")
    values = {"depth": 1, "width": 8, "block": "CFFN", "width2": 12}
    assert parse_space(parse_document(template % values, "space.yaml")).holes[0].options == options


def test_a_choice_may_hold_lists_of_blocks():
    made = space(block="{choice: [T, [CFFN, T], [CFFN, {type: T, heads: 3}]]}")
    assert made.holes[0].options == ("T", "CFFN+T", "CFFN+T,heads=3")
    spec = made.fill(lambda hole: "CFFN+T,heads=3").spec
    assert [type(block).__name__ for block in spec.stages[1].blocks] == ["CFFN", "T"]
    assert spec.stages[1].blocks[1].heads == 3


def test_an_impossible_choice_is_repaired_by_the_nearest_single_change():
    made = space(block="{type: T, heads: {choice: [2, 5, 8]}}", width2="{choice: [24, 40]}")
    repaired = made.fill(lambda hole: 5 if hole.path.endswith("heads") else 24)
    assert repaired.repaired == ("stages[1].block.heads: 5 -> 2",)
    assert repaired.params == {"stages[1].block.heads": 2, "stages[1].width": 24}
    again = made.fill(lambda hole: 5 if hole.path.endswith("heads") else 24)
    assert again == repaired


def test_repair_reaches_every_stage_and_changes_nothing_else():
    text = BASE.replace("block: HR", "block: {type: T, heads: {choice: [3, 4]}}") % {
        "depth": "{range: [1, 2]}",
        "width": "{choice: [8, 12]}",
        "block": "{type: T, heads: {choice: [5, 4]}}",
        "width2": "{choice: [12, 20]}",
    }
    layout = parse_space(parse_document(text, "space.yaml")).fill(lambda hole: hole.options[0])
    assert layout.repaired == ("stages[0].block.heads: 3 -> 4", "stages[1].block.heads: 5 -> 4")
    assert (layout.params["stages[0].depth"], layout.params["stages[0].width"]) == (1, 8)


def test_a_space_in_column_form_is_repaired_too():
    text = """
resolution: 64
stem: hr_stem
blocks: [HR, T]
widths: [8, {choice: [12, 16]}]
heads: [~, {choice: [4, 3]}]
depths: [{range: [1, 2]}, 1]
"""
    made = parse_space(parse_document(text, "columns.yaml"))
    layout = made.fill(lambda hole: hole.options[-1])
    assert layout.repaired == ("heads[1]: 3 -> 4",)
    assert layout.spec.stages[0].depth == 2


def test_an_option_that_is_never_possible_is_refused():
    with pytest.raises(SpecError, match=r"space.yaml:6: stages\[1\]: width 12 must be divisible by heads 5"):
        space(block="{type: T, heads: {choice: [4, 5]}}", width2="{choice: [12, 16]}")


@pytest.mark.parametrize("name", spaces())
def test_shipped_spaces_give_valid_specs(name):
    made = load_space(name)
    rng = random.Random(3)
    for _ in range(40):
        layout = made.sample(rng)
        assert made.decode(layout.params).digest == layout.spec.digest
        assert ArchSpec.model_validate(layout.spec.canonical()).digest == layout.spec.digest


def test_shipped_spaces_hold_hiri_vit_s_and_a_trillion_layouts():
    assert load_space("five_stage").count() > 10**12
    hiri = {
        "stem.width": 32,
        "stages[0].block": "HR", "stages[0].depth": 2, "stages[0].width": 32, "stages[0].expansion": 4,
        "stages[1].block": "HR", "stages[1].depth": 2, "stages[1].width": 64, "stages[1].expansion": 4,
        "stages[2].block": "CFFN", "stages[2].depth": 2, "stages[2].width": 128, "stages[2].expansion": 6,
        "stages[3].block": "T", "stages[3].block.T.heads": 5, "stages[3].depth": 9, "stages[3].width": 320,
        "stages[3].expansion": 5, "stages[4].block": "T", "stages[4].block.T.heads": 8, "stages[4].depth": 4,
        "stages[4].width": 512, "stages[4].expansion": 5,
    }  # fmt: skip
    from archspec.loader import load

    preset = load("hiri-vit-s").model_copy(update={"variants": {}})
    assert load_space("five_stage").decode(hiri).canonical()["stages"] == preset.canonical()["stages"]


def test_a_trial_suggests_integers_in_ranges_and_categories_elsewhere():
    made = space(depth="{range: [1, 4]}", width="{choice: [8, 16]}")
    trial = optuna.create_study().ask()
    made.fill(lambda hole: suggest_option(trial, hole))
    kinds = {name: type(d).__name__ for name, d in trial.distributions.items()}
    assert kinds == {"stages[0].depth": "IntDistribution", "stages[0].width": "CategoricalDistribution"}


def test_a_plain_spec_has_no_holes():
    assert not has_holes({"stages": [{"width": 3, "choice": 1}]})
    assert has_holes({"stages": [{"width": {"choice": [3]}}]})


@pytest.mark.parametrize(
    ("holes", "message"),
    [
        (
            {},
            "space.yaml:2: this is a spec (one layout): a space needs at least one hole: {choice: [...]} or",
        ),
        ({"width": "{choice: []}"}, "space.yaml:5: stages[0].width.choice: must be a list of values or a mapping"),
        ({"width": "{choice: 8}"}, "space.yaml:5: stages[0].width.choice: must be a list of values or a mapping"),
        ({"width": "{choice: [8, 8]}"}, "space.yaml:5: stages[0].width: option 8 occurs twice"),
        ({"depth": "{range: [4, 1]}"}, "space.yaml:5: stages[0].depth.range: must go up from low to high"),
        (
            {"depth": "{range: 4}"},
            "space.yaml:5: stages[0].depth.range: must be [low, high] or [low, high, step], not 4",
        ),
        (
            {"depth": "{range: [1, 2, 0]}"},
            "space.yaml:5: stages[0].depth.range: must go up from low to high by a positive",
        ),
        ({"depth": "{range: [1, 9000000]}"}, "space.yaml:5: stages[0].depth.range: must have at most 10000 values"),
        ({"depth": "{range: [0, 2]}"}, "space.yaml:5: stages[0].depth: a stage without blocks"),
        (
            {"block": "{choice: [CFFN, CFNN]}"},
            "space.yaml:6: stages[1].block: unknown block 'CFNN' (did you mean CFFN?)",
        ),
        (
            {"block": "{choice: {CFFN: CFFN, T: {type: T, hads: {choice: [1]}}}}"},
            "space.yaml:6: stages[1].block.hads: T has no option 'hads' (did you mean heads?)",
        ),
        (
            {"block": "{type: T, heads: {choice: [5, 7]}}"},
            "space.yaml:6: stages[1]: width 12 must be divisible by heads 5",
        ),
    ],
)
def test_broken_spaces_are_refused_with_place_and_rule(holes, message):
    with pytest.raises(SpecError) as caught:
        space(**holes)
    assert str(caught.value).startswith(message), str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_space_is_refused_with_a_hint():
    with pytest.raises(SpecError, match=r"'five_stge' is no file and no shipped space \(did you mean five_stage\?\)"):
        load_space("five_stge")
