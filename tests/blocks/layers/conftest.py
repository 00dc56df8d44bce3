"""One layer against torch, fvcore and autograd."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import pytest
import torch

from archspec.audit import count, saved_bytes
from blocks.layers.layer import Layer, Line, Meter, Shape, Value


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
