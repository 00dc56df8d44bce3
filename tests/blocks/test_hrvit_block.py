"""HRViT's block: published numbers, the order of its layers, and what it refuses."""

import pytest
import torch

from archspec.errors import SpecError
from archspec.model.build import build
from blocks.hrvit_block import HRViTBlock


@pytest.mark.parametrize(
    ("width", "ratio", "head_dim", "params"),
    [(32, 4, 32, 14_428), (240, 3, 24, 537_392), (512, 2, 32, 1_866_032), (48, 2, 24, None), (256, 4, 32, None)],
)
def test_the_published_parameter_counts(block_lines, width, ratio, head_dim, params):
    exponent = width.bit_length() - 1
    p = 2 ** (exponent - exponent // 2)
    k, hidden = width // p, ratio * width
    formula = 3 * width**2 + 20 * width + p**2 + p + k**2 + k + 2 * width * hidden + 19 * hidden
    found = sum(line.params for line in block_lines(HRViTBlock(expansion=ratio, head_dim=head_dim), width, (7, 7)))
    assert found == formula == (params or formula)


@pytest.mark.parametrize(
    ("head_dim", "widths", "heads"),
    [
        (32, (32, 64, 128, 256), (1, 1, 2, 4)),  # b1
        (24, (48, 96, 240, 384), (1, 2, 5, 8)),  # b2
        (32, (64, 128, 256, 512), (1, 2, 4, 8)),  # b3
    ],
)
def test_the_published_heads_of_each_direction(head_dim, widths, heads):
    blocks = [HRViTBlock(head_dim=head_dim).layers(width).module() for width in widths]
    assert [block.mha.body.attention.attention.heads for block in blocks] == [2 * count for count in heads]


@pytest.mark.parametrize(("size", "window"), [((56, 56), 1), ((28, 28), 2), ((14, 14), 7), ((9, 5), 7), ((13, 8), 2)])
def test_multiply_adds_of_attention_by_formula(block_lines, size, window):
    c, (h, w) = 32, size
    lines = block_lines(HRViTBlock(window=window), c, size)
    found = sum(line.macs for line in lines if line.operator == "scaled_dot_product_attention")
    up, across = -(-h // window), -(-w // window)
    assert found == 2 * up * (window * w) ** 2 * (c // 2) + 2 * across * (window * h) ** 2 * (c // 2)


def test_the_shortcut_reads_what_the_norm_reads():
    module = HRViTBlock(window=2, expansion=2).layers(8).module().eval()
    x = torch.randn(2, 8, 5, 4)
    attention, shortcut = module.mha.body.attention, module.mha.body.shortcut
    torch.nn.init.normal_(attention.norm2.weight)
    expected = x + attention.norm2(attention.attention(attention.norm(x))) + shortcut(x)
    assert torch.allclose(module.mha(x), expected, atol=1e-6)
    assert (attention.norm.eps, module.ffn.body.norm.eps) == (1e-5, 1e-5)


def test_the_feed_forward_has_two_kernels_and_one_activation():
    module = HRViTBlock(expansion=3).layers(4).module()
    body, x = module.ffn.body, torch.randn(2, 4, 6, 5)
    assert [conv.kernel_size for conv in body.mix.children()] == [(3, 3), (5, 5)]
    hidden = body.fc1(body.norm(x))
    mixed = torch.cat((body.mix.dwconv3(hidden[:, :6]), body.mix.dwconv5(hidden[:, 6:])), 1)
    assert torch.allclose(body(x), body.fc2(torch.nn.functional.gelu(mixed)), atol=1e-6)
    assert body.fc1.weight.shape == (12, 4)


def test_attention_begins_at_nothing_and_the_shortcut_does_not(spec_with):
    network = build(spec_with({"type": "hrvit_block"}, 8))
    mha = network.stages[0].blocks[0].mha.body
    assert not mha.attention.norm2.weight.any()
    assert not mha.attention.norm2.bias.any()
    assert mha.attention.norm2.running_var.eq(1).all()
    x = torch.randn(2, 8, 4, 4)
    assert not mha.attention(x).any()
    assert mha.shortcut(x).any()


def test_zeroed_residuals_return_nothing_at_all(spec_with):
    network = build(spec_with({"type": "hrvit_block"}, 8), zero_init_residual=True)
    block, x = network.stages[0].blocks[0], torch.randn(2, 8, 4, 4)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize(
    ("width", "options", "message"),
    [
        (9, {}, "width 9 must be even"),
        (12, {"head_dim": 4}, "head_dim: 4 must divide 6, half the width 12"),
        (20, {"head_dim": 3}, "head_dim: 3 must divide 10, half the width 20"),
        (18, {}, "width 18 must be divisible by 4: its channels are seen as rows of 4"),
        (4, {"expansion": 1.3}, "expansion: 1.3 times width 4 gives 5 hidden channels, which must be even"),
        (
            4,
            {"expansion": 0.1},
            "expansion: 0.1 times width 4 gives 0 hidden channels, which must be even and at least 2",
        ),
        (16, {"window": 0}, "window"),
        (16, {"heads": 2}, "heads"),
    ],
)
def test_bad_options_are_refused_in_one_line(spec_with, width, options, message):
    with pytest.raises(SpecError) as caught:
        spec_with({"type": "hrvit_block", **options}, width)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
