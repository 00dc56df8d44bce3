"""Effects of single edits against the same edits made by hand."""

from math import log

import pytest

from archspec.cost.measure import measure
from archspec.cost.sensitivity import FieldEffect, sensitivity
from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.loader import load, parse, presets
from archspec.spec.schema import ArchSpec

TEXT = """
resolution: 64
stem: {type: hr_stem, width: 12}
stages:
  - {block: HR, depth: 2, width: 16, expansion: 2}
  - {block: CFFN, depth: 1, width: 16, expansion: 3, downsample: ~}
  - {block: T, depth: 3, width: 48, heads: 3, expansion: 4, downsample: {type: irds_b, expansion: 2}}
  - {block: [{type: HR, expansion: 2}, {type: CFFN, expansion: 16}], depth: 1, width: 64, downsample: conv}
head: {type: classifier, hidden: 40, classes: 10}
"""


def spec_of(text: str) -> ArchSpec:
    return parse(parse_document(text, "spec.yaml"))


def effects(text: str = TEXT) -> dict[tuple[str, float, float], FieldEffect]:
    return {(effect.field, effect.before, effect.after): effect for effect in sensitivity(spec_of(text))}


def test_the_depths_and_expansions_of_branches_change_one_by_one():
    text = "topology: parallel\nresolution: 64\nstem: hr_stem\nstages:\n  - {block: HR, widths: [8], expansion: 2}\n"
    row = "  - {block: HR, widths: [8, 12], downsamples: [~, {type: irds_b, expansion: 2}], expansion: [2, 3]}\n"
    found = effects(text + row)
    assert {field for field, _, _ in found if field != "stem.width"} == {
        *("stages[0].depths[0]", "stages[0].expansion[0]", "stages[1].depths[0]", "stages[1].expansion[0]"),
        *("stages[1].depths[1]", "stages[1].expansion[1]", "stages[1].downsamples[1].expansion"),
    }
    for key, old, new in (
        (("stages[1].depths[1]", 1, 2), "widths: [8, 12]", "widths: [8, 12], depths: [1, 2]"),
        (("stages[1].expansion[1]", 3, 4), "[2, 3]", "[2, 4]"),
        (("stages[1].downsamples[1].expansion", 2, 3), "irds_b, expansion: 2", "irds_b, expansion: 3"),
    ):
        after = measure(spec_of(text + row.replace(old, new)))
        assert (found[key].macs_after, found[key].params_after) == (after.macs, after.params)


@pytest.mark.parametrize(
    ("key", "old", "new"),
    [
        (("stem.width", 12, 16), "hr_stem, width: 12", "hr_stem, width: 16"),
        (("stem.width", 12, 8), "hr_stem, width: 12", "hr_stem, width: 8"),
        (("stages[0..1].width", 16, 24), "width: 16", "width: 24"),
        (("stages[0].depth", 2, 1), "depth: 2", "depth: 1"),
        (("stages[0].depth", 2, 3), "depth: 2", "depth: 3"),
        (("stages[1].expansion", 3, 4), "expansion: 3", "expansion: 4"),
        (("stages[2].width", 48, 24), "width: 48", "width: 24"),
        (("stages[2].width", 48, 72), "width: 48", "width: 72"),
        (("stages[2].depth", 3, 4), "depth: 3", "depth: 4"),
        (("stages[2].expansion", 4, 3), "expansion: 4", "expansion: 3"),
        (("stages[2].downsample.expansion", 2, 3), "irds_b, expansion: 2", "irds_b, expansion: 3"),
        (("stages[3].expansion", 2, 1), "{type: HR, expansion: 2}", "{type: HR, expansion: 1}"),
        (("stages[3].expansion", 16, 15), "expansion: 16", "expansion: 15"),
        (("head.hidden", 40, 48), "hidden: 40", "hidden: 48"),
    ],
)
def test_an_effect_is_the_cost_of_the_spec_with_that_edit(key, old, new):
    effect = effects()[key]
    before, after = measure(spec_of(TEXT)), measure(spec_of(TEXT.replace(old, new)))
    assert TEXT.replace(old, new) != TEXT
    assert (effect.macs, effect.params) == (before.macs, before.params)
    assert (effect.macs_after, effect.params_after) == (after.macs, after.params)
    assert effect.macs_elasticity == pytest.approx(log(after.macs / before.macs) / log(key[2] / key[1]))
    assert effect.params_elasticity == pytest.approx(log(after.params / before.params) / log(key[2] / key[1]))


def test_there_is_a_step_in_each_direction_that_loads_and_no_other():
    found = list(effects())
    fields = dict.fromkeys(field for field, _, _ in found)
    assert list(fields) == [
        *("stem.width", "stages[0..1].width", "stages[0].depth", "stages[0].expansion"),
        *("stages[1].depth", "stages[1].expansion"),
        *("stages[2].width", "stages[2].depth", "stages[2].expansion", "stages[2].downsample.expansion"),
        *("stages[3].width", "stages[3].depth", "stages[3].expansion", "head.hidden"),
    ]
    assert [after for field, _, after in found if field == "stages[1].depth"] == [2]  # depth 0 is none
    assert [after for field, before, after in found if before == 16 and field == "stages[3].expansion"] == [15]
    assert [after for field, _, after in found if field == "stages[2].width"] == [24, 72]  # 8 and 3 heads


def test_more_depth_repeats_the_last_block():
    found = effects()["stages[3].depth", 2, 3]
    blocks = "{type: HR, expansion: 2}, {type: CFFN, expansion: 16}"
    after = measure(spec_of(TEXT.replace(blocks, f"{blocks}, {{type: CFFN, expansion: 16}}")))
    assert (found.macs_after, found.params_after) == (after.macs, after.params)


def test_an_edit_that_a_variant_does_not_bear_is_left_out():
    text = TEXT.replace("head:", 'variants: {128: {"stages[2].heads": 16}}\nhead:')
    widths = [after for field, _, after in effects(text) if field == "stages[2].width"]
    assert widths == []  # the nearest widths that 3 heads accept, 24 and 72, are not divisible by 16


@pytest.mark.parametrize("name", [name for name in presets() if load(name).topology == "pyramid"])
def test_costs_grow_with_every_field(name):
    for effect in sensitivity(load(name)):
        assert (effect.macs_after > effect.macs) == (effect.after > effect.before), effect
        assert (effect.params_after > effect.params) == (effect.after > effect.before), effect
        assert 0 < effect.macs_elasticity <= 2.5


def test_it_is_measured_at_the_resolution_that_was_asked_for():
    spec = load("hiri-vit-s")
    at_224 = {(e.field, e.after): e for e in sensitivity(spec, 224)}
    assert at_224["stages[3].depth", 10].macs == measure(spec, 224).macs
    assert sensitivity(spec, (448, 224))[0].macs == measure(spec, (448, 224)).macs
    with pytest.raises(SpecError, match="empties a map"):
        sensitivity(load("tiny"), 8)
