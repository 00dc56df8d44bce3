"""Counting conventions: by hand on single layers, against hooks on built models, and on presets."""

import csv
import io
import json
import random
import re
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from archspec.cost.conventions import CONVENTIONS, KINDS, find_convention
from archspec.cost.measure import measure
from archspec.errors import SpecError
from archspec.loader import load, presets
from archspec.model.build import build
from archspec.testing.random_specs import random_resolution, random_spec
from archspec.tree.trace import resolve
from blocks.layers.attention.attention import Attention
from blocks.layers.basic.activation import Activation
from blocks.layers.basic.conv import Conv, conv
from blocks.layers.basic.linear import Linear
from blocks.layers.basic.norm import batch_norm, layer_norm
from blocks.layers.basic.pool import AvgPool, GlobalPool
from blocks.layers.basic.pool_torch import GlobalAvgPool
from blocks.layers.basic.resize import Repeat, Resize
from blocks.layers.combine import chain
from blocks.layers.layer import Line, Meter, Value


def counts(layer, shape):
    """Operations of a layer on one map, under every convention."""
    meter = Meter()
    meter.enter("layer", layer, Value.new(shape))
    return {name: sum(map(convention.count, meter.lines)) for name, convention in CONVENTIONS.items()}


def specs(count, seed):
    rng = random.Random(seed)
    for _ in range(count):
        spec = random_spec(rng)
        yield spec, random_resolution(rng, spec)


@pytest.mark.parametrize(
    ("layer", "shape", "fvcore", "macs", "mmcv", "half"),
    [
        # 3x3 from 2 to 4 channels on 5x6 positions: 2160 multiply-adds, 120 biases.
        (Conv(2, 4, 3), (2, 5, 6), 2160, 2160, 2280, 2280),
        (Conv(2, 4, 3, bias=False), (2, 5, 6), 2160, 2160, 2160, 2160),
        (Conv(4, 4, 3, 2, groups=4), (4, 5, 6), 324, 324, 360, 360),
        (Linear(6, 7), (6,), 42, 42, 42, 42),
        (batch_norm(3), (3, 4, 5), 120, 0, 120, 0),
        (layer_norm(3), (3, 4, 5), 300, 0, 120, 120),
        (Activation("relu"), (3, 4, 5), 0, 0, 60, 60),
        (Activation("gelu"), (3, 4, 5), 0, 0, 0, 0),
        (Activation("hardswish"), (3, 4, 5), 0, 0, 0, 0),
        (GlobalPool(), (3, 4, 5), 60, 0, 60, 60),
        (AvgPool(2), (3, 4, 5), 0, 0, 60, 60),
        (Repeat(2), (3, 4, 5), 240, 0, 240, 240),
        (Resize(6), (3, 4, 5), 432, 0, 108, 108),
        # 20 tokens of 4 channels: projections 20·4·12 + 20·4·4, two matmuls of 20·20·4.
        (Attention(4, 2), (4, 4, 5), 1280 + 3200, 1280 + 3200, 1280, 1280 + 1600),
    ],
)
def test_one_layer_by_hand(layer, shape, fvcore, macs, mmcv, half):
    expected = {"fvcore": fvcore, "macs": macs, "mmcv": mmcv, "half": half, "torch": 2 * macs}
    assert counts(layer, shape) == expected


def test_a_small_tree_by_hand():
    layer = chain(
        a=conv(3, 8, 3, stride=2), norm=batch_norm(8), act=Activation("relu"), up=Repeat(2), pool=GlobalPool()
    )
    conv_macs, small, large = 3 * 8 * 9 * 12, 8 * 12, 8 * 48
    assert counts(layer, (3, 6, 8)) == {
        "fvcore": conv_macs + 2 * small + 2 * large,
        "macs": conv_macs,
        "mmcv": conv_macs + small + 2 * small + small + 2 * large,
        "half": conv_macs + small + small + 2 * large,
        "torch": 2 * conv_macs,
    }


HOOKED = (
    *(nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm, nn.ReLU, nn.Upsample),
    *(nn.AvgPool2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d, GlobalAvgPool),
)


def billed(module, x, out):
    """What mmcv 1.7's hook of a module adds for one image, or all its regions: see docs/reference/counting.md."""
    match module:
        case nn.Conv2d():
            positions = out.numel() // out.shape[1]
            return positions * module.weight.numel() + (out.numel() if module.bias is not None else 0)
        case nn.ConvTranspose2d():
            return x.numel() // x.shape[1] * module.weight.numel() + out.numel()
        case nn.Linear():
            return x.numel() * module.out_features
        case nn.BatchNorm2d() | nn.LayerNorm() | nn.GroupNorm():
            return 2 * x.numel()
        case nn.ReLU() | nn.Upsample():
            return out.numel()
        case _:
            return x.numel()


def hooked(network, images):
    """A counter that hooks modules, as mmcv's does: (all, without batch norm)."""
    totals = [0, 0]

    def hook(module, inputs, out):
        added = billed(module, inputs[0], out)
        totals[0] += added
        totals[1] += 0 if isinstance(module, nn.BatchNorm2d) else added

    for module in network.modules():
        if isinstance(module, HOOKED):
            module.register_forward_hook(hook)
    with torch.no_grad():
        network(images)
    return tuple(totals)


def test_mmcv_and_half_are_what_hooks_on_the_built_model_count():
    for spec, resolution in specs(25, seed=11):
        cost = measure(spec, resolution)
        at, size = resolve(spec, resolution)
        everything, without_norm = hooked(build(at).eval(), torch.zeros(1, at.channels, *size))
        matmuls = sum(line.macs // 2 for line in cost.total.lines if KINDS.get(line.operator) == "attention")
        assert cost.under("mmcv").macs == everything
        assert cost.under("half").macs == without_norm + matmuls


def test_torch_is_what_its_own_counter_prints():
    for spec, resolution in specs(25, seed=12):
        at, size = resolve(spec, resolution)
        model = build(at, device="meta").eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(torch.empty(1, at.channels, *size, device="meta"))
        assert measure(spec, resolution).under("torch").macs == counter.get_total_flops()


def test_flops_are_twice_the_macs_and_called_so(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")  # where headings take one line
    _, out, _ = run("flops", "swin-t", "--as", "flops", "--json")
    assert json.loads(out)["macs"] == 2 * measure(load("swin-t")).under("macs").macs
    _, out, _ = run("flops", "swin-t", "--as", "FLOPs")
    assert "FLOPs (torch)" in out
    assert "share of FLOPs" in out
    assert "FLOPs by the convention torch: multiply and add apart" in " ".join(out.split())


@given(seed=st.integers(0, 10**6))
def test_fvcore_is_what_was_measured_and_macs_its_part_without_norms_and_resizing(seed):
    rng = random.Random(seed)
    spec = random_spec(rng)
    cost = measure(spec, random_resolution(rng, spec))
    fvcore, macs = cost.under("fvcore"), cost.under("macs")
    assert fvcore.total == cost.total
    assert fvcore.parts == cost.parts
    norms = {"batch_norm", "layer_norm", "group_norm"}
    others = norms | {"adaptive_avg_pool2d", "upsample_nearest2d", "upsample_bilinear2d"}
    assert macs.macs == sum(count for name, count in cost.total.by_operator.items() if name not in others)
    assert macs.macs == cost.paper_macs - cost.total.by_operator.get("layer_norm", 0)


@pytest.mark.parametrize("name", presets())
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_parts_and_lines_add_up_under_every_convention(name, convention):
    cost = measure(load(name))
    other = cost.under(convention)
    assert other.convention == convention
    assert other.macs == sum(part.macs for part in other.parts) == sum(line.macs for line in other.total.lines)
    assert other.macs == sum(other.total.by_operator.values())
    for field in ("params", "paper_macs", "activations", "saved_bytes"):
        assert getattr(other, field) == getattr(cost, field)


# At 448, in G, so that a change shows. `macs` and layer norm are docs/papers/hiri_vit.md's 5.040, 9.932 and 19.836.
HIRI = {
    "hiri-vit-s": {"fvcore": 5.059, "macs": 5.036, "mmcv": 4.847, "half": 4.945},
    "hiri-vit-b": {"fvcore": 9.967, "macs": 9.926, "mmcv": 9.570, "half": 9.752},
    "hiri-vit-l": {"fvcore": 19.890, "macs": 19.824, "mmcv": 19.066, "half": 19.456},
}


@pytest.mark.parametrize("name", HIRI)
def test_hiri_presets_under_each_convention(name):
    cost = measure(load(name), 448)
    assert {convention: round(cost.under(convention).macs / 1e9, 3) for convention in HIRI[name]} == HIRI[name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mmvc", "must be fvcore, macs, mmcv, half or torch, not 'mmvc' (did you mean mmcv?)"),
        ("tops", "must be fvcore, macs, mmcv, half or torch, not 'tops'"),
    ],
)
def test_an_unknown_convention_is_one_line(run, name, message):
    with pytest.raises(SpecError) as caught:
        measure(load("tiny")).under(name)
    assert str(caught.value) == f"convention: {message}"
    assert run("flops", "tiny", "--as", name) == (2, "", f"archspec: --as: {message}\n")


def test_a_converted_cost_cannot_be_converted_again():
    with pytest.raises(ValueError, match="a cost under mmcv cannot be converted again"):
        measure(load("tiny")).under("mmcv").under("half")


def test_an_operator_without_a_rule_is_an_error_and_never_a_zero():
    line = Line("stages.0.blocks.0", "fft", (3, 4, 5), 0, 60, 0, 0)
    for convention in CONVENTIONS.values():
        with pytest.raises(SpecError, match=r"operator fft of stages\.0\.blocks\.0 multiplies, but has no rule"):
            convention.count(line)
        assert convention.count(replace(line, macs=0)) == 0


def test_modules_that_are_not_made_of_layers_are_refused_where_their_inside_counts():
    line = Line("stages.0.blocks.0.body", "opaque", (3, 4, 5), 0, 0, 0, 0)
    assert find_convention("macs").count(line) == find_convention("fvcore").count(line) == 0
    for name in ("mmcv", "half"):
        with pytest.raises(SpecError, match=rf"the convention {name} counts .* module stages\.0\.blocks\.0\.body"):
            find_convention(name).count(line)


def test_every_kind_of_operator_has_a_rule_in_some_convention():
    used = {kind for convention in CONVENTIONS.values() for kind in convention.rules}
    assert used == set(KINDS.values())


def test_what_is_printed_states_the_convention(run):
    expected = measure(load("tiny"), 96).under("mmcv")
    _, out, _ = run("flops", "tiny", "--res", "96", "--as", "mmcv", "--json", "--per-layer")
    record = json.loads(out)
    assert (record["convention"], record["macs"]) == ("mmcv", expected.macs)
    assert sum(layer["macs"] for layer in record["layers"]) == sum(record["operators"].values()) == expected.macs
    _, out, _ = run("flops", "tiny", "--res", "96", "--res", "64", "--as", "mmcv", "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (rows[0]["convention"], int(rows[0]["macs"])) == ("mmcv", expected.macs)
    for arguments in (["--per-layer"], [], ["--res", "64", "--res", "96"]):
        _, out, _ = run("flops", "tiny", "--as", "half", *arguments)
        assert re.search(r"MACs \(half\)|┃ +MACs ┃", out)  # in two lines where that column is narrow
        assert "by the convention half: mmcv's counter without batch norm" in " ".join(out.split())


def test_the_default_output_does_not_change(run):
    _, out, _ = run("flops", "tiny", "--json", "--per-layer")
    assert "convention" not in out
    _, table, _ = run("flops", "tiny")
    assert "by fvcore's rules with attention as two matmuls" in " ".join(table.split())
    assert "MACs (" not in table


def test_a_convention_does_not_go_with_formulas(run):
    code, _, err = run("flops", "tiny", "--symbolic", "--as", "mmcv")
    assert (code, err) == (2, "archspec: --symbolic: goes with --res, --per-layer and --json only\n")


def test_the_audit_still_counts_by_fvcores_rules(run):
    code, out, err = run("flops", "tiny", "--as", "macs", "--verify")
    assert code == 0
    assert f"fvcore counts {measure(load('tiny')).macs:,} MACs" in err
    assert "MACs (macs)" in out
