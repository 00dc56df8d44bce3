"""Window attention against loops over windows, positions and pairs, written from its description."""

import pytest
import torch
from torch import nn

from blocks.layers.attention.window_attention import WindowAttention
from blocks.layers.basic.windows_torch import cut, join, pad_around, relative_bias
from blocks.layers.layer import Meter, Value

SIZES = [(7, 7), (14, 21), (8, 7), (5, 6), (1, 1), (9, 20), (3, 16)]


def lively(layer):
    module = layer.module().double()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module


def directly(module, x, heads, size):
    """One window, head and pair at a time, on one image (C, H, W) whose padding is written out here again."""
    channels, height, width = x.shape
    down, right = -height % size, -width % size
    grid = torch.zeros(height + down, width + right, channels, dtype=x.dtype)
    grid[down // 2 : down // 2 + height, right // 2 : right // 2 + width] = x.permute(1, 2, 0)
    q, k, v = (getattr(module, name)(grid) for name in "qkv")
    d = channels // heads
    attended = torch.zeros_like(grid)
    places = [(y, x) for y in range(size) for x in range(size)]
    for top in range(0, grid.shape[0], size):
        for left in range(0, grid.shape[1], size):
            for head in range(heads):
                part = slice(head * d, (head + 1) * d)
                tile = (slice(top, top + size), slice(left, left + size), part)
                queries, keys, values = (tensor[tile].reshape(size * size, d) for tensor in (q, k, v))
                logits = (queries * d**-0.5) @ keys.T
                for i, (y, x) in enumerate(places):
                    for j, (other_y, other_x) in enumerate(places):
                        row = (y - other_y + size - 1) * (2 * size - 1) + (x - other_x + size - 1)
                        logits[i, j] = logits[i, j] + module.relative_position_bias_table[row, head]
                attended[tile] = (logits.softmax(-1) @ values).reshape(size, size, d)
    out = module.proj(attended).permute(2, 0, 1)
    return out[:, down // 2 : down // 2 + height, right // 2 : right // 2 + width]


@pytest.mark.parametrize(("size", "window"), [((7, 7), 7), ((8, 5), 3), ((2, 3), 4), ((4, 6), 2), ((1, 1), 3)])
def test_it_equals_loops_over_windows(size, window):
    torch.manual_seed(0)
    module = lively(WindowAttention(6, 2, window))
    x = torch.randn(2, 6, *size, dtype=torch.double)
    with torch.no_grad():
        expected = torch.stack([directly(module, image, 2, window) for image in x])
        assert torch.allclose(module(x), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("heads", [1, 2, 8])
@pytest.mark.parametrize("size", SIZES)
def test_cost_by_formula_and_by_fvcore(agree, size, heads):
    c, positions = 8, (size[0] + -size[0] % 7) * (size[1] + -size[1] % 7)
    found = agree(WindowAttention(c, heads), (c, *size))
    assert found.shape == (c, *size)
    assert found.params == 4 * c * c + 4 * c + 169 * heads
    assert found.macs == {
        "linear": 4 * c * c * positions,
        "scaled_dot_product_attention": 2 * 49 * c * positions,
    }
    # Tokens, scaled queries and keys, values, what the projection reads; and the softmax.
    assert found.saved_bytes == 4 * (5 * c * positions + 49 * heads * positions)


@pytest.mark.parametrize("window", [1, 2, 5])
def test_any_window(agree, window):
    found = agree(WindowAttention(4, 2, window), (4, 5, 6), training=True)
    assert found.params == 4 * 16 + 16 + 2 * (2 * window - 1) ** 2


def test_the_bias_of_a_window_of_seven_is_read_by_the_published_index():
    table = torch.randn(169, 3)
    index = [
        (i // 7 - j // 7 + 6) * 13 + (i % 7 - j % 7 + 6)  # query i, key j
        for i in range(49)
        for j in range(49)
    ]
    assert torch.equal(relative_bias(table, 7, (7, 7)), table[index].view(49, 49, 3).permute(2, 0, 1))


def test_every_entry_of_the_table_learns():
    module = WindowAttention(4, 2, 3).module()
    (module(torch.randn(2, 4, 6, 6)) * torch.randn(2, 4, 6, 6)).sum().backward()
    assert (module.relative_position_bias_table.grad != 0).all()


def test_padding_is_symmetric_with_the_odd_one_at_the_end():
    x, start = pad_around(torch.ones(1, 4, 6, 1), (7, 7))
    assert start == (1, 0)
    assert x[0, :, 0, 0].tolist() == [0, 1, 1, 1, 1, 0, 0]
    assert x[0, 1, :, 0].tolist() == [1, 1, 1, 1, 1, 1, 0]


def test_windows_and_back():
    x = torch.arange(2 * 4 * 6 * 3.0).reshape(2, 4, 6, 3)
    tokens = cut(x, (2, 2))
    # The second window of the first row of windows begins at column 2.
    assert torch.equal(tokens[0, 4:8], torch.stack([x[0, r, c] for r in (0, 1) for c in (2, 3)]))
    assert torch.equal(join(tokens, (2, 2), (4, 6)), x)


def test_a_window_smaller_than_the_table_reads_its_middle():
    table = torch.randn(49, 2)
    found = relative_bias(table, 4, (3, 2))
    places = [(y, x) for y in range(3) for x in range(2)]
    index = [(y - b + 3) * 7 + (x - a + 3) for y, x in places for b, a in places]
    assert torch.equal(found, table[index].view(6, 6, 2).permute(2, 0, 1))


def test_windows_do_not_see_each_other():
    module = lively(WindowAttention(4, 1, 3))
    x = torch.randn(1, 4, 6, 6, dtype=torch.double)
    other = x.clone()
    other[..., 3:] += 1
    with torch.no_grad():
        same = torch.isclose(module(x), module(other)).all(1)[0]
    assert same[:, :3].all()
    assert not same[:, 3:].any()


def test_state_dict_and_tails():
    layer = WindowAttention(4, 2, 3)
    shapes = {name: tuple(tensor.shape) for name, tensor in layer.module().state_dict().items()}
    linear = {f"{name}.{kind}": shape for name in ("q", "k", "v", "proj") for kind, shape in LINEAR.items()}
    assert shapes == {"relative_position_bias_table": (25, 2), **linear}
    assert layer.tails() == ("proj",)
    assert layer.trace(Value.new((4, 5, 5)), Meter()).storage.elements == 4 * 36


LINEAR = {"weight": (4, 4), "bias": (4,)}
