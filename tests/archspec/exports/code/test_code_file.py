"""A network as one file: the same state, the same outputs, nothing of archspec, loops where blocks repeat."""

import ast
import random
import subprocess
import sys
import textwrap
from typing import ClassVar

import pytest
import torch

from archspec.errors import RunError, SpecError
from archspec.exports.code.check_torch import check_code
from archspec.exports.code.code_file import class_name, write_code
from archspec.loader import load
from archspec.model.build import build
from archspec.testing.random_specs import random_spec
from blocks.catalog import parts, tag
from blocks.cffn import CFFN
from blocks.layers.layer import Layer

FAMILIES = ("convnext-t", "davit-t", "hiri-vit-b", "hrformer-t", "pvtv2-b0", "resnet-50d", "tiny-hrvit-seg")


def run(text: str) -> dict:
    names = {"__name__": "exported"}
    exec(compile(text, "exported", "exec"), names)
    return names


def outputs(network, images) -> list:
    torch.manual_seed(1)
    out = network(images)
    return list(out) if isinstance(out, list | tuple) else [out]


@pytest.mark.parametrize("name", FAMILIES)
def test_the_state_is_that_of_the_built_network(name):
    spec = load(name)
    text = write_code(spec)
    assert check_code(text, spec) == sum(p.numel() for p in build(spec, device="meta").parameters())
    roots = {
        one.split(".")[0]
        for node in ast.walk(ast.parse(text))
        for one in ([node.module] if isinstance(node, ast.ImportFrom) else [])
    }
    assert roots <= {"torch", "collections", "typing", "math"}


@pytest.mark.parametrize("part", parts(), ids=tag)
def test_every_part_is_written_and_answers_alike(part):
    spec = random_spec(random.Random(7), part)
    network, built = run(write_code(spec))[class_name(spec.name)](), build(spec)
    network.load_state_dict(built.state_dict())
    images = torch.randn(2, spec.channels, spec.resolution, spec.resolution)
    with torch.no_grad():
        for one, other in zip(outputs(network.eval(), images), outputs(built.eval(), images), strict=True):
            assert torch.equal(one, other)


def test_training_is_the_same_with_stochastic_depth():
    spec = load("tiny").edit({"drop_path": 0.4})
    network, built = run(write_code(spec))["Tiny"](), build(spec)
    network.load_state_dict(built.state_dict())
    images = torch.randn(4, 3, 64, 64)
    assert torch.equal(outputs(network, images)[0], outputs(built, images)[0])
    assert not torch.equal(outputs(network.eval(), images)[0], outputs(network.train(), images)[0])


def test_blocks_that_repeat_are_loops_over_the_schedule():
    text = write_code(load("swin-t").edit({"drop_path": 0.2}))
    assert "rates = [0.2 * step / 11 for step in range(12)]" in text
    assert "for i in range(4, 10, 2)" in text
    assert text.count("class Swin(") == 1
    plain = write_code("hiri-vit-s")
    assert "*(T(320, 5) for _ in range(9))" in plain
    assert "def __init__(self, width: int, heads: int) -> None:" in plain


def test_weights_start_as_the_built_networks_do():
    torch.manual_seed(0)
    network = run(write_code("tiny"))["Tiny"]()
    weight = network.stages[3].blocks[0].mha.body.attention.qkv
    assert 0.015 < weight.weight.std() < 0.025
    assert weight.bias.abs().max() == 0


def test_the_file_runs_alone(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(write_code("HR1x8-CFFN1x12"))
    guard = "import sys; sys.modules['archspec'] = sys.modules['blocks'] = None; import runpy; "
    command = [sys.executable, "-c", f"{guard}runpy.run_path({str(path)!r}, run_name='__main__')"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    parameters = sum(p.numel() for p in build("HR1x8-CFFN1x12", device="meta").parameters())
    assert said.startswith(f"{parameters:,} parameters")


def test_parts_of_another_package_are_copied(tmp_path, monkeypatch):
    (tmp_path / "their_lab.py").write_text(
        textwrap.dedent(
            '''
            from dataclasses import dataclass
            from typing import Literal, final

            import torch
            from torch import Tensor, nn

            from archspec.parts import Block
            from blocks.layers.construction import Construction, call
            from blocks.layers.layer import Layer, Meter, Value

            GAIN = 2.0

            @final
            class Gain(nn.Module):
                def __init__(self, width: int) -> None:
                    super().__init__()
                    self.weight = nn.Parameter(torch.ones(width, 1, 1))

                def forward(self, x: Tensor) -> Tensor:
                    return GAIN * x * self.weight

            @final
            @dataclass(frozen=True, slots=True)
            class GainLayer(Layer):
                width: int

                @property
                def kind(self) -> str:
                    return "gain"

                def trace(self, x: Value, meter: Meter) -> Value:
                    return meter.count("mul", Value.new(x.shape), params=self.width)

                def construction(self) -> Construction:
                    return call("their_lab:Gain", self.width)

            @final
            class LabGain(Block):
                """A gain per channel."""

                type: Literal["lab_gain"] = "lab_gain"

                def layers(self, width: int) -> Layer:
                    return GainLayer(width)
            '''
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import their_lab

    spec = load("HR1x8-CFFN1x12")
    monkeypatch.setattr(CFFN, "layers", lambda block, width: their_lab.GainLayer(width))
    text = write_code(spec)
    assert "from their_lab import Gain" in text
    assert "needs torch their_lab" in text
    check_code(text, spec)
    monkeypatch.setattr(CFFN, "__module__", "their_lab")
    text = write_code(spec)
    assert "GAIN = 2.0" in text
    assert "their_lab" not in text.split('"""', 2)[2]
    check_code(text, spec)


def test_a_layer_that_does_not_say_how_it_is_made_is_named(monkeypatch):
    class Silent(Layer):
        keep: ClassVar[int] = 0

        @property
        def kind(self) -> str:
            return "silent"

        def trace(self, x, meter):
            return x

        def module(self):
            return torch.nn.Identity()

    monkeypatch.setattr(CFFN, "layers", lambda block, width: Silent())
    with pytest.raises(SpecError, match="Silent cannot be written as code: it overrides `module`"):
        write_code("HR1x8-CFFN1x12")


def test_code_that_differs_is_never_written():
    spec = load("tiny")
    text = write_code(spec)
    with pytest.raises(RunError, match="differs from the built network's at stem"):
        check_code(text.replace("nn.Conv2d(3, 16", "nn.Conv2d(3, 24"), spec)
    with pytest.raises(RunError, match="does not run: NameError"):
        check_code(text.replace("class Sum", "class Summary"), spec)
