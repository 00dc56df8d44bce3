"""Exchange units between named branches only: in specs, forms, costs and models."""

import random

import pytest
from jsonschema import Draft202012Validator

from archspec.cost.measure import measure
from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.json_schema.spec import json_schema
from archspec.loader import dump, load, parse
from archspec.model.audit import audit
from archspec.model.build import build
from archspec.spec.schema import ArchSpec
from archspec.testing.contract import check_gradients, check_saved_bytes
from archspec.testing.random_specs import random_spec
from blocks.exchanges.fuse import Fuse

LITE = """
name: lite
topology: parallel
resolution: 70
stem: {type: hrnet_stem, hidden: 4, width_out: 8}
stages:
  - {block: basic, widths: [8]}
  - {block: basic, widths: [8, 8], downsamples: [~, conv_relu], modules: 2, fuse: {type: fuse, paths: [[0, 1]]}}
  - fuse_before: {type: fuse, act: gelu, paths: [[1, 2], [1, 0], [0, 3]]}
    block: basic
    widths: [8, 8, 12, 16]
    modules: 2
    fuse: {type: fuse, down: step, depthwise: true, paths: [[3, 2], [0, 1], [2, 1], [1, 0]]}
head: {type: segformer, width: 6, classes: 3}
"""
NEIGHBOURS = "[[0, 1], [1, 0], [1, 2], [2, 1], [2, 3], [3, 2]]"
LAST = "[[3, 2], [0, 1], [2, 1], [1, 0]]"


def spec_of(text: str) -> ArchSpec:
    return parse(parse_document(text, "spec.yaml"))


def paths_of(spec: ArchSpec):
    units = [unit for stage in spec.branched for unit in (stage.fuse_before, stage.fuse)]
    return [unit.paths for unit in units if isinstance(unit, Fuse) and unit.paths is not None]


def test_costs_equal_the_count_of_the_built_model():
    spec = spec_of(LITE)
    assert audit(spec, (61, 75)).cost.params == sum(p.numel() for p in build(spec).parameters())
    assert check_saved_bytes(spec)
    check_gradients(spec)
    whole = spec_of(LITE.replace(f", paths: {LAST}", ""))
    assert measure(spec).macs < measure(whole).macs
    assert measure(spec).params < measure(whole).params


def test_the_cost_is_that_of_all_pairs_less_the_paths_left_out():
    whole = load("hrnet-w18")
    data = whole.canonical()
    data["stages"][3]["fuse"]["paths"] = [[0, 1], [1, 0], [1, 2], [2, 1], [2, 3], [3, 2]]
    some = ArchSpec.model_validate(data)
    w, modules = (18, 36, 72, 144), 3
    ups = sum(w[j] * w[i] + 2 * w[i] for i, j in [(0, 2), (0, 3), (1, 3)])
    # A chain of 3x3 convolutions keeps the width up to its last step.
    downs = sum(
        (j - i - 1) * (9 * w[i] * w[i] + 2 * w[i]) + 9 * w[i] * w[j] + 2 * w[j] for i, j in [(0, 2), (0, 3), (1, 3)]
    )
    assert measure(whole).params - measure(some).params == modules * (ups + downs)


def test_modules_bear_the_names_that_they_have_where_all_branches_are_connected():
    some, whole = load("hrnet-w18").canonical(), load("hrnet-w18")
    some["stages"][2]["fuse"]["paths"] = [[0, 1], [2, 0]]
    names = set(build(ArchSpec.model_validate(some), device="meta").state_dict())
    assert names < set(build(whole, device="meta").state_dict())
    missing = set(build(whole, device="meta").state_dict()) - names
    assert {".".join(name.split(".")[4:7]) for name in missing} == {"fuse.0.1", "fuse.1.2", "fuse.2.0", "fuse.2.1"}


def test_every_form_is_the_same_spec():
    spec = spec_of(LITE)
    validator = Draft202012Validator(json_schema())
    for form in ("rows", "canonical"):
        assert spec_of(dump(spec, form)) == spec
        assert spec_of(dump(spec, form)).digest == spec.digest
        validator.validate(parse_document(dump(spec, form), "x").data)
    assert ArchSpec.model_validate(spec.canonical()) == spec
    assert "paths: [[0, 1], [1, 0], [2, 1], [3, 2]]" in dump(spec)


@pytest.mark.parametrize("paths", ["3", "[3]", "[[0]]", "[[0, 1, 2]]", "[[0, 1.5]]", "[[-1, 0]]", "[]", "[[0, '1']]"])
def test_the_json_schema_refuses_what_are_no_pairs(paths):
    data = parse_document(LITE.replace(LAST, paths), "x").data
    assert list(Draft202012Validator(json_schema()).iter_errors(data))
    with pytest.raises(SpecError):
        spec_of(LITE.replace(LAST, paths))


def test_there_is_one_way_to_say_what_is_connected():
    spec = spec_of(LITE)
    other = spec_of(LITE.replace(LAST, "[[1, 0], [2, 1], [3, 2], [0, 1]]"))
    assert other == spec
    assert other.digest == spec.digest
    pairs = [[i, j] for i in range(4) for j in range(4) if i != j]
    everything = spec_of(LITE.replace(LAST, str(pairs)))
    assert everything == spec_of(LITE.replace(f", paths: {LAST}", ""))
    assert everything.branched[2].fuse.paths is None
    assert spec_of(LITE.replace(LAST, str(pairs[1:]))).digest not in (spec.digest, everything.digest)
    born = LITE.replace("[[1, 2], [1, 0], [0, 3]]", "[[1, 3], [0, 3], [1, 2], [0, 2], [1, 0], [0, 1]]")
    assert spec_of(born).branched[2].fuse_before.paths is None


def test_a_head_that_reads_one_map_needs_a_path_from_every_branch_to_it():
    pose = LITE.replace("{type: segformer, width: 6, classes: 3}", "{type: pose_heatmap, joints: 5}")
    rule = r"spec.yaml:13: stages\[2\].fuse.paths: no path leads from branch 2 to what the head reads, map 0: its last"
    with pytest.raises(SpecError, match=rule):
        spec_of(pose)
    connected = spec_of(pose.replace(LAST, "[[3, 0], [1, 0], [2, 0], [0, 1]]"))
    assert audit(connected).cost.params == sum(p.numel() for p in build(connected).parameters())
    check_gradients(connected)
    # The path to branch 1 is in every unit but the last, which makes no map that nobody reads.
    names = set(build(connected, device="meta").state_dict())
    assert any(name.startswith("stages.2.units.0.fuse.1.0.") for name in names)
    assert not any(name.startswith("stages.2.units.1.fuse.1.") for name in names)


def test_a_branch_beside_a_trunk_that_gives_nothing_back_must_be_read():
    text = (
        "topology: parallel\nresolution: 64\nstem: hr_stem\nstages:\n  - {block: HR, widths: [8]}\n"
        "  - {block: HR, widths: [8, 8], downsamples: [~, conv_relu], fuse: {type: pathway, back: %s}}\n"
        "head: {type: pose_heatmap, joints: 5}\n"
    )
    check_gradients(spec_of(text % "true"))
    with pytest.raises(SpecError, match=r"spec.yaml:6: stages\[1\].fuse: no path leads from branch 1 to what the head"):
        spec_of(text % "false")


def test_a_variant_may_change_the_paths():
    spec = spec_of(f"{LITE}variants: {{96: {{'stages[2].fuse.paths': {NEIGHBOURS}}}, 64: {{'stages[2].fuse': fuse}}}}")
    assert len(spec.at(96).branched[2].fuse.paths) == 6
    assert spec.at(64).branched[2].fuse.paths is None
    added = spec_of(LITE.replace(f", paths: {LAST}", "") + "variants: {96: {'stages[2].fuse.paths': [[0, 3], [3, 0]]}}")
    assert added.at(96).branched[2].fuse.paths == ((0, 3), (3, 0))
    assert audit(added.at(96)).cost.macs < measure(added, 95).macs
    with pytest.raises(SpecError, match=r"variants\[96\].*: no branch 4: the stage has 4, 0 to 3"):
        spec_of(LITE + "variants: {96: {'stages[2].fuse.paths': [[0, 4]]}}")


def test_random_specs_have_them():
    rng = random.Random(0)
    specs = [random_spec(rng, Fuse) for _ in range(40)]
    assert any(paths_of(spec) for spec in specs)
    assert all(spec_of(dump(spec)) == spec for spec in specs)


def test_more_paths_than_there_can_be_are_refused():
    pairs = [[i, j] for i in range(60) for j in range(60) if i != j]
    with pytest.raises(SpecError, match=r"stages\[2\].fuse.paths: must have at most 56 entries"):
        spec_of(LITE.replace(LAST, str(pairs)))
