"""`archspec convert`: weights under archspec's names, and what is refused."""

from importlib import import_module
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from archspec.cli.app import app
from archspec.convert import convert as module
from archspec.convert.convert import convert, families, find_family, read_state
from archspec.errors import SpecError
from archspec.loader import load
from archspec.model.build import build
from archspec.model.weights import restore

SPEC = """
name: convnext-small
resolution: 32
stem: {type: patch_stem, kernel: 4}
stages:
  - {block: ConvNeXt, width: 8, expansion: 2}
  - {block: ConvNeXt, width: 12, expansion: 2, downsample: norm_conv}
head: {type: pooled_classifier, classes: 5, norm_at: vector}
"""
PVT = """
name: pvtv2-small
resolution: 32
stem: {type: patch_embed, kernel: 7, pad: false}
stages:
  - {block: [PVT, LN], width: 8, sr: 2, heads: 2}
head: {type: pooled_classifier, classes: 5}
"""
RESNET = """
name: resnet-small
resolution: 32
stem: {type: resnet_stem, width_out: 8}
stages:
  - {block: bottleneck, width: 16, downsample: {type: bottleneck_down, stride: 1}}
head: {type: pooled_classifier, classes: 5}
"""


@pytest.fixture
def write(tmp_path):
    """Writes a spec."""

    def to(text: str = SPEC, name: str = "spec.yaml"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return to


def theirs() -> dict[str, torch.Tensor]:
    """Weights for SPEC under timm's names."""
    shapes = {
        **{"stem.0.weight": (8, 3, 4, 4), "stem.0.bias": (8,), "stem.1.weight": (8,), "stem.1.bias": (8,)},
        **{"stages.1.downsample.0.weight": (8,), "stages.1.downsample.0.bias": (8,)},
        **{"stages.1.downsample.1.weight": (12, 8, 2, 2), "stages.1.downsample.1.bias": (12,)},
        **{"head.norm.weight": (12,), "head.norm.bias": (12,), "head.fc.weight": (5, 12), "head.fc.bias": (5,)},
    }
    for stage, width in ((0, 8), (1, 12)):
        block = f"stages.{stage}.blocks.0"
        shapes |= {f"{block}.gamma": (width,), f"{block}.norm.weight": (width,), f"{block}.norm.bias": (width,)}
        shapes |= {f"{block}.conv_dw.weight": (width, 1, 7, 7), f"{block}.conv_dw.bias": (width,)}
        shapes |= {f"{block}.mlp.fc1.weight": (2 * width, width), f"{block}.mlp.fc1.bias": (2 * width,)}
        shapes |= {f"{block}.mlp.fc2.weight": (width, 2 * width), f"{block}.mlp.fc2.bias": (width,)}
    generator = torch.Generator().manual_seed(0)
    return {name: torch.rand(shape, generator=generator) for name, shape in shapes.items()}


def run(*arguments: object):
    return CliRunner().invoke(app, ["convert", *map(str, arguments)])


def refusal(*arguments: object) -> str:
    """The one line with which the command refuses."""
    error = run(*arguments).exception
    assert isinstance(error, SpecError), error
    assert error.exit_code == 2
    assert len(str(error).splitlines()) == 1
    return str(error)


def test_every_tensor_is_written_under_the_name_that_it_has_here(write, tmp_path):
    state = theirs()
    save_file(state, tmp_path / "timm.safetensors")
    result = run(write(), tmp_path / "timm.safetensors", "--from", "timm", "--out", tmp_path / "ours" / "net.bin")
    assert (result.exit_code, result.exception) == (0, None)
    assert "net.safetensors and " in result.output
    network = restore(tmp_path / "ours" / "net")
    assert network.spec == load(tmp_path / "spec.yaml")
    ours = network.state_dict()
    assert len(ours) == len(state)
    for name, source in {
        "stem.conv.weight": "stem.0.weight",
        "stages.1.downsample.norm.bias": "stages.1.downsample.0.bias",
        "stages.1.downsample.conv.bias": "stages.1.downsample.1.bias",
        "stages.1.blocks.0.scale": "stages.1.blocks.0.gamma",
        "stages.0.blocks.0.body.mix.weight": "stages.0.blocks.0.conv_dw.weight",
        "stages.0.blocks.0.body.ffn.fc2.bias": "stages.0.blocks.0.mlp.fc2.bias",
        "head.norm.weight": "head.norm.weight",
    }.items():
        assert torch.equal(ours[name], state[source]), name


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_checkpoints_of_torch_with_and_without_a_wrapper(write, tmp_path, wrapper):
    state = theirs()
    torch.save(state if wrapper is None else {wrapper: state, "epoch": 3}, tmp_path / "timm.pth")
    assert run(write(), tmp_path / "timm.pth", "--out", tmp_path / "net").exit_code == 0
    assert torch.equal(load_file(tmp_path / "net.safetensors")["head.fc.bias"], state["head.fc.bias"])


def test_a_prefix_of_all_names_is_taken_off_and_said(write, tmp_path):
    state = theirs()
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save({"epoch": 3, "model_ema": wrapped}, tmp_path / "timm.pth")
    done = run(write(), tmp_path / "timm.pth", "--out", tmp_path / "net")
    assert (done.exit_code, done.exception) == (0, None)
    assert f"all names in {tmp_path / 'timm.pth'} begin with module., which was taken off\n" in done.output
    assert torch.equal(load_file(tmp_path / "net.safetensors")["head.fc.bias"], state["head.fc.bias"])
    code = run(write(), tmp_path / "timm.pth", "--out", tmp_path / "spec")
    assert "spec.yaml: is what the command reads" in str(code.exception)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state.pop("stem.1.bias"),
            "timm.safetensors: is not the convnext of convnext-small: no stem.1.bias (stem.norm.bias here)",
        ),
        (
            lambda state: [state.pop(name) for name in list(state) if name.startswith("stages.0")],
            "no stages.0.blocks.0.gamma (stages.0.blocks.0.scale here) and 8 more",
        ),
        (lambda state: state.update(extra=torch.zeros(1)), "convnext-small: unexpected extra"),
        (
            lambda state: state.update({"head.fc.bias": torch.zeros(9)}),
            "convnext-small: shape of head.fc.bias (9,), not (5,)",
        ),
        (
            lambda state: state.update({"stages.9.blocks.0.norm.bias": state.pop("stem.1.bias")}),
            "no stem.1.bias (stem.norm.bias here); unexpected stages.9.blocks.0.norm.bias",
        ),
    ],
)
def test_tensors_of_another_network_are_named(write, tmp_path, change, message):
    state = theirs()
    change(state)
    save_file(state, tmp_path / "timm.safetensors")
    assert message in refusal(write(), tmp_path / "timm.safetensors", "--out", tmp_path / "net")
    assert not (tmp_path / "net.safetensors").exists()


class Anything:
    """What only a pickle that runs code could hold."""


def test_files_that_hold_no_state_dict_are_refused(write, tmp_path):
    spec, out = write(), tmp_path / "net"
    assert refusal(spec, tmp_path / "none.pth", "--out", out).endswith("none.pth: no such file")
    for name in ("damaged.pth", "damaged.safetensors"):
        (tmp_path / name).write_bytes(b"\x01nothing\n of that")
        assert f"{name}: cannot be read as a state dict: " in refusal(spec, tmp_path / name, "--out", out)
    assert refusal(spec, spec, "--out", out).endswith("state dict: it is not a file that torch.save wrote")
    for data, message in (
        ([1, 2], "it holds no mapping of names to tensors"),
        ({}, "it holds no mapping of names to tensors"),
        ({"epoch": 3}, "the entry 'epoch' is a int, not a tensor"),
        ({"state_dict": {1: torch.zeros(1)}}, "the entry 1 is a Tensor, under no name"),
        ({"a": Anything()}, "Anything, not tensors alone: save the model's state_dict() where it was made"),
    ):
        torch.save(data, tmp_path / "odd.pth")
        assert message in refusal(spec, tmp_path / "odd.pth", "--out", out)


def test_options_that_make_no_sense_are_refused(write, tmp_path):
    weights = tmp_path / "timm.safetensors"
    save_file(theirs(), weights)
    assert refusal(write(), weights, "--from", "keras", "--out", "x") == "--from: must be timm, not 'keras'"
    assert "would overwrite the weights that it reads" in refusal(write(), weights, "--out", tmp_path / "timm")
    wrong = refusal(write(), weights, "--family", "convnet", "--out", "x")
    assert wrong.startswith("--family: must be ")
    assert wrong.endswith("not 'convnet' (did you mean convnext?)")
    unnamed = refusal(write(SPEC.replace("convnext-small", "mine")), weights, "--out", "x")
    assert unnamed.startswith("--family: must be ")
    assert "not 'mine'" in unnamed
    assert unnamed.endswith("with which the spec's name begins")


def test_the_family_may_be_given_for_a_spec_of_any_name(write, tmp_path):
    save_file(theirs(), tmp_path / "timm.safetensors")
    path = write(SPEC.replace("convnext-small", "mine"))
    assert run(path, tmp_path / "timm.safetensors", "--family", "convnext", "--out", tmp_path / "net").exit_code == 0


def test_families_are_found_by_being_there():
    assert {"convnext", "pvtv2", "resnet"} <= set(families())
    for family in families():
        assert callable(import_module(f"archspec.convert.timm.{family}").convert)
    assert find_family(load("pvtv2-b5")) == "pvtv2"


def test_each_family_renames_what_the_others_do_not_have(write):
    spec = load(write(PVT))
    network = build(spec)
    state = {
        name.replace("stem.conv", "patch_embed.proj")
        .replace("stem.norm", "patch_embed.norm")
        .replace("mha.body.norm", "norm1")
        .replace("mha.body.attention.reduce", "attn.sr")
        .replace("mha.body.attention", "attn")
        .replace("ffn.body.norm", "norm2")
        .replace("ffn.body.ffn.mix", "mlp.dwconv")
        .replace("ffn.body.ffn", "mlp")
        .replace("blocks.1.", "norm.")
        .replace("head.fc", "head"): tensor
        for name, tensor in network.state_dict().items()
    }
    assert "stages.0.norm.weight" in state
    assert "stages.0.blocks.0.attn.sr.weight" in state
    found = convert(state, spec, network, "pvtv2")
    assert found.keys() == network.state_dict().keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in network.state_dict().items())


def test_counters_of_batch_norm_may_be_missing(write):
    spec = load(write(RESNET))
    network = build(spec)
    state = {
        name.replace("stem.conv", "conv1")
        .replace("stem.norm", "bn1")
        .replace("stages.0.downsample.unit", "layer1.0")
        .replace("stages.0.blocks.0.unit", "layer1.1")
        .replace("body.conv", "conv")
        .replace("body.norm", "bn")
        .replace("shortcut.conv", "downsample.0")
        .replace("shortcut.norm", "downsample.1")
        .replace("head.", ""): tensor
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    assert "layer1.0.downsample.1.running_var" in state
    found = convert(state, spec, network, "resnet")
    assert found.keys() == network.state_dict().keys()
    assert found["stem.norm.num_batches_tracked"] == 0
    del state["bn1.running_mean"]
    with pytest.raises(SpecError, match=r"no bn1\.running_mean \(stem\.norm\.running_mean here\)$"):
        convert(state, spec, network, "resnet")


@pytest.mark.parametrize(
    ("conversion", "message"),
    [
        (lambda state: {**state, "head.fc.bias": state["stages.0.blocks.0.scale"]}, "are one tensor$"),
        (lambda state: {**state, "head.fc.bias": state["absent"]}, "no tensor absent$"),
        (lambda state: {**state, "more": torch.zeros(1)}, "unexpected more$"),
        (lambda state: {name: torch.zeros(state[name].shape) for name in list(state)[1:]}, "; unexpected stem"),
    ],
)
def test_a_conversion_that_is_wrong_is_noticed(write, monkeypatch, conversion, message):
    spec = load(write(SPEC.replace("classes: 5", "classes: 8")))
    network = build(spec)
    family = SimpleNamespace(convert=lambda state, spec: conversion(state))
    monkeypatch.setattr(module, "import_module", lambda name: family)
    with pytest.raises(SpecError, match=message):
        convert(network.state_dict(), spec, network, "any")


def test_reading_keeps_every_tensor(tmp_path):
    state = theirs()
    torch.save(state, tmp_path / "a.pth")
    save_file(state, tmp_path / "a.safetensors")
    for name in ("a.pth", "a.safetensors"):
        found = read_state(tmp_path / name)
        assert found.keys() == state.keys()
        assert all(torch.equal(found[key], state[key]) for key in state)
