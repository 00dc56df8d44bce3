"""What tests of the vocabulary share: small specs around one part, and what the part costs alone."""

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

# The machine has few cores, and pytest-xdist fills them: torch, once imported, must not start threads of its own.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from archspec.document import parse_document
from archspec.loader import parse
from archspec.schema import ArchSpec
from blocks.component import Block, MapsHead
from blocks.layers.layer import Line, Meter, Value

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
