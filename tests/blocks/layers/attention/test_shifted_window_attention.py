"""Shifted windows against attention over the whole map with a mask, and against fvcore and autograd."""

import pytest
import torch

from blocks.layers.attention.shifted_window_attention import ShiftedWindowAttention
from blocks.layers.basic.norm import layer_norm
from blocks.layers.combine import chain, residual
from blocks.layers.layer import Meter, Value

SIZES = [(8, 12), (10, 9), (3, 11), (9, 4), (3, 2), (4, 4), (5, 4), (1, 1), (1, 9), (7, 1), (4, 12)]
"""Multiples of a window of 4, others, and maps that are not larger than it in one side or both."""


def whole_map(module, x, window, shift):
    """Attention among all positions of the padded map, kept to those of one tile of the shifted grid."""
    batch, channels, height, width = x.shape
    sides = [min(window, side) for side in (height, width)]
    shifts = [window // 2 if shift and side > window else 0 for side in (height, width)]
    padded = [-(-side // step) * step for side, step in zip((height, width), sides, strict=True)]
    tokens = torch.zeros(batch, channels, *padded, dtype=x.dtype)
    tokens[:, :, :height, :width] = x
    places = [(row, column) for row in range(padded[0]) for column in range(padded[1])]
    qkv = module.qkv(tokens.flatten(2).transpose(1, 2))
    table = module.relative_position_bias_table.reshape(2 * window - 1, 2 * window - 1, -1)
    bias = torch.full((module.heads, len(places), len(places)), -torch.inf, dtype=x.dtype)

    def tile(place):
        return [(at - shift) // side for at, shift, side in zip(place, shifts, sides, strict=True)]

    for i, here in enumerate(places):
        for j, there in enumerate(places):
            if tile(here) == tile(there):
                bias[:, i, j] = table[here[0] - there[0] + window - 1, here[1] - there[1] + window - 1]
    q, k, v = (part.unflatten(2, (module.heads, -1)).transpose(1, 2) for part in qkv.chunk(3, dim=2))
    weights = (q @ k.transpose(2, 3) / q.shape[3] ** 0.5 + bias).softmax(-1)
    out = module.proj((weights @ v).transpose(1, 2).flatten(2))
    return out.transpose(1, 2).reshape(tokens.shape)[:, :, :height, :width]


@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_it_is_attention_inside_the_tiles_of_a_shifted_grid(size, shift):
    torch.manual_seed(0)
    module = ShiftedWindowAttention(6, 2, 4, shift).module().double()
    with torch.no_grad():
        module.relative_position_bias_table.normal_()
    x = torch.randn(2, 6, *size, dtype=torch.double)
    assert torch.allclose(module(x), whole_map(module, x, 4, shift), atol=1e-12)


@pytest.mark.parametrize("window", [1, 2, 5])
def test_other_windows(window):
    torch.manual_seed(0)
    module = ShiftedWindowAttention(4, 1, window, True).module().double()
    x = torch.randn(2, 4, 7, 6, dtype=torch.double)
    assert torch.allclose(module(x), whole_map(module, x, window, True), atol=1e-12)


@pytest.mark.parametrize(("size", "reached"), [((8, 8), False), ((4, 4), True)])
def test_what_the_roll_brings_together_is_kept_apart(size, reached):
    """The far corner is in the near corner's window after the roll; a single window is not rolled."""
    torch.manual_seed(0)
    module = ShiftedWindowAttention(4, 1, 4, True).module()
    x = torch.randn(1, 4, *size, requires_grad=True)
    module(x)[0, :, 0, 0].sum().backward()
    assert bool((x.grad[0, :, -1, -1].abs() > 1e-6).any()) is reached


@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("heads", [1, 2])
def test_cost_is_the_projections_and_two_matmuls_on_the_padded_map(agree, size, shift, heads):
    rows, columns = (min(4, side) for side in size)
    positions = -(-size[0] // rows) * rows * (-(-size[1] // columns) * columns)
    found = agree(chain(norm=layer_norm(6), attention=ShiftedWindowAttention(6, heads, 4, shift)), (6, *size))
    area = rows * columns
    assert found.shape == (6, *size)
    assert found.params == 12 + 6 * 18 + 18 + 6 * 6 + 6 + 49 * heads
    assert found.macs["linear"] == 4 * 36 * positions
    assert found.macs["scaled_dot_product_attention"] == 2 * 6 * positions * area
    assert found.activations == (18 + 6 + 6 + heads * area) * positions


@pytest.mark.parametrize("size", [(8, 8), (9, 5), (3, 3)])
def test_what_comes_after_keeps_the_padded_map(agree, size):
    # LayerScale keeps what it scales: the whole padded map, of which the output is a part.
    attention = ShiftedWindowAttention(6, 2, 4, True)
    body = chain(norm=layer_norm(6), attention=attention)
    agree(residual(body, scale=0.1, width=6), (6, *size))


def test_the_published_widths_and_windows():
    meter = Meter()
    ShiftedWindowAttention(96, 3, 7, True).trace(Value.new((96, 56, 56)), meter)
    assert sum(line.params for line in meter.lines) == 4 * 96**2 + 4 * 96 + 169 * 3
    # Equation 2 of the paper: 4hwC² + 2M²hwC.
    assert sum(line.macs for line in meter.lines) == 4 * 56**2 * 96**2 + 2 * 49 * 56**2 * 96


def test_one_module_takes_maps_of_any_size():
    torch.manual_seed(0)
    module = ShiftedWindowAttention(4, 2, 4, True).module().double()
    for size in [(9, 14), (3, 2), (8, 8), (2, 5), (9, 14)]:
        x = torch.randn(1, 4, *size, dtype=torch.double)
        assert torch.allclose(module(x), whole_map(module, x, 4, True), atol=1e-12)
    assert not [*module.buffers()]


def test_half_precision_keeps_its_type():
    module = ShiftedWindowAttention(4, 2, 4, True).module().bfloat16()
    assert module(torch.randn(1, 4, 9, 9, dtype=torch.bfloat16)).dtype == torch.bfloat16
