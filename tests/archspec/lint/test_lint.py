"""Every rule on a spec that breaks it and on one that does not; what rules claim is checked on built layers."""

import json
import re
from pathlib import Path

import pytest
import torch

from archspec.cost.measure import measure
from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.lint.lint import lint, locate, written
from archspec.lint.rules import RULES, _alive
from archspec.loader import load, parse, presets
from blocks.layers.attention.attention import Attention
from blocks.layers.basic.conv import Conv
from blocks.layers.layer import window_output

VIT = """resolution: 64
stem: {type: patch_stem, kernel: 16, stride: 16}
stages:
  - {block: T, depth: 2, width: 64, heads: 2, ffn: plain}
head: {type: classifier, classes: 1000}
"""
PYRAMID = """resolution: 64
stem: {type: hr_stem, width: 16}
stages:
  - {block: HR, depth: 1, width: 16}
  - {block: CFFN, depth: 1, width: 32}
  - {block: CFFN, depth: 1, width: 32}
"""


def found(text: str, rule: str, resolution: int | None = None) -> list[str]:
    """Place and message of the findings of one rule."""
    document = parse_document(text, "spec.yaml")
    findings = lint(parse(document), resolution)
    return [written(finding, document) for finding in findings if finding.rule == rule]


def test_presets():
    rules = {name: [finding.rule for finding in lint(load(name))] for name in presets()}
    assert rules["hiri-vit-s"] == rules["hiri-vit-l"] == ["heavy-stage"]
    assert rules["hiri-vit-b"] == ["heavy-memory"]
    # Its last maps are 1x1, where attention and batch norm have nothing to work on.
    assert set(rules["tiny"]) == {"heavy-memory", "one-token", "dead-weights", "lone-batch-norm"}
    assert [finding.rule for finding in lint(load("tiny"), 224)] == ["heavy-memory", "ragged-map"]
    [resize, _] = lint(load("hiri-vit-s"), 384)
    assert (resize.rule, resize.place, resize.value, resize.limit) == (
        *("enlarging-resize", ("stages", 2, "resize")),
        *(28 * 28, 24 * 24),
    )


def test_a_finding_stands_where_its_author_wrote_the_field():
    rows = "resolution: 64\nstem: hr_stem\nstages:\n  - {block: HR, width: 32}\n  - {block: T, width: 64, heads: 8}\n"
    columns = "resolution: 64\nstem: hr_stem\nblocks: [HR, T]\nwidths: [32, 64]\nheads: [~, 8]\n"
    inside = rows.replace("block: T, width: 64, heads: 8", "block: {type: T, heads: 8}, width: 64")
    for text, place in ((rows, "spec.yaml:5: stages[1].heads"), (columns, "spec.yaml:5: heads[1]")):
        assert found(text, "head-dimension") == [
            f"{place}: 8 channels per head (64 / 8), less than 32, in 1 layer [head-dimension]"
        ]
    assert found(inside, "head-dimension")[0].startswith("spec.yaml:5: stages[1].block.heads: ")


def test_heads_from_32_to_128_channels_are_fine():
    for heads, size in ((2, 32), (1, 64)):
        assert not found(VIT.replace("heads: 2", f"heads: {heads}"), "head-dimension"), size
    assert "width: 136" in VIT.replace("width: 64, heads: 2", "width: 136, heads: 1")
    [line] = found(VIT.replace("width: 64, heads: 2", "width: 136, heads: 1"), "head-dimension")
    assert "136 channels per head (136 / 1), more than 128, in 2 layers" in line


def test_attention_over_more_than_28_by_28_tokens():
    assert not found(VIT, "long-attention", 16 * 28)
    [line] = found(VIT, "long-attention", 16 * 29)
    cost = measure(parse(parse_document(VIT, "")), 16 * 29)
    share = 2 * 2 * 64 * (29 * 29) ** 2 / cost.macs
    assert f"(29×29: 841) costs {100 * share:.1f} % of the MACs, in 2 layers" in line
    # Keys reduced to 7x7 make fewer pairs than full attention over 28x28 tokens does.
    reduced = VIT.replace("ffn: plain", "ffn: plain, sr: 8").replace("resolution: 64", "resolution: 128")
    assert not found(reduced, "long-attention", 16 * 56)
    assert "16,384 queries, 256 keys" in found(reduced, "long-attention", 16 * 128)[0]


def test_attention_to_one_token_trains_neither_queries_nor_keys():
    text = "resolution: 16\nstem: {type: patch_stem, kernel: 16, stride: 16}\nstages: [{block: T, width: 32}]\n"
    assert found(text, "one-token") == [
        "spec.yaml:3: stages[0]: attention to 1 token in 1 layer: its weight is always 1, so queries and keys have no "
        "effect [one-token]"
    ]
    assert not found(text, "one-token", 32)
    attention = Attention(8, 2).module()
    attention(torch.randn(2, 8, 1, 1)).square().sum().backward()
    gradient = dict(attention.named_parameters())["qkv.weight"].grad
    assert gradient[:16].abs().max() < 1e-6
    assert gradient[16:].abs().min() > 0


def test_a_stage_with_more_than_half_the_macs():
    text = PYRAMID.replace("depth: 1, width: 32}\n  -", "depth: 9, width: 32}\n  -")
    [line] = found(text, "heavy-stage")
    cost = measure(parse(parse_document(text, "")))
    share = cost.stages[1].macs / cost.macs
    assert share > 0.5
    assert line.startswith(f"spec.yaml:5: stages[1]: costs {100 * share:.1f} % of the MACs: ")
    assert not found(PYRAMID, "heavy-stage")
    assert not found(VIT, "heavy-stage")  # one of one stage


def test_memory_for_backward():
    assert found(PYRAMID, "heavy-memory")[0].startswith("spec.yaml:2: stem: keeps ")
    lines = found(PYRAMID.replace("HR, depth: 1", "HR, depth: 40"), "heavy-memory")
    assert [line.split(": ")[1] for line in lines] == ["stages[0]"]
    assert not found(VIT, "heavy-memory")


def test_a_head_with_more_than_half_the_parameters():
    assert not found(VIT, "heavy-head")
    [line] = found(VIT.replace("1000", "9000"), "heavy-head")
    cost = measure(parse(parse_document(VIT.replace("1000", "9000"), "")))
    assert line.startswith("spec.yaml:5: head: holds ")
    assert f"{cost.parts[-1].params:,} of {cost.params:,}" in line


def test_batch_norm_on_maps_of_one_position_cannot_train_on_one_image():
    lines = found(PYRAMID, "lone-batch-norm", 9)
    assert [line.split(": ")[1] for line in lines] == ["stages[2].downsample", "stages[2]"]
    assert not found(PYRAMID, "lone-batch-norm")
    norm = torch.nn.BatchNorm2d(3)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        norm(torch.zeros(1, 3, 1, 1))


def test_widths_that_are_no_multiple_of_8():
    assert not found(PYRAMID, "odd-width")
    assert not found(VIT.replace("1000", "10"), "odd-width")  # classes and the image's channels are given
    [line] = found(PYRAMID.replace("width: 16}\n  -", "width: 20}\n  -"), "odd-width")
    assert line.startswith("spec.yaml:4: stages[0].width: 20 channels are no multiple of 8: padded to 24 they cost ")
    assert "20.0 % more" in line
    lines = found(PYRAMID.replace("hr_stem, width: 16", "hr_stem, width: 18"), "odd-width")
    assert [line.split(": ")[1] for line in lines] == ["stem"]
    text = PYRAMID.replace("CFFN, depth: 1, width: 32}\n  -", "CFFN, depth: 1, width: 32, expansion: 1.3}\n  -")
    [line] = found(text, "odd-width")
    assert line.startswith("spec.yaml:5: stages[1]: 42 channels")


def test_strides_that_leave_a_remainder():
    assert not found(PYRAMID, "ragged-map")
    lines = found(PYRAMID, "ragged-map", 65)
    assert "stride 2 leaves a remainder (images divisible by 16 leave none): 65×65 to 33×33" in lines[0]
    extra = 33**2 * 4 / 65**2 - 1
    assert f"{100 * extra:.1f} % more positions than 1 in 4" in lines[0]
    assert sum("images divisible" in line for line in lines) == 1
    for side in (16, 48, 16 * 7):
        assert not found(PYRAMID, "ragged-map", side)
    [line] = found(VIT, "ragged-map", 70)
    assert "70×70 to 4×4" in line
    assert "fewer positions than 1 in 256" in line


def test_a_resize_that_enlarges():
    text = PYRAMID.replace("CFFN, depth: 1, width: 32}\n  -", "CFFN, depth: 1, width: 32, resize: 12}\n  -")
    [line] = found(text, "enlarging-resize")
    assert line.startswith("spec.yaml:5: stages[1].resize: enlarges 8×8 to 12×12: 125.0 % more positions")
    assert not found(text.replace("resize: 12", "resize: 8"), "enlarging-resize")


def test_weights_that_meet_only_padding():
    lines = found(PYRAMID, "dead-weights", 9)
    assert [line.split(": ")[1] for line in lines] == ["stages[2].downsample", "stages[2]"]
    assert "3×3 windows on 1×1 maps in 1 layer: 8 of 9 weights meet only padding, 1,024 parameters" in lines[1]
    assert not found(PYRAMID, "dead-weights")


@pytest.mark.parametrize("kernel", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 3])
def test_the_weights_that_it_counts_as_alive_get_a_gradient(kernel, stride, padding):
    for side in range(1, 8):
        if side + 2 * padding < kernel:
            continue
        layer = Conv(1, 1, kernel, stride, padding=padding)
        module = torch.nn.Conv2d(1, 1, kernel, stride, padding)
        module(torch.ones(1, 1, side, 7)).sum().backward()
        out = window_output(side, kernel, stride, padding)
        rows = (module.weight.grad[0, 0] != 0).any(dim=1).sum()
        assert _alive(layer, side, out) == rows


def test_attention_without_any_position():
    assert found(VIT, "no-position") == [
        "spec.yaml:4: stages[0]: 2 attentions, but no layer knows where a patch lies: shuffling all 16 changes nothing "
        "but their order [no-position]"
    ]
    for option in ("ffn: conv", "ffn: plain, position: true", "ffn: plain, sr: 2"):
        assert not found(VIT.replace("ffn: plain", option), "no-position")
    assert not found(VIT.replace("kernel: 16", "kernel: 17"), "no-position")
    assert not found(
        VIT.replace("type: T, ", "")
        .replace("block: T,", "block: CFFN,")
        .replace("heads: 2, ffn: plain", "expansion: 2"),
        "no-position",
    )


@pytest.mark.parametrize(("option", "same"), [("ffn: plain", True), ("ffn: plain, position: true", False)])
def test_without_position_shuffled_patches_give_the_same_output(option, same):
    from archspec.model.build import build

    torch.manual_seed(0)
    network = build(parse(parse_document(VIT.replace("ffn: plain", option), ""))).eval()
    image = torch.randn(1, 3, 64, 64)
    patches = image.reshape(1, 3, 4, 16, 4, 16).permute(2, 4, 0, 1, 3, 5).reshape(16, 1, 3, 16, 16)
    shuffled = patches[torch.randperm(16)].reshape(4, 4, 1, 3, 16, 16).permute(2, 3, 0, 4, 1, 5).reshape(1, 3, 64, 64)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    with torch.inference_mode():
        assert torch.allclose(network(image), network(shuffled), atol=1e-4) == same


def test_a_declared_variant_is_what_is_looked_at():
    text = PYRAMID + 'variants: {128: {"stages[2].resize": 40}}\n'
    assert found(text, "enlarging-resize", 128)
    assert not found(text, "enlarging-resize")
    assert lint(parse(parse_document(text, "")), (128, 64))
    with pytest.raises(SpecError, match="empties a map"):
        lint(load("tiny"), 8)


def test_findings_come_in_the_order_of_the_network():
    places = [finding.place for finding in lint(load("tiny"), 33)]
    order = [-1 if place[0] == "stem" else 99 if place[0] == "head" else place[1] for place in places]
    assert order == sorted(order)
    assert all(locate(finding, parse_document("{}", "x"))[0] for finding in lint(load("tiny"), 33))


def test_the_command_warns_and_fails_only_when_strict(run, tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(VIT)
    code, out, err = run("lint", str(path))
    assert code == 0
    assert out.startswith(f"{path}:4: stages[0]: 2 attentions, but no layer")
    assert err == f"{path}: 1 finding at 64\n"
    assert run("lint", str(path), "--strict")[0] == 1
    path.write_text(VIT.replace("ffn: plain", "ffn: conv"))
    assert run("lint", str(path), "--strict") == (0, "", f"{path}: 0 findings at 64\n")
    assert run("lint", str(path), "--res", "64x128")[2] == f"{path}: 0 findings at 64x128\n"


def test_the_command_gives_json(run):
    code, out, _ = run("lint", "hiri-vit-s", "--json", "--strict")
    [record] = json.loads(out)
    assert code == 1
    assert (record["rule"], record["source"], record["line"], record["field"]) == (
        *("heavy-stage", "hiri-vit-s"),
        *(12, "stages[3]"),
    )
    assert record["value"] == pytest.approx(0.576, abs=0.001)
    assert record["limit"] == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-spec"], "is no file, preset"),
        (["tiny", "--res", "8"], "at resolution 8, layer mix.branch.expand: stride 2 empties a map of 1x1"),
        (["tiny", "--res", ""], "--res: must be pixels from 1 to 16384"),
    ],
)
def test_bad_input_is_one_line(run, arguments, message):
    code, out, err = run("lint", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_the_docs_name_every_rule_and_show_a_finding_as_printed(run):
    page = (Path(__file__).parents[3] / "docs" / "reference" / "symbolic.md").read_text()
    assert set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)) == {rule_id(rule) for rule in RULES}
    assert f"```\n{run('lint', 'hiri-vit-s')[1]}```" in page


def rule_id(rule) -> str:
    return rule.__name__.replace("_", "-")
