"""Convolution and padding."""

import pytest
import torch

from archspec.errors import FieldError
from blocks.layers.basic.conv import Conv, Pad, conv, dwconv
from blocks.layers.combine import chain
from blocks.layers.layer import Meter, Value


@pytest.mark.parametrize(
    ("layer", "shape", "out", "params", "macs"),
    [
        # Output positions (n + 2·pad - kernel) // stride + 1; MACs: weights times output positions, no bias.
        (conv(3, 8, 3), (3, 5, 7), (8, 5, 7), 3 * 8 * 9 + 8, 3 * 8 * 9 * 35),
        (conv(3, 8, 3, stride=2), (3, 5, 7), (8, 3, 4), 3 * 8 * 9 + 8, 3 * 8 * 9 * 12),
        (conv(3, 8), (3, 5, 7), (8, 5, 7), 3 * 8 + 8, 3 * 8 * 35),
        (conv(3, 8, bias=False), (3, 5, 7), (8, 5, 7), 3 * 8, 3 * 8 * 35),
        (conv(3, 8, 7, stride=4), (3, 9, 9), (8, 3, 3), 3 * 8 * 49 + 8, 3 * 8 * 49 * 9),
        (dwconv(6, 3), (6, 4, 4), (6, 4, 4), 6 * 9 + 6, 6 * 9 * 16),
        (dwconv(6, 3, stride=2), (6, 5, 4), (6, 3, 2), 6 * 9 + 6, 6 * 9 * 6),
        (dwconv(1, 3), (1, 4, 4), (1, 4, 4), 9 + 1, 9 * 16),
        (Conv(6, 9, 3, groups=3), (6, 4, 4), (9, 4, 4), 6 // 3 * 9 * 9 + 9, 6 // 3 * 9 * 9 * 16),
        (Conv(4, 4, 2, 2, padding=0), (4, 5, 5), (4, 2, 2), 4 * 4 * 4 + 4, 4 * 4 * 4 * 4),
        (Conv(4, 4, 1, 3, padding=2), (4, 1, 1), (4, 2, 2), 4 * 4 + 4, 4 * 4 * 4),
    ],
)
def test_convolutions(agree, layer, shape, out, params, macs):
    found = agree(layer, shape)
    assert (found.shape, found.params, found.macs) == (out, params, {"conv": macs})
    assert found.activations == out[0] * out[1] * out[2]
    assert found.saved_bytes == 4 * shape[0] * shape[1] * shape[2]


@pytest.mark.parametrize(("size", "out"), [((6, 6), (6, 6)), ((5, 6), (6, 6)), ((1, 1), (3, 3)), ((4, 7), (6, 9))])
def test_padding_to_a_multiple_is_free(agree, size, out):
    multiple = 2 if size[0] in (5, 6) else 3
    found = agree(Pad(multiple), (2, *size))
    assert (found.shape, found.macs, found.saved_bytes) == ((2, *out), {}, 0)


def test_padding_puts_zeros_at_the_far_edges():
    padded = Pad(3).module()(torch.ones(1, 1, 2, 4))
    assert torch.equal(padded[0, 0], torch.tensor([[1.0, 1, 1, 1, 0, 0]] * 2 + [[0.0] * 6]))


def test_what_is_already_a_multiple_is_the_same_memory(agree):
    # Both convolutions keep one tensor where nothing was padded, two where something was.
    two = chain(pad=Pad(2), conv=Conv(2, 2, 1))
    assert agree(chain(first=two, second=conv(2, 2)), (2, 4, 4)).saved_bytes == 2 * 4 * 2 * 16
    assert agree(two, (2, 3, 3)).saved_bytes == 4 * 2 * 16


def test_a_window_that_does_not_fit_is_refused():
    with pytest.raises(FieldError, match="a 4x4 window at stride 4 empties a side of 3"):
        Conv(2, 2, 4, 4, padding=0).trace(Value.new((2, 8, 3)), Meter())


def test_a_stride_needs_two_positions_where_the_map_is_being_reduced():
    meter = Meter()
    assert conv(2, 2, 3, 2).trace(Value.new((2, 1, 8)), meter).shape == (2, 1, 4)
    meter.reducing = True
    with pytest.raises(FieldError, match="stride 2 empties a map of 1x8"):
        conv(2, 2, 3, 2).trace(Value.new((2, 1, 8)), meter)
    assert conv(2, 2, 3, 1).trace(Value.new((2, 1, 8)), meter).shape == (2, 1, 8)
    assert conv(2, 2, 3, 2).trace(Value.new((2, 2, 8)), meter).shape == (2, 1, 4)
