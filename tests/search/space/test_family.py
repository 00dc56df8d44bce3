"""Spaces that choose among whole layouts: pyramids and parallel branches side by side."""

import random
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from archspec.documents.reader import Document, parse_document, read_document
from archspec.errors import SpecError
from search.space.encoding import Encoding
from search.space.space import Space
from search.study.reading import parse_study

ROOT = Path(__file__).parents[3]
TEMPLATE: dict[str, Any] = {
    "resolution": 64,
    "stem": "patch_stem",
    "family": {
        "choice": {
            "one": {"stages": [{"block": "CFFN", "depth": {"range": [1, 2]}, "width": 8, "expansion": 2}]},
            "two": {
                "topology": "parallel",
                "stem": {"type": "hrnet_stem", "hidden": 8, "width_out": {"choice": [8, 12]}},
                "stages": [
                    {
                        "block": "basic",
                        "depth": 1,
                        "widths": [8, {"choice": [16, 24]}],
                        "downsamples": [{"type": "conv_relu", "stride": 1}, "conv_relu"],
                    }
                ],
            },
        }
    },
    "head": {"type": "segformer", "classes": 11, "width": {"choice": [16, 24]}},
}


def space(template: dict[str, Any] = TEMPLATE) -> Space:
    return Space(Document(deepcopy(template), "space.yaml"))


def test_parameters_are_named_by_their_family_and_open_under_it_alone():
    found = space()
    assert [hole.path for hole in found.holes] == ["family", "head.width"]
    assert {tuple(layout.params) for layout in found.enumerate()} == {
        ("family", "family.one.stages[0].depth", "head.width"),
        ("family", "family.two.stem.width_out", "family.two.stages[0].widths[1]", "head.width"),
    }
    assert found.count() == len(list(found.enumerate())) == 2 * (2 + 4)


def test_fields_of_the_family_join_those_beside_it_and_win():
    one, two = (space().fill(lambda hole, n=name: n if hole.path == "family" else hole.options[-1]).spec
                for name in ("one", "two"))  # fmt: skip
    assert (one.topology, one.stem.type, one.stages[0].depth) == ("pyramid", "patch_stem", 2)
    assert (two.topology, two.stem.type, two.branched[0].widths) == ("parallel", "hrnet_stem", (8, 24))
    assert one.head == two.head


def test_the_field_is_free_in_a_spec_without_a_choice():
    with pytest.raises(SpecError, match="family: unknown field"):
        space({**TEMPLATE, "family": 3, "stages": [{"block": "CFFN", "width": 8}]})


def test_an_option_that_is_no_mapping_is_refused():
    with pytest.raises(SpecError, match=r"family\.choice: option 'one' of the family must be a mapping of fields"):
        space({**TEMPLATE, "family": {"choice": ["one", "two"]}})


def test_what_needs_tables_refuses_families():
    with pytest.raises(SpecError, match=r"^space\.yaml: family: whole layouts to choose from cannot be tabulated"):
        Encoding(space())


def test_a_budget_over_families_is_refused_in_one_line():
    study = {"space": TEMPLATE, "evaluator": {"type": "train", "data": "digit_scenes"}, "budget": {"macs": "<= 5M"}}
    with pytest.raises(SpecError, match=r"budget: whole layouts to choose from cannot be tabulated") as caught:
        parse_study(Document(study, "study.yaml"))
    assert "\n" not in str(caught.value)


def test_the_shipped_study_of_scenes_holds_three_families_that_fit_its_data():
    study = parse_study(read_document(ROOT / "search" / "study" / "studies" / "scenes.yaml"))
    found, rng = study.open_space(), random.Random(0)
    assert found.holes[0].options == ("hiri", "hrvit", "hrformer")
    for name in found.holes[0].options:
        layout = found.fill(lambda hole, n=name: n if hole.path == "family" else rng.choice(hole.options))
        assert layout.repaired == ()
        assert study.evaluator.prepare(layout.spec).resolution == 128


def test_the_sampler_exact_is_refused_with_its_line():
    head = "head: {type: classifier, classes: 10}"
    layout = "{stem: hr_stem, stages: [{block: HR, width: {choice: [8, 16]}}]}"
    text = f"space: {{{head}, family: {{choice: {{a: {layout}}}}}}}\n"
    with pytest.raises(SpecError, match=r"study.yaml:2: sampler: whole layouts to choose from cannot be tabulated"):
        parse_study(parse_document(f"{text}sampler: exact\n", "study.yaml"))
