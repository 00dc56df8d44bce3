"""Positions stacked into channels."""

import pytest
import torch
import torch.nn.functional as F

from archspec.errors import FieldError
from blocks.layers.basic.linear import Linear
from blocks.layers.basic.norm import layer_norm
from blocks.layers.basic.space_to_depth import SpaceToDepth
from blocks.layers.combine import chain
from blocks.layers.layer import Meter, Value


@pytest.mark.parametrize(("size", "side"), [((4, 6), 2), ((5, 3), 2), ((1, 1), 2), ((7, 4), 3), ((3, 3), 1)])
def test_a_window_becomes_a_position_column_by_column(agree, size, side):
    layer = SpaceToDepth(side)
    x = torch.randn(2, 3, *size)
    padded = F.pad(x, (0, -size[1] % side, 0, -size[0] % side))
    parts = [padded[:, :, row::side, column::side] for column in range(side) for row in range(side)]
    assert torch.equal(layer.module()(x), torch.cat(parts, 1))
    found = agree(chain(merge=layer, norm=layer_norm(3 * side**2)), (3, *size))
    assert found.shape == (3 * side**2, -(-size[0] // side), -(-size[1] // side))


def test_merging_is_a_norm_and_a_linear_layer(agree):
    merged = chain(merge=SpaceToDepth(2), norm=layer_norm(12), reduction=Linear(12, 6, bias=False, on_map=True))
    found = agree(merged, (3, 5, 4))
    assert (found.shape, found.params) == ((6, 3, 2), 24 + 72)
    assert found.macs == {"layer_norm": 5 * 72, "linear": 72 * 6}


def test_a_single_position_cannot_be_reduced():
    meter = Meter()
    meter.reducing = True
    with pytest.raises(FieldError, match="stride 2 empties a map of 1x5"):
        SpaceToDepth(2).trace(Value.new((3, 1, 5)), meter)
