"""Specs, costs and networks as they print and as notebooks show them."""

import json

import pytest

import archspec
from archspec.documents.html import html_table
from archspec.errors import SpecError

BAD = "<script>&"


def test_a_cost_prints_as_one_line_and_becomes_tables():
    cost = archspec.measure("hiri-vit-s")
    line = "hiri-vit-s at 448×448: 34.729 M params, 5.059 G MACs, 25.609 M activations, 171.355 MB for backward"
    assert str(cost) == line
    assert line in repr(cost)
    frame = cost.to_frame()
    assert frame["macs"].sum() == cost.macs == cost.to_dict()["macs"] == 5_058_964_864
    assert list(frame.index) == ["stem", *(f"stages.{i}" for i in range(5)), "head"]
    layers = cost.to_frame(layers=True)
    assert layers["params"].sum() == cost.params
    assert json.loads(json.dumps(cost.to_dict(layers=True)))["layers"][0]["layer"] == layers["layer"][0]
    assert "MACs as half" in str(cost.under("half"))
    shown = cost._repr_html_()
    assert "5,058,964,864" in shown
    assert shown.count("<tr>") == 1 + 7 + 1


@pytest.mark.parametrize("name", archspec.presets())
def test_every_spec_shows_a_row_for_every_part(name):
    spec = archspec.load(name)
    shown = spec._repr_html_()
    assert shown.count("<tr>") == 2 + sum(1 for _ in spec.lanes()) + (spec.head is not None)
    assert spec.digest in shown
    assert "\n" not in repr(spec)
    assert str(spec) == repr(spec)


def test_what_a_user_wrote_is_escaped():
    spec = archspec.load({"name": BAD, "stem": "hr_stem", "stages": [{"block": "HR", "width": 8}], "description": BAD})
    for shown in (spec._repr_html_(), archspec.measure(spec)._repr_html_(), archspec.build(spec)._repr_html_()):
        assert "&lt;script&gt;&amp;" in shown
        assert "<script>" not in shown
    table = html_table(BAD, [BAD], [[BAD], [1234567], [0.5], [None], [True]], note=BAD)
    assert table.count("&lt;script&gt;&amp;") == 4
    assert "1,234,567" in table


def test_a_mapping_is_a_spec_and_its_errors_name_the_place_alone():
    rows = ({"block": "HR", "width": 16}, {"block": "T", "depth": 2, "width": 32, "heads": 2})
    spec = archspec.load({"stem": "hr_stem", "stages": rows})
    assert spec == archspec.load(spec) == archspec.load(spec.canonical())
    assert archspec.measure({"stem": "hr_stem", "stages": rows}).macs == archspec.measure(spec).macs
    assert archspec.build({"stem": "hr_stem", "stages": rows}).spec == spec
    assert rows[1]["depth"] == 2
    with pytest.raises(SpecError) as caught:
        archspec.load({"stem": "hr_stem", "stages": [{"block": "T", "width": 32, "heads": 3}]})
    assert str(caught.value) == "stages[0]: width 32 must be divisible by heads 3"
    with pytest.raises(SpecError, match=r"^stagse: unknown field \(did you mean stages\?\)"):
        archspec.load({"stem": "hr_stem", "stagse": []})
    with pytest.raises(SpecError, match=r"a file, a name, a mapping or an ArchSpec, not 3"):
        archspec.load(3)


def test_a_spec_is_edited_by_path_and_stays_as_it_is():
    spec = archspec.load("hiri-vit-s")
    wider = spec.edit({"stages[3].width": 384, "stages[3].heads": 6})
    assert (wider.stages[3].width, spec.stages[3].width) == (384, 320)
    with pytest.raises(SpecError, match=r"stages\[3\].widht: does not exist \(did you mean width\?\)"):
        spec.edit({"stages[3].widht": 384})
    with pytest.raises(SpecError, match="width 384 must be divisible by heads 5"):
        spec.edit({"stages[3].width": 384})


def test_a_block_of_the_program_that_runs_is_found_by_its_type():
    from typing import Literal, final

    from archspec.parts import Block, Layer, conv, residual

    def define(kernel: int):
        @final
        class Plain(Block):
            type: Literal["plain_of_a_test"] = "plain_of_a_test"

            def layers(self, width: int) -> Layer:
                return residual(conv(width, width, kernel), self.drop_path)

        return Plain

    raw = {"stem": "hr_stem", "stages": [{"block": "plain_of_a_test", "depth": 2, "width": 8}]}
    with pytest.raises(SpecError, match="unknown block 'plain_of_a_test'"):
        archspec.load(raw)
    first = define(1)
    assert isinstance(archspec.load(raw).stages[0].blocks[0], first)
    small = archspec.measure(raw).params
    second = define(3)  # as a cell of a notebook that is run again
    assert isinstance(archspec.load(raw).stages[0].blocks[0], second)
    assert archspec.measure(raw).params - small == 2 * 8 * 8 * 8
