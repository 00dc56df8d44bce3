"""Stages that are nothing but their transition: written, checked, costed, built, edited and searched as the others."""

import json

import jsonschema
import numpy as np
import pytest
import torch

from archspec.cost.measure import measure
from archspec.cost.sensitivity import sensitivity
from archspec.cost.symbolic import symbolic
from archspec.cost.tables import MetricAt
from archspec.documents.reader import parse_document
from archspec.edits.edit import edit
from archspec.errors import SpecError
from archspec.json_schema.spec import json_schema
from archspec.lint.lint import lint
from archspec.loader import dump, load, parse
from archspec.model.audit import audit
from archspec.model.build import build
from archspec.spec.short_code import encode
from archspec.testing.contract import CHECKS, naming
from search.space.encoding import Encoding
from search.space.space import parse_space

ROWS = """
name: lone
resolution: 64
stem: {type: resnet_stem, width_out: 16}
stages:
  - {depth: 0, width: 24, downsample: {type: basic_down, stride: 1}}
  - {block: T, depth: 0, width: 32, heads: 4, downsample: irds_b}
  - {block: basic, depth: 2, width: 48, downsample: basic_down}
  - {width: 64, downsample: basic_down, resize: 3}
head: pooled_classifier
"""
SPACE = """
name: lone
resolution: 64
stem: hr_stem
stages:
  - {block: HR, depth: {range: [1, 2]}, width: 16}
  - {block: basic, depth: {range: [0, 2]}, width: {choice: [24, 32]}, downsample: basic_down}
  - {block: T, depth: {range: [0, 3]}, width: 32, heads: 2, downsample: irds_b}
head: pooled_classifier
"""


def read(text):
    return parse(parse_document(text, "<test>"))


@pytest.fixture
def spec():
    return read(ROWS)


def test_a_stage_may_be_nothing_but_its_transition(spec):
    assert [stage.depth for stage in spec.stages] == [0, 0, 2, 0]
    code = "resnet_stem:width_out=16-basic_down:stride=1-0x24-irds_b-0x32-basic_down-basic2x48-basic_down-0x64:resize=3"
    assert encode(spec) == f"{code}-pooled_classifier@64"
    assert load(encode(spec)).digest == spec.digest
    assert spec.canonical()["stages"][1]["blocks"] == []
    unnamed = ROWS.replace("block: T, depth: 0, width: 32, heads: 4", "width: 32")
    assert read(unnamed).digest == spec.digest


@pytest.mark.parametrize("form", ["rows", "columns", "canonical"])
def test_every_form_loads_to_the_same(spec, form):
    assert read(dump(spec, form)) == spec
    alone = edit(spec, {"stages[2].depth": 0})
    assert read(dump(alone, form)).digest == alone.digest
    jsonschema.validate(json.loads(json.dumps(parse_document(dump(spec, form), "<test>").data)), json_schema())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_whole_contract_holds(spec, check):
    torch.manual_seed(0)
    with naming(spec, 64):
        check(spec, 64)


def test_it_costs_its_transition_and_no_more(spec):
    cost = measure(spec)
    # Three 3x3 and a 1x1 convolution from 16 to 24 channels on 16x16 positions, and three norms of 24.
    assert cost.stages[0].params == 9 * 16 * 24 + 9 * 24 * 24 + 16 * 24 + 3 * 2 * 24
    assert [part.name for part in cost.parts] == ["stem", *(f"stages.{i}" for i in range(4)), "head"]
    assert audit(spec, (65, 90)).cost.macs > 0
    assert [info["num_chs"] for info in build(spec, device="meta").feature_info] == [24, 32, 48, 64]
    assert symbolic(spec, 64).value(128) == measure(spec, 128).macs
    assert "stages[0].depth" not in {effect.field for effect in sensitivity(spec)}
    assert not any("stages[0]" in str(finding) for finding in lint(spec))


def test_edits_reach_it_and_leave_it(spec):
    assert edit(load("resnet-50"), {"stages[1].depth": 0}).stages[1].blocks == ()
    assert edit(spec, {"stages[1].block": "HR"}).stages[1].depth == 1
    with pytest.raises(SpecError, match=r"stages\[1\].depth: must stay 0 until the stage has a block to repeat"):
        edit(spec, {"stages[1].depth": 2})
    with pytest.raises(SpecError, match="needs a downsample"):
        edit(spec, {"stages[1].downsample": None})
    with pytest.raises(SpecError, match="needs a downsample"):
        edit(load("resnet-18"), {"stages[0].depth": 0})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("width: 32", r"stages\[1\].block: is required"),
        ("depth: 0, width: 16, downsample: ~", r"stages\[1\].depth: a stage without blocks \(depth 0\) needs a down"),
        ("block: T, depth: 0, width: 16", r"stages\[1\].depth: a stage without blocks"),
        ("blocks: [], width: 16, downsample: ~", r"stages\[1\].blocks: a stage without blocks"),
        (
            "block: Tt, depth: 0, width: 32, downsample: conv",
            r"stages\[1\].block: unknown block 'Tt' \(did you mean T\?\)",
        ),
        ("block: conv, depth: 0, width: 32, downsample: conv", r"stages\[1\].block: unknown block 'conv'"),
        ("block: 3, depth: 0, width: 32, downsample: conv", r"stages\[1\].block: unknown block 3"),
        (
            "block: T, depth: 0, width: 32, downsample: conv, heads: abc",
            r"stages\[1\].heads: must be a valid integer, not 'abc'",
        ),
        ("block: T, depth: 0, width: 32, headz: 3", r"stages\[1\].headz: T has no option 'headz'"),
        ("depth: 0, width: 32, downsample: conv, heads: 3", r"stages\[1\].heads: goes to no block: the stage has none"),
        ("blok: T, depth: 0, width: 32", r"stages\[1\].blok: unknown field \(did you mean block\?\)"),
        ("block: [], depth: 0, width: 32", r"stages\[1\].block: must have at least 1 entry, not 0"),
        ("depth: 2, width: 32, downsample: conv", r"stages\[1\].block: is required"),
        ("block: T, depth: -1, width: 32", r"stages\[1\].depth: must be a whole number from 0 to 512, not -1"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_line(row, message):
    text = f"resolution: 64\nstem: hr_stem\nstages:\n  - {{block: HR, width: 16}}\n  - {{{row}}}\n"
    with pytest.raises(SpecError, match=rf"^<test>:5: {message}"):
        read(text)


def test_branches_must_have_blocks():
    text = "topology: parallel\nresolution: 64\nstem: hrnet_stem\nstages:\n  - {block: basic, depth: 0, widths: [64]}\n"
    with pytest.raises(SpecError, match=r"<test>:5: stages\[0\].depth: must be a whole number from 1 to 512, not 0"):
        read(text)


def test_a_short_code_may_have_one(run):
    assert encode(load("HR1x16-0x32-T1x64h2")) == "HR1x16e4-0x32-T1x64h2e4"
    code, _, err = run("flops", "0x16-T1x32h2")
    assert code == 2
    assert "0x16" in err


def test_a_choice_of_stages_has_every_layout_once():
    row = "{block: T, depth: {range: [1, 3]}, width: 32, heads: {choice: [2, 4]}, downsample: irds_b}"
    last = f"choice: {{lone: {{depth: 0, width: 32, downsample: irds_b}}, deep: {row}}}"
    space = parse_space(parse_document(SPACE[: SPACE.index("{block: T")] + last + "\nhead: pooled_classifier\n", "<s>"))
    assert space.count() == 2 * 3 * 2 * (1 + 3 * 2)
    assert len({one.spec.digest for one in space.enumerate()}) == space.count()
    assert Encoding(space).chain((MetricAt("macs"),)).options == (1, 1, 2, 6, 7, 1)


def test_depths_of_a_space_may_start_at_0():
    space = parse_space(parse_document(SPACE, "<space>"))
    assert space.count() == 2 * 3 * 2 * 4
    layouts = list(space.enumerate())
    assert len(layouts) == len({one.spec.digest for one in layouts}) == 48
    encoding = Encoding(space)
    chain = encoding.chain((MetricAt("params"), MetricAt("macs"), MetricAt("activations"), MetricAt("saved_bytes")))
    priced = chain.price(np.array([encoding.encode(one.params) for one in layouts]))
    for one, costs in zip(layouts, priced.tolist(), strict=True):
        cost = measure(one.spec)
        assert costs == [cost.params, cost.macs, cost.activations, cost.saved_bytes]
