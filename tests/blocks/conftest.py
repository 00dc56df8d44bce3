"""What tests of the vocabulary share: small specs around one part, what the part costs alone, and a layer
against torch, fvcore and autograd.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

# The machine has few cores, and pytest-xdist fills them: torch, once imported, must not start threads of its own.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

from archspec.documents.reader import parse_document
from archspec.loader import parse
from archspec.model.audit import count, saved_bytes
from archspec.spec.schema import ArchSpec
from blocks.component import Block, MapsHead
from blocks.layers.layer import Layer, Line, Meter, Shape, Value

PYRAMID = """
resolution: 64
stem: {type: hr_stem, width: 4}
stages:
  - {block: HR, width: 6}
  - {block: HR, width: 8, downsample: irds_a}
  - {block: CFFN, width: 9, downsample: irds_a}
  - {block: CFFN, width: 10, downsample: irds_b}
"""


@pytest.fixture(scope="session")
def written() -> Callable[[str], ArchSpec]:
    """A small pyramid with the head that is given as YAML: line 9 of spec.yaml."""
    return lambda head: parse(parse_document(f"{PYRAMID}head: {head}\n", "spec.yaml"))


@pytest.fixture(scope="session")
def head_params() -> Callable[[MapsHead, tuple[int, ...]], int]:
    """The params of a head on maps of these widths."""

    def count(head: MapsHead, widths: tuple[int, ...]) -> int:
        meter = Meter()
        maps = tuple(Value.new((width, 64 >> i, 48 >> i)) for i, width in enumerate(widths))
        meter.enter_maps("head", head.layers(widths), maps)
        return sum(line.params for line in meter.lines)

    return count


@pytest.fixture(scope="session")
def spec_with() -> Callable[[Mapping[str, Any], int], ArchSpec]:
    """A stage of one block, given by its options, and of this width."""

    def make(block: Mapping[str, Any], width: int) -> ArchSpec:
        data = {"stem": "conv_stem", "resolution": 32, "stages": [{"width": width, "blocks": [block]}]}
        return parse(parse_document(json.dumps(data), "<test>"))

    return make


@pytest.fixture(scope="session")
def block_lines() -> Callable[[Block, int, tuple[int, int]], list[Line]]:
    """The lines of a block of this width on a map of this size, which it must keep."""

    def trace(block: Block, width: int, size: tuple[int, int]) -> list[Line]:
        meter = Meter()
        out = block.layers(width).trace(Value.new((width, *size)), meter)
        assert out.shape == (width, *size)
        return meter.lines

    return trace


@dataclass
class Agreement:
    """What a layer's rules say, after fvcore and autograd have agreed."""

    shape: Shape
    lines: list[Line]
    params: int
    macs: dict[str, int]
    activations: int
    saved_bytes: int


def _trace(layer: Layer, shape: Shape, training: bool) -> tuple[Value, Meter]:
    meter = Meter(training=training, oversize=True)
    return layer.trace(Value.new(shape), meter), meter


def _by_operator(lines: list[Line]) -> dict[str, int]:
    names = dict.fromkeys(line.operator for line in lines)
    counts = {name: sum(line.macs for line in lines if line.operator == name) for name in names}
    return {name: macs for name, macs in counts.items() if macs}


@pytest.fixture
def agree() -> Callable[..., Agreement]:
    """Trace a layer on one input, build its module, and check shape, params, MACs, activations and saved bytes."""

    def check(layer: Layer, shape: Shape, *, training: bool = False, saves: bool = True) -> Agreement:
        out, meter = _trace(layer, shape, training)
        module = layer.module().train(training)
        images = torch.randn(2, *shape)
        with torch.no_grad():
            result = module(images)
        counted = count(module, images)
        found = tuple(result.shape[1:])
        assert found == out.shape or (len(found) == 2 and prod(found) == prod(out.shape))
        agreement = Agreement(
            out.shape,
            meter.lines,
            sum(line.params for line in meter.lines),
            _by_operator(meter.lines),
            sum(line.activations for line in meter.lines),
            sum(line.saved_bytes for line in meter.lines),
        )
        assert counted.params == agreement.params
        assert counted.macs[""] == agreement.macs
        assert counted.activations == agreement.activations
        if saves:
            # The input requires a gradient, as it does everywhere but at the image.
            image = torch.randn(1, *shape).requires_grad_()
            assert saved_bytes(module.train(), image) == agreement.saved_bytes
        return agreement

    return check
