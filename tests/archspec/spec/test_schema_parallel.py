"""Specs of parallel branches: their forms, layers, schedules and models."""

import random
from pathlib import Path

import pytest
import torch

from archspec.cost.measure import measure
from archspec.cost.sensitivity import sensitivity
from archspec.cost.symbolic import symbolic
from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.lint.lint import lint, written
from archspec.loader import dump, load, parse
from archspec.model.audit import audit
from archspec.model.build import build
from archspec.model.weights import restore, save
from archspec.spec.short_code import encode
from archspec.tree.trace import feature_shapes, trace
from archspec.tree.tree import plant
from archspec.tree.tree_parallel import branch_rates

SMALL = """
name: small
topology: parallel
resolution: 70
stem: {type: hrnet_stem, hidden: 4, width_out: 8}
drop_path: 0.2
stages:
  - {block: bottleneck, depth: 2, widths: [16], downsample: {type: bottleneck_down, stride: 1}, drop_path: 0}
  - {block: basic, depth: 2, widths: [6, 8], downsamples: [{type: conv_relu, stride: 1}, conv_relu], fuse: fuse}
  - blocks: [basic, [HR, T], T]
    widths: [6, 8, 12]
    downsamples: [~, ~, conv_relu]
    heads: [~, 2, 3]
    modules: 2
    fuse: {type: fuse, down: step, depthwise: true, bias: true, act: gelu}
  - fuse_before: fuse
    block: HR
    depths: [1, 2, 1, 1]
    widths: [8, 8, 12, 16]
    downsample: hrvit_embed
    final_norm: ln
head: {type: hr_classifier, planes: 3, hidden: 20, classes: 7, dropout: 0.1}
"""

DIGESTS = {
    "hiri-vit-s": "6c7db25e1668d80b",
    "hiri-vit-b": "d948d48838e4d829",
    "hiri-vit-l": "d8e96966f504abbe",
    "tiny": "94676b2626c710a7",
}
FUSES = ("fuse_before", "fuse")
WITH_EXCHANGES = {
    "hrnet-w18": "a3ec5cc7ac1c81bd",
    "hrnet-w32": "1aa2dfbe4f37b3b4",
    "hrnet-w48": "db13090bad423ebb",
    "hrvit-b1": "d5a95e6b4a577cbd",
    "hrvit-b2": "b4cc9290980f69a1",
    "hrvit-b3": "29ee5b75ddd21489",
    "hrformer-t": "019c9e33307405d2",
    "hrformer-s": "4a5b263686f5768d",
    "hrformer-b": "8c8bf91716c22b9e",
    "tiny-hrvit-seg": "e4801d5f2b0cf40a",
    "tiny-hrformer-seg": "c2df56e6fc67cbe0",
    "rsseg-sketch": "dee82e601c3d8f8c",
}


def spec_of(text: str):
    return parse(parse_document(text, "spec.yaml"))


def test_specs_that_are_older_than_the_second_topology_keep_their_identity():
    for name, digest in DIGESTS.items():
        spec = load(name)
        assert spec.digest == digest
        assert not {"topology", "branched"} & set(spec.canonical())
        assert "topology" not in dump(spec)


def test_specs_that_are_older_than_the_paths_of_exchanges_keep_their_identity():
    for name, digest in WITH_EXCHANGES.items():
        spec = load(name)
        assert spec.digest == digest
        assert not any("paths" in (stage[key] or {}) for stage in spec.canonical()["stages"] for key in FUSES)
        assert "paths" not in dump(spec)


def test_every_form_is_the_same_spec():
    spec = spec_of(SMALL)
    for form in ("rows", "canonical"):
        again = spec_of(dump(spec, form))
        assert again == spec
        assert again.digest == spec.digest
    assert "branches" not in dump(spec)
    canonical = spec.canonical()
    assert canonical["topology"] == "parallel"
    assert "branched" not in canonical
    assert [block["type"] for block in canonical["stages"][2]["branches"][1]["blocks"]] == ["HR", "T"]
    assert canonical["stages"][2]["branches"][2]["blocks"][0]["heads"] == 3
    label = "bottleneck 2x16, basic 2x6 | basic 2x8, 2 (basic 1x6 | HR 1x8 e4 + T 1x8 h2 e4 | T 1x12 h3 e4), "
    assert encode(spec).startswith(f"layout {spec.digest}: {label}")
    with pytest.raises(Exception, match="no column form"):
        dump(spec, "columns")


def test_what_row_form_cannot_say_stays_canonical():
    spec = spec_of(
        "topology: parallel\nstem: hr_stem\nstages:\n"
        "  - {blocks: [{type: T, layer_scale: 0.5}], widths: [8]}\n"
        "  - {blocks: [T, {type: T, layer_scale: ~}], widths: [8, 8], downsamples: [~, conv_relu]}\n"
    )
    assert spec_of(dump(spec)) == spec


def test_the_maps_of_the_branches_come_out_finest_first():
    spec = spec_of(SMALL)
    network = build(spec).eval()
    with torch.no_grad():
        maps = network.features(torch.zeros(1, 3, 70, 64))
    assert [tuple(x.shape[1:]) for x in maps] == [(8, 18, 16), (8, 9, 8), (12, 5, 4), (16, 3, 2)]
    assert [shape for _, shape in feature_shapes(spec, (70, 64))] == [tuple(x.shape[1:]) for x in maps]
    assert [info["reduction"] for info in network.feature_info] == [4, 8, 16, 32]
    names = dict(network.named_modules())
    assert all(info["module"] in names for info in network.feature_info)
    assert network.feature_info[0]["module"] == "stages.3.norm.0"


def test_layers_and_modules_bear_the_same_names():
    spec = spec_of(SMALL)
    network = build(spec, device="meta")
    modules = dict(network.named_modules())
    names = [name for name, _ in plant(spec).walk()]
    assert len(names) == len(set(names))
    assert set(names) <= set(modules)
    assert "stages.2.units.1.branches.1.0.body.mix.low.mlp.fc1" in names
    assert "stages.1.units.0.fuse.1.0.step1.conv" in names
    assert {line.path for line in trace(spec).lines} <= set(names)


def test_costs_equal_the_count_of_the_built_model():
    spec = spec_of(SMALL)
    assert audit(spec, (61, 75)).cost.params == sum(p.numel() for p in build(spec).parameters())


def test_stochastic_depth_rises_with_the_blocks_in_a_row():
    rates = branch_rates(spec_of(SMALL))
    # The first stage has rates of its own; 2 + 2·2 + 2 blocks follow one another in the others.
    step = 0.2 / 7
    assert rates[0] == [[0, 0]]
    assert rates[1] == [pytest.approx([0, step])] * 2
    assert rates[2] == [
        pytest.approx([2 * step, 4 * step]),
        pytest.approx([2 * step, 3 * step, 4 * step, 5 * step]),
        pytest.approx([2 * step, 4 * step]),
    ]
    assert rates[3][1] == pytest.approx([6 * step, 7 * step])


def test_residual_branches_can_start_at_zero():
    spec = spec_of(SMALL)
    network = build(spec, zero_init_residual=True)
    unit = network.get_submodule("stages.0.downsample.0.unit")
    assert not unit.body.norm3.weight.any()
    assert unit.shortcut.norm.weight.all()
    assert not network.get_submodule("stages.1.units.0.branches.1.1.unit.body.norm2").weight.any()


def test_a_branch_may_be_born_in_a_transition_or_in_an_exchange():
    born = spec_of(
        "topology: parallel\nstem: hr_stem\nstages:\n  - {block: HR, widths: [8]}\n"
        "  - {block: HR, widths: [8, 12], fuse_before: fuse}\n"
    )
    assert [shape for _, shape in feature_shapes(born, 64)] == [(8, 16, 16), (12, 8, 8)]
    assert not born.branched[1].branches[1].downsample
    with pytest.raises(SpecError, match=r"stages\[1\].fuse_before: at resolution 4.*stride 2 empties a map of 1x1"):
        measure(born, 4)


def test_weights_come_back(tmp_path: Path):
    spec = spec_of(SMALL)
    network = build(spec).eval()
    save(network, tmp_path / "net")
    again = restore(tmp_path / "net")
    images = torch.randn(1, 3, 70, 70)
    with torch.no_grad():
        assert torch.equal(again.eval()(images), network(images))
    assert again.spec == spec


def test_a_variant_changes_one_branch():
    spec = spec_of(f"{SMALL}variants: {{64: {{'stages[1].branches[1].blocks[0].drop_path': 0.1}}}}\n")
    assert spec.at(64).branched[1].branches[1].blocks[0].drop_path == 0.1
    assert spec.at(70) is spec


def test_a_pyramid_may_have_a_head_that_reads_all_maps():
    spec = spec_of(
        "resolution: 64\nstem: hr_stem\nstages:\n  - {block: HR, width: 8}\n  - {block: HR, width: 12}\n"
        "head: {type: hr_classifier, planes: 4, hidden: 24, classes: 5}\n"
    )
    passed = audit(spec)
    assert passed.cost.parts[-1].shape == (5,)
    assert [info["num_chs"] for info in build(spec).feature_info] == [8, 12]


def test_tools_that_walk_a_spec_know_branches():
    spec = spec_of(SMALL)
    effects = sensitivity(spec)
    assert {"stages[3].depths[1]", "stages[0].depths[0]"} <= {effect.field for effect in effects}
    assert all((e.params_after > e.params) == (e.after > e.before) for e in effects if "depth" in e.field)
    assert {finding.rule for finding in lint(spec)} >= {"head-dimension"}
    places = [finding.place for finding in lint(spec) if finding.rule == "head-dimension"]
    assert ("stages", 2, "branches", 1, "blocks", 1, "heads") in places
    light = spec_of("topology: parallel\nstem: hrnet_stem\nstages:\n  - {block: basic, widths: [64]}\n")
    formula = symbolic(light)
    assert formula.value(formula.nearest(96)) == measure(light, formula.nearest(96)).macs


def test_a_finding_is_of_a_branch_and_stands_at_its_width():
    text = "topology: parallel\nstem: {type: hr_stem, width: 12}\nstages:\n  - {block: basic, widths: [12]}\n"
    text += "  - {block: basic, depth: 3, widths: [12, 20], downsamples: [~, conv_relu], fuse: fuse}\n"
    document = parse_document(text, "spec.yaml")
    lines = [written(finding, document) for finding in lint(parse(document)) if finding.rule == "odd-width"]
    assert [line.split(" channels")[0] for line in lines] == [
        "spec.yaml:4: stages[0].widths[0]: 12",
        "spec.yaml:5: stages[1].widths[0]: 12",
        "spec.yaml:5: stages[1].widths[1]: 20",
    ]


def test_random_parallel_specs_are_drawn():
    from archspec.testing.random_specs import random_spec
    from blocks.component import Exchange

    rng = random.Random(0)
    from blocks.catalog import find

    for part in find(Exchange):
        spec = random_spec(rng, part)
        assert spec.topology == "parallel"
        assert spec_of(dump(spec)) == spec


def test_the_examples_of_the_documentation_load_and_are_counted():
    text = (Path(__file__).parents[3] / "docs" / "reference" / "parallel.md").read_text()
    examples = [spec_of(part.split("```")[0]) for part in text.split("```yaml\n")[1:]]
    assert [spec.name for spec in examples] == ["two-resolutions", "neighbours"]
    for spec in examples:
        assert [stage.widths for stage in spec.branched] == [(16,), (16, 32), (16, 32, 64)]
        assert audit(spec).cost.total.shape == (10,)
