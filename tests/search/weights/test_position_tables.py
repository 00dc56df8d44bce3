"""Tables of positions at another size: what they hold, and that timm gives the same numbers."""

import pytest
import torch
from extras import need

from search.weights.position_tables import resize_absolute, resize_relative, resize_table


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("old", "new"), [(7, 12), (12, 7), (4, 8)])
def test_relative_biases_are_timms_bicubic_ones(old: int, new: int):
    need("timm")
    from timm.layers.pos_embed_rel import resize_rel_pos_bias_table_simple

    table, shape = random((2 * old - 1) ** 2, 3), torch.Size(((2 * new - 1) ** 2, 3))
    found = resize_relative(table, shape)
    assert found is not None
    assert found.shape == shape
    assert torch.equal(found, resize_rel_pos_bias_table_simple(table, (new, new), tuple(shape)))


@pytest.mark.parametrize("extra", [0, 1])
def test_absolute_positions_are_timms_with_a_class_token_or_without(extra: int):
    need("timm")
    from timm.layers.pos_embed import resample_abs_pos_embed

    table, shape = random(1, 49 + extra, 8), torch.Size((1, 144 + extra, 8))
    found = resize_absolute(table, shape)
    assert found is not None
    assert torch.equal(found, resample_abs_pos_embed(table, [12, 12], num_prefix_tokens=extra))


def test_a_relative_table_keeps_its_symmetry_and_its_middle():
    span = torch.arange(-6, 7).float()
    table = (span[:, None] ** 2 + span[None] ** 2).reshape(-1, 1)
    found = resize_relative(table, torch.Size((23**2, 1)))
    assert found is not None
    grid = found.view(23, 23)
    assert torch.allclose(grid, grid.flip(0), atol=1e-3)
    assert torch.allclose(grid, grid.T, atol=1e-3)
    assert grid.argmin() == 11 * 23 + 11


def test_maps_of_positions_are_resized_too():
    found = resize_absolute(random(1, 4, 7, 7), torch.Size((1, 4, 12, 9)))
    assert found is not None
    assert found.shape == (1, 4, 12, 9)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("a.relative_position_bias_table", (169, 3), (529, 4)),  # other heads
        ("a.relative_position_bias_table", (168, 3), (529, 3)),  # no square
        ("a.relative_position_bias_table", (16, 3), (529, 3)),  # of no window
        ("a.pos_embed", (1, 49, 8), (1, 144, 9)),
        ("a.pos_embed", (1, 50, 8), (1, 144, 8)),  # a class token that has no place
        ("a.weight", (49, 8), (144, 8)),
    ],
)
def test_what_is_no_such_table_is_left(name: str, old: tuple[int, ...], new: tuple[int, ...]):
    assert resize_table(name, random(*old), torch.Size(new)) is None
