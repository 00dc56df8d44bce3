"""The layer tree of a spec: names, drop-path schedule, what happens where a map is emptied."""

import re

import pytest

from archspec.documents.reader import parse_document
from archspec.errors import FieldError, SpecError
from archspec.loader import load, parse
from archspec.tree.trace import resolve, trace
from archspec.tree.tree import drop_path_rates, plant


def spec_of(text: str):
    return parse(parse_document(text, "spec.yaml"))


def test_stochastic_depth_rises_linearly_and_a_block_may_say_otherwise():
    spec = spec_of(
        "stem: hr_stem\ndrop_path: 0.4\nstages:\n  - {block: HR, depth: 2, width: 8}\n"
        "  - {block: [CFFN, {type: T, drop_path: 0}, CFFN], width: 8}\n"
    )
    assert drop_path_rates(spec) == pytest.approx([0, 0.1, 0.2, 0, 0.4])
    assert drop_path_rates(spec_of("stem: hr_stem\ndrop_path: 0.4\nstages: [{block: HR, width: 8}]\n")) == [0]


def test_a_norm_among_the_blocks_is_no_step_of_stochastic_depth():
    text = "stem: hr_stem\ndrop_path: 0.4\nstages: [{block: [LN, HR, HR, {type: LN, drop_path: 0.3}, HR], width: 8}]\n"
    spec = spec_of(text)
    assert drop_path_rates(spec) == pytest.approx([0, 0, 0.2, 0, 0.4])
    kinds = [type(layer).__name__ for name, layer in plant(spec).walk() if re.fullmatch(r"stages\.0\.blocks\.\d", name)]
    assert kinds == ["LayerNorm", "Residual", "Residual", "LayerNorm", "Residual"]


def test_a_stem_may_have_a_width_of_its_own():
    text = "stem: resnet_stem\nstages: [{block: bottleneck, width: 256, downsample: null}]\n"
    with pytest.raises(
        SpecError, match=r"stages\[0\]\.downsample: null keeps the width 64 of the stem, which is not 256"
    ):
        spec_of(text)
    spec = spec_of(text.replace("null", "{type: bottleneck_down, stride: 1}"))
    shapes = {line.path: line.shape for line in trace(spec, 64).lines}
    assert shapes["stem.pool"] == (64, 16, 16)
    assert shapes["stages.0.downsample.unit"] == (256, 16, 16)
    same = spec_of("stem: {type: resnet_stem, width_out: null}\nstages: [{block: bottleneck, width: 256}]\n")
    assert {line.path: line.shape for line in trace(same, 64).lines}["stem.pool"] == (256, 16, 16)


def test_names_of_layers_are_those_of_the_lines():
    spec = load("tiny")
    names = [name for name, _ in plant(spec).walk()]
    assert len(names) == len(set(names))
    assert {line.path for line in trace(spec).lines} <= set(names)
    assert "stages.3.blocks.0.mha.body.attention.qkv" in names
    assert "stem.mix.low.conv1" in names
    assert "head.fc" in names


def test_a_variant_applies_to_square_images_of_its_resolution():
    spec = load("hiri-vit-s")
    assert resolve(spec, None) == (spec, (448, 448))
    assert resolve(spec, 224)[0].stages[2].downsample.stride == 1
    assert resolve(spec, (224, 224))[0].stages[2].downsample.stride == 1
    assert resolve(spec, (224, 448))[0].stages[2].downsample.stride == 2


@pytest.mark.parametrize(
    ("resolution", "field", "rule"),
    [
        (1, "stem", "at resolution 1, layer entry.conv: stride 2 empties a map of 1x1"),
        (4, "stages[1].downsample", "at resolution 4, layer mix.branch.expand: stride 2 empties a map of 1x1"),
        ((8, 4), "stages[1].downsample", "at resolution 8x4, layer mix.branch.expand: stride 2 empties a map of 2x1"),
        (16, "stages[1].blocks[1]", "at resolution 16, layer mha.body.attention.reduce: a 4x4 window at stride 4 emp"),
    ],
)
def test_where_a_map_is_emptied(resolution, field, rule):
    spec = spec_of(
        "resolution: 64\nstem: hr_stem\nstages:\n  - {block: HR, width: 8}\n"
        "  - {block: [CFFN, {type: T, sr: 4}], width: 8, downsample: irds_a}\n"
    )
    with pytest.raises(FieldError) as caught:
        trace(spec, resolution)
    assert caught.value.field == field
    assert caught.value.rule.startswith(rule)


def test_blocks_may_stride_on_a_single_position_but_transitions_may_not():
    # HR's branch of half resolution works on a map of 1x1, whose crop is exact.
    assert trace(spec_of("resolution: 4\nstem: hr_stem\nstages: [{block: HR, width: 8}]\n")).lines[-1].shape == (
        8,
        1,
        1,
    )
