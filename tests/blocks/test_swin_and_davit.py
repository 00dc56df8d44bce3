"""The parts of Swin and DaViT as specs: published costs, the alternation of their blocks, what is refused."""

import json

import pytest
import torch

from archspec.cost.measure import measure
from archspec.cost.symbolic import symbolic
from archspec.documents.reader import parse_document
from archspec.edits.edit import edit
from archspec.errors import SpecError
from archspec.loader import dump, load, parse
from archspec.model.audit import audit
from archspec.model.build import build

PUBLISHED = {
    # Swin Table 1 (a); DaViT's table of ImageNet-1K results, as HIRI-ViT's Table II cites it.
    "swin-t": (28.3, 4.5),
    "swin-s": (49.6, 8.7),
    "swin-b": (87.8, 15.4),
    "davit-t": (28.4, 4.5),
    "davit-s": (49.8, 8.8),
    "davit-b": (88.0, 15.5),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_presets_cost_what_the_papers_state(name):
    cost = measure(load(name))
    params, gigas = PUBLISHED[name]
    assert cost.params / 1e6 == pytest.approx(params, abs=0.06)
    # The papers count without layer norm.
    weights = sum(macs for operator, macs in cost.total.by_operator.items() if operator != "layer_norm")
    assert weights / 1e9 == pytest.approx(gigas, abs=0.06)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_pattern_times_depth_alternates(name):
    spec = load(name)
    for stage in spec.stages:
        for index, block in enumerate(stage.blocks):
            if name.startswith("swin"):
                assert (block.type, block.shift, block.window) == ("Swin", index % 2 == 1, 7)
            else:
                assert block.type == ("davit_spatial", "davit_channel")[index % 2]
            assert stage.width == 32 * block.heads
    depth = {"t": 6, "s": 18, "b": 18}[name[-1]]
    assert [stage.depth for stage in spec.stages] == [2, 2, depth, 2]
    assert parse(parse_document(dump(spec, "rows"), "<rows>")) == spec


@pytest.mark.parametrize(
    ("name", "sides"), [("swin-t", [224, 448, 512, 250, 193]), ("davit-t", [224, 448, 512, 250, 193])]
)
def test_maps_shrink_by_halves_rounded_up(name, sides):
    for side in sides:
        expected = [-(-side // 4)]
        while len(expected) < 4:
            expected.append(-(-expected[-1] // 2))
        assert [stage.shape[1] for stage in measure(load(name), side).stages] == expected


@pytest.mark.parametrize("name", ["swin-t", "davit-t"])
def test_an_image_whose_last_map_fills_no_window_is_refused(name):
    with pytest.raises(SpecError, match=r"stages\[3\].blocks\[0\]: at resolution 192, .* larger than the map of 6x6"):
        measure(load(name), 192)


@pytest.mark.parametrize("block", ["Swin", "davit_spatial", "davit_channel"])
def test_heads_that_do_not_divide_the_width_are_refused_in_one_line(run, tmp_path, block):
    path = tmp_path / "broken.yaml"
    path.write_text(f"stem: patch_embed\nstages:\n  - block: {block}\n    width: 96\n    heads: 5\n")
    code, out, err = run("flops", path)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "broken.yaml:5" in err
    assert "5 heads must divide the width 96" in err


@pytest.mark.parametrize(
    ("option", "rule"),
    [
        ("window: 0", "greater than 0"),
        ("window: 65", "64"),
        ("shift: 3", "shift"),
        ("shfit: true", "did you mean shift"),
    ],
)
def test_other_bad_options_are_refused_in_one_line(run, tmp_path, option, rule):
    path = tmp_path / "broken.yaml"
    path.write_text(f"stem: patch_embed\nstages:\n  - block: Swin\n    width: 96\n    {option}\n")
    code, _, err = run("flops", path)
    assert code == 2
    assert err.count("\n") == 1
    assert "broken.yaml:5" in err
    assert rule in err


@pytest.mark.parametrize("block", ["Swin", "davit_spatial", "hrformer_block", "hrvit_block"])
def test_a_window_larger_than_the_map_is_refused_at_its_line(run, tmp_path, block):
    path = tmp_path / "broken.yaml"
    rows = f"  - {{block: {block}, width: 32, window: 7}}\n  - block: {block}\n    width: 64\n    window: 8\n"
    path.write_text(f"resolution: 28\nstem: patch_embed\nstages:\n{rows}    downsample: irds_a\n")
    code, out, err = run("flops", path)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith(f"archspec: {path}:5: stages[1].block: at resolution 28, layer ")
    fit = "shrink" if block == "Swin" else "pad"
    assert f": window 8 is larger than the map of 4x4: with window_fit: {fit} the block {fit}s the " in err


@pytest.mark.parametrize("block", ["Swin", "davit_spatial", "hrformer_block", "hrvit_block"])
def test_a_map_that_fills_no_window_is_taken_where_asked_for_and_counted_as_built(block):
    fit = "shrink" if block == "Swin" else "pad"
    row = f"block: {block}, width: 8, window: 8, window_fit: {fit}"
    spec = parse(parse_document(f"{{resolution: 28, stem: patch_embed, stages: [{{{row}}}]}}", "<test>"))
    for size in (12, 28, (28, 16), (40, 12)):
        assert audit(spec, size).cost.macs > 0
        with torch.no_grad():
            side = (size, size) if isinstance(size, int) else size
            assert build(spec).eval()(torch.randn(1, 3, *side)).isfinite().all()
    tokens = 7 * 7 if block == "Swin" else 8 * 8
    if block in ("Swin", "hrformer_block"):
        assert measure(spec, 28).total.by_operator["scaled_dot_product_attention"] == 2 * 8 * tokens**2


def test_window_fit_is_written_only_where_it_is_not_the_usual():
    plain, fitted = (
        parse(parse_document(f"{{stem: patch_embed, stages: [{{block: Swin, width: 8{more}}}]}}", "<test>"))
        for more in (", window_fit: refuse", ", window_fit: shrink")
    )
    assert "window_fit" not in plain.canonical()["stages"][0]["blocks"][0]
    assert fitted.canonical()["stages"][0]["blocks"][0]["window_fit"] == "shrink"
    assert parse(parse_document(dump(fitted, "rows"), "<rows>")) == fitted
    assert plain.digest != fitted.digest


def test_swin_t_at_112_costs_what_its_shrunken_window_does(run):
    code, out, _ = run("flops", "swin-t", "--res", "112", "--set", "Swin.window_fit=shrink", "--json")
    assert code == 0
    whole = json.loads(out)["macs"]
    small = edit(load("swin-t"), {"stages[3].window": 4})
    assert measure(small, 112).macs == whole  # only the unread ends of its tables are fewer


def test_the_cost_of_shrunken_windows_is_a_polynomial_from_where_they_are_whole(run):
    formula = symbolic(edit(load("swin-t"), {"Swin.window_fit": "shrink"}), 224)
    assert formula.value(448) == measure(load("swin-t"), 448).macs
    assert formula.least == symbolic(load("swin-t"), 224).least


def test_one_side_of_a_map_may_be_shorter_than_the_window():
    text = "{stem: patch_embed, stages: [{block: {type: Swin, shift: true}, width: 8}]}"
    wide = measure(parse(parse_document(text, "<test>")), (12, 28))
    assert wide.total.by_operator["scaled_dot_product_attention"] == 2 * 8 * (3 * 7) ** 2


def test_swin_is_exported_for_batches_of_any_size():
    text = "{stem: patch_embed, stages: [{block: [Swin, {type: Swin, shift: true}], width: 8, window: 4}]}"
    network = build(parse(parse_document(text, "<test>"))).eval()
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(network, (torch.randn(2, 3, 40, 36),), dynamic_shapes=({0: batch},))
    for count in (1, 5):
        images = torch.randn(count, 3, 40, 36)
        assert torch.allclose(program.module()(images), network(images), atol=1e-5)
