"""Row form, column form and canonical form say the same."""

import json
import random

import pytest

from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.loader import dump, load, parse, presets
from archspec.testing.random_specs import random_spec

ROWS = """
name: example
resolution: 64
stem: {type: conv_stem, width: 8}
stages:
  - {block: HR, depth: 2, width: 16}
  - {block: [CFFN, {type: T, heads: 2, sr: 2}], depth: 2, width: 32, expansion: 3, downsample: irds_a}
  - {block: T, depth: 1, width: 32, heads: 4, downsample: ~, resize: 9}
head: {type: classifier, classes: 10}
"""
COLUMNS = """
name: example
resolution: 64
stem: {type: conv_stem, width: 8}
blocks: [HR, [CFFN, {type: T, heads: 2, sr: 2}], T]
depths: [2, 2, ~]
widths: [16, 32, 32]
heads: [~, ~, 4]
expansions: [~, 3, ~]
downsamples: [~, irds_a, ~]
resizes: [~, ~, 9]
head: {type: classifier, classes: 10}
"""


def spec_of(text: str):
    return parse(parse_document(text, "spec.yaml"))


def test_rows_and_columns_load_to_one_digest():
    rows, columns = spec_of(ROWS), spec_of(COLUMNS)
    assert rows == columns
    assert rows.digest == columns.digest
    assert [stage.depth for stage in rows.stages] == [2, 4, 1]
    assert [type(block).__name__ for block in rows.stages[1].blocks] == ["CFFN", "T", "CFFN", "T"]
    assert {block.expansion for block in rows.stages[1].blocks} == {3}
    assert rows.stages[2].downsample is None


@pytest.mark.parametrize("form", ["rows", "columns", "canonical"])
@pytest.mark.parametrize("name", presets())
def test_presets_survive_every_form(name, form):
    spec = load(name)
    if form == "columns" and spec.topology == "parallel":
        pytest.skip("parallel branches have no column form")
    again = spec_of(dump(spec, form))
    assert again == spec
    assert again.digest == spec.digest


def test_random_specs_survive_every_form():
    rng = random.Random(7)
    for _ in range(150):
        spec = random_spec(rng)
        forms = ("rows", "columns", "canonical") if spec.topology == "pyramid" else ("rows", "canonical")
        texts = [dump(spec, form) for form in forms] + [json.dumps(spec.canonical())]
        for text in texts:
            again = spec_of(text)
            assert again == spec
            assert again.digest == spec.digest


def test_dumps_read_like_the_files_that_people_write():
    assert (
        dump(spec_of(ROWS), "rows")
        == """name: example
resolution: 64
stem: {type: conv_stem, width: 8}
stages:
  - {block: HR, depth: 2, width: 16, expansion: 4}
  - {block: [CFFN, T], depth: 2, width: 32, expansion: 3, heads: 2, sr: 2, downsample: irds_a}
  - {block: T, depth: 1, width: 32, heads: 4, expansion: 4, downsample: null, resize: 9}
head: {type: classifier, classes: 10}
"""
    )
    assert (
        dump(spec_of(ROWS), "columns")
        == """name: example
resolution: 64
stem: {type: conv_stem, width: 8}
blocks: [HR, [CFFN, {type: T, sr: 2}], T]
depths: [2, 2, 1]
widths: [16, 32, 32]
heads: [~, 2, 4]
expansions: [4, 3, 4]
downsamples: [~, irds_a, ~]
resizes: [~, ~, 9]
head: {type: classifier, classes: 10}
"""
    )


def test_column_form_puts_the_lists_where_the_stages_stood():
    keys = [line.partition(":")[0] for line in dump(spec_of(ROWS), "columns").splitlines() if not line.startswith(" ")]
    assert keys == [
        *("name", "resolution", "stem", "blocks", "depths", "widths", "heads", "expansions", "downsamples", "resizes"),
        "head",
    ]


def test_a_stage_without_transition_stays_without_one():
    spec = spec_of(ROWS)
    assert spec_of(dump(spec, "columns")).stages[2].downsample is None
    assert spec_of(dump(spec, "rows")).stages[2].downsample is None
    default = spec_of("stem: hr_stem\nblocks: [HR, HR]\nwidths: [8, 16]\n")
    assert [stage.downsample and stage.downsample.type for stage in default.stages] == [None, "conv"]


@pytest.mark.parametrize("tag", ["hr", "Hr", "HR"])
def test_tags_may_be_written_in_any_case(tag):
    base = spec_of("stem: hr_stem\nstages: [{block: HR, width: 8}]\n")
    assert spec_of(f"stem: HR_STEM\nstages: [{{block: {tag}, width: 8}}]\n") == base
    assert spec_of(f"stem: {{type: Hr_Stem}}\nstages: [{{blocks: [{{type: {tag}}}], width: 8}}]\n") == base
    assert spec_of(f"stem: hr_stem\nstages: [{{blocks: [{tag}], width: 8}}]\n") == base


def test_whole_numbers_and_floats_are_one_identity():
    first = spec_of("stem: hr_stem\nstages: [{block: HR, width: 8, expansion: 4}]\n")
    assert first.digest == spec_of("stem: hr_stem\nstages: [{block: HR, width: 8, expansion: 4.0}]\n").digest
    assert first.digest == spec_of("stem: hr_stem\nstages: [{block: HR, width: 8}]\n").digest
    assert first.digest != spec_of("stem: hr_stem\nstages: [{block: HR, width: 8, expansion: 3}]\n").digest


def test_an_empty_entry_beside_the_width_means_that_the_stage_has_none():
    assert spec_of("stem: hr_stem\nstages: [{block: HR, width: 8, heads: ~}]\n").stages[0].width == 8
    with pytest.raises(SpecError, match=r"stages\[0\].haeds: HR has no option 'haeds'"):
        spec_of("stem: hr_stem\nstages: [{block: HR, width: 8, haeds: ~}]\n")
