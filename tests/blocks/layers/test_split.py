"""Groups of channels through branches of their own."""

import pytest
import torch

from archspec.errors import FieldError
from blocks.layers.basic.activation import gelu
from blocks.layers.basic.conv import conv, dwconv
from blocks.layers.combine import chain
from blocks.layers.layer import Meter, Value
from blocks.layers.split import split


def test_each_branch_sees_its_channels(agree):
    layer = split((2, 3), small=dwconv(2, 3), large=conv(3, 4, 5))
    found = agree(layer, (5, 4, 6))
    assert (found.shape, found.macs) == ((6, 4, 6), {"conv": 24 * (2 * 9 + 3 * 4 * 25)})
    module, x = layer.module(), torch.randn(2, 5, 4, 6)
    assert torch.allclose(module(x), torch.cat((module.small(x[:, :2]), module.large(x[:, 2:])), 1))
    assert layer.tails() == ("small", "large")


def test_the_input_is_kept_once_however_many_groups_read_it(agree):
    assert agree(split((2, 2), a=dwconv(2), b=dwconv(2)), (4, 3, 3)).saved_bytes == 4 * 4 * 9
    whole = chain(first=conv(4, 4), mix=split((2, 2), a=dwconv(2), b=dwconv(2)), act=gelu())
    assert agree(whole, (4, 3, 3)).saved_bytes == 3 * 4 * 4 * 9


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            split((2, 3), a=dwconv(2), b=dwconv(3)),
            r"groups of 2 \+ 3 channels do not make up a map of shape \(4, 6, 6\)",
        ),
        (
            split((2, 2), a=dwconv(2), b=dwconv(2, 3, stride=2)),
            r"branch b of shape \(2, 3, 3\) cannot stand beside one of \(2, 6, 6\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(layer, message):
    with pytest.raises(FieldError, match=message):
        layer.trace(Value.new((4, 6, 6)), Meter())
