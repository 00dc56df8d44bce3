"""Specs with blocks that are not made of layers are costed, built, audited and held to the contract as all others."""

import os
import random
import subprocess
import sys
import textwrap
from typing import Literal

import pytest
import torch
from torch import nn

from archspec.cost.components import ComponentOptions
from archspec.cost.measure import measure
from archspec.cost.tables import MetricAt, tabulate
from archspec.errors import SpecError, UncountedError
from archspec.loader import load
from archspec.model.audit import audit
from archspec.model.build import build
from archspec.spec.schema import StageSpec
from archspec.testing.contract import CHECKS, naming
from archspec.testing.random_specs import random_spec
from blocks.catalog import find_part
from blocks.cffn import CFFN
from blocks.component import Block
from blocks.layers.combine import residual
from blocks.layers.layer import Layer
from blocks.opaque.opaque import opaque


class Attend(nn.Module):
    """Window attention by plain matmuls, with a buffer that it computes and weights that it sets itself."""

    def __init__(self, width, window=2):
        super().__init__()
        self.window = window
        self.norm = nn.BatchNorm2d(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.table = nn.Parameter(torch.randn(window**2))
        self.register_buffer("index", torch.arange(window**2).flip(0), persistent=False)
        nn.init.constant_(self.proj.weight, 0.3)

    def forward(self, x):
        n, c, h, w = x.shape
        s = self.window
        pad = nn.functional.pad(self.norm(x), (0, -w % s, 0, -h % s))
        height, width = pad.shape[2:]
        tiles = pad.reshape(n, c, height // s, s, width // s, s).permute(0, 2, 4, 3, 5, 1).reshape(-1, s * s, c)
        q, k, v = self.qkv(tiles).chunk(3, -1)
        tiles = self.proj((q @ k.transpose(1, 2) + self.table[self.index]).softmax(-1) @ v)
        tiles = tiles.reshape(n, height // s, width // s, s, s, c).permute(0, 5, 1, 3, 2, 4)
        return tiles.reshape(n, c, height, width)[:, :, :h, :w]


class Half(nn.Module):
    def forward(self, x):
        return x[:, :, ::2]


class Fourier(nn.Module):
    def forward(self, x):
        return torch.fft.fft2(x).real


def attend(block: CFFN, width: int) -> Layer:
    return residual(opaque(Attend, width=width), block.drop_path)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch, forget):
    monkeypatch.setenv("ARCHSPEC_CACHE", str(tmp_path))
    forget()
    yield
    forget()


@pytest.fixture
def spec(monkeypatch):
    """A spec whose CFFN blocks are window attention in a module of its own."""
    monkeypatch.setattr(CFFN, "layers", attend)
    return load("HR1x8-CFFN2x12")


@pytest.mark.parametrize("resolution", [64, (96, 65)])
def test_the_audit_passes(spec, resolution):
    passed = audit(spec, resolution)
    assert passed.cost.total.by_operator["matmul"] > 0
    assert passed.modules == sum(1 for _ in build(spec, device="meta").modules())


def test_written_out_attention_is_what_papers_count(spec):
    cost = measure(spec, 64)
    free = sum(
        line.macs for line in cost.total.lines if line.operator not in ("conv", "linear", "matmul", "layer_norm")
    )
    assert cost.paper_macs == cost.macs - free


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_whole_contract_holds(spec, check):
    torch.manual_seed(0)
    for resolution in (64, (40, 56)):
        with naming(spec, resolution):
            check(spec, resolution)


def test_the_module_initialises_itself(spec):
    for init in ("vit", "fan_out", "skip"):
        torch.manual_seed(0)
        network = build(spec, init=init, zero_init_residual=True, dtype=torch.float64)
        blocks = [module for module in network.modules() if isinstance(module, Attend)]
        assert len(blocks) == 2
        for module in blocks:
            assert module.index.tolist() == [3, 2, 1, 0]
            assert module.table.abs().min() > 0
            assert (module.proj.weight - 0.3).abs().max() < 1e-6
            assert module.proj.weight.dtype == torch.float64
        assert not torch.equal(blocks[0].table, blocks[1].table)
    assert {p.device.type for p in build(spec, device="meta").parameters()} == {"meta"}


def test_state_names_are_the_modules_own(spec):
    names = set(build(spec).state_dict())
    assert "stages.1.blocks.0.body.qkv.weight" in names


def test_other_networks_start_from_the_weights_that_they_always_did():
    """The seed decides, block by block, in the order in which `nn.Module.apply` reaches the modules."""
    torch.manual_seed(0)
    network = build(load("CFFN1x8"))
    torch.manual_seed(0)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            expected = nn.init.trunc_normal_(torch.empty_like(module.weight), std=0.02, a=-0.04, b=0.04)
            assert torch.equal(module.weight, expected), name


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Half, r"at resolution 224: block 0 must keep the shape \(12, 28, 28\), not give \(12, 14, 28\)"),
        (Fourier, r"at resolution 224: operator aten::fft_fft2 of Fourier has no counting rule"),
    ],
)
def test_what_is_no_block_is_refused_with_its_place(monkeypatch, module, message):
    monkeypatch.setattr(CFFN, "layers", lambda block, width: opaque(module))
    with pytest.raises(SpecError, match=r"^HR1x8-CFFN2x12: stages\[1\]\.block.*: " + message):
        load("HR1x8-CFFN2x12")


def test_random_specs_do_not_hide_what_cannot_be_counted(monkeypatch):
    monkeypatch.setattr(CFFN, "layers", lambda block, width: opaque(Fourier))
    with pytest.raises(UncountedError, match="aten::fft_fft2 of Fourier"):
        random_spec(random.Random(0), CFFN)


PARTS = """
from typing import Literal
from blocks.component import Block
from blocks.opaque.opaque import opaque
class Mix(Block):
    type: Literal["mix"] = "mix"
    ratio: int = 2
    def layers(self, width):
        return opaque("mixing.modules:make", width=width, ratio=self.ratio)
class Fourier(Block):
    type: Literal["fourier"] = "fourier"
    def layers(self, width):
        return opaque("mixing.modules:Fourier")
"""
MODULES = """
import torch
from torch import nn
def make(width, ratio):
    return nn.Sequential(nn.Conv2d(width, ratio * width, 1), nn.GELU(), nn.Conv2d(ratio * width, width, 1))
class Fourier(nn.Module):
    def forward(self, x):
        return torch.fft.fft2(x).real
"""
SPACE = """
resolution: 32
stem: hr_stem
stages:
  - {block: {choice: [%s, HR]}, depth: {range: [1, 3]}, width: {choice: [8, 12]}}
"""


@pytest.fixture
def installed(tmp_path):
    """A package of a third party with two blocks, and the environment in which it is installed."""
    folder, info = tmp_path / "mixing", tmp_path / "mixing-1.0.dist-info"
    folder.mkdir()
    info.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "parts.py").write_text(PARTS)
    (folder / "modules.py").write_text(MODULES)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mixing\nVersion: 1.0\n")
    points = "[archspec.blocks]\nmix = mixing.parts:Mix\nfourier = mixing.parts:Fourier\n"
    (info / "entry_points.txt").write_text(points)
    return {**os.environ, "PYTHONPATH": str(tmp_path), "ARCHSPEC_CACHE": str(tmp_path / "cache")}


def run(code, environment):
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_an_installed_block_is_priced_in_tables_and_needs_torch_once(installed):
    code = f"""
        import itertools, sys
        import numpy as np
        from archspec.cost.measure import measure
        from archspec.cost.metrics import additive_metrics
        from archspec.cost.tables import MetricAt
        from archspec.documents.reader import parse_document
        from search.space.encoding import Encoding
        from search.space.space import parse_space
        encoding = Encoding(parse_space(parse_document({SPACE % "mix"!r}, "s")))
        choices = np.array(list(itertools.product(*map(range, encoding.options))))
        tables = encoding.chain([MetricAt(metric.name) for metric in additive_metrics()]).price(choices)
        for row, costs in zip(choices, tables.tolist()):
            cost = measure(encoding.spec(row))
            assert costs == [metric.of(cost.total.lines) for metric in additive_metrics()], row
        print(len(choices), "torch" in sys.modules)
    """
    assert run(code, installed) == ["12 True"]
    assert run(code, installed) == ["12 False"]


def test_a_space_does_not_take_what_cannot_be_counted_for_impossible():
    class Fails(Block):
        type: Literal["fails"] = "fails"

        def layers(self, width: int) -> Layer:
            return opaque(Fourier)

    stage = StageSpec.model_construct(width=8, downsample=None, resize=None, blocks=(Fails(),))
    stems = (find_part("hr_stem")(),)
    menu = ComponentOptions(3, 32, 0.0, stems, ((load("HR1x8").stages[0], stage),), ((),))
    with pytest.raises(SpecError, match=r"^operator aten::fft_fft2 of Fourier has no counting rule: "):
        tabulate([{0: menu}], [MetricAt("macs")])


def test_the_command_names_place_and_operator(installed, tmp_path):
    (tmp_path / "s.yaml").write_text("stem: hr_stem\nresolution: 32\nstages: [{block: fourier, width: 8}]\n")
    command = [sys.executable, "-m", "archspec", "flops", str(tmp_path / "s.yaml")]
    done = subprocess.run(command, env=installed, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "stages[0]" in done.stderr
    assert "operator aten::fft_fft2 of Fourier has no counting rule" in done.stderr
    assert "Traceback" not in done.stderr
