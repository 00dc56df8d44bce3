"""The Kronecker-style projection."""

import pytest
import torch
from torch import nn

from blocks.layers.units.kronecker import Kronecker, kronecker_shape


@pytest.mark.parametrize(("rows", "columns", "size"), [(4, 8, (3, 5)), (1, 2, (2, 2)), (5, 4, (1, 1)), (3, 1, (4, 1))])
def test_cost(agree, rows, columns, size):
    c, n = rows * columns, size[0] * size[1]
    found = agree(Kronecker(rows, columns), (c, *size))
    assert (found.shape, found.macs) == ((c, *size), {"linear": c * n * (rows + columns)})
    assert found.params == rows * rows + rows + columns * columns + columns
    assert found.saved_bytes == 4 * 3 * c * n


def test_without_activation_and_biases_it_is_a_kronecker_product():
    module = Kronecker(3, 4).module()
    module.act = nn.Identity()
    for part in (module.rows, module.columns):
        nn.init.zeros_(part.bias)
    x = torch.randn(2, 12, 3, 5)
    product = torch.kron(module.columns.weight, module.rows.weight)
    assert torch.allclose(module(x), torch.einsum("dc,nchw->ndhw", product, x), atol=1e-5)


def test_rows_first_then_gelu_then_columns():
    module = Kronecker(3, 4).module()
    x = torch.randn(1, 12, 1, 1)
    matrix = nn.functional.gelu(module.rows(x.view(3, 4)))
    assert torch.allclose(module(x).view(3, 4), module.columns(matrix.T).T, atol=1e-6)


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_the_memory_order_of_the_map_does_not_matter(memory):
    module = Kronecker(2, 4).module()
    x = torch.randn(2, 8, 3, 5)
    assert torch.allclose(module(x.to(memory_format=memory)), module(x), atol=1e-6)


@pytest.mark.parametrize(
    ("width", "shape"),
    [
        *((32, (4, 8)), (48, (6, 8)), (64, (8, 8)), (96, (12, 8)), (128, (8, 16)), (240, (15, 16)), (256, (16, 16))),
        *((384, (24, 16)), (512, (16, 32)), (2, (1, 2)), (1, (1, 1))),
    ],
)
def test_the_published_shapes(width, shape):
    assert kronecker_shape(width) == shape


def test_a_width_that_the_power_of_two_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="width 36 must be divisible by 8: its channels are seen as rows of 8"):
        kronecker_shape(36)
