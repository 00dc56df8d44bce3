"""HRFormer's block: published numbers, the order of its layers, and what it refuses."""

import pytest
import torch
import torch.nn.functional as F

from archspec.errors import SpecError
from blocks.hrformer_block import HRFormerBlock


@pytest.mark.parametrize(("width", "heads", "params"), [(18, 1, 5_335), (78, 2, 78_884), (624, 16, 4_719_520)])
def test_the_published_parameter_counts(block_lines, width, heads, params):
    lines = block_lines(HRFormerBlock(heads=heads), width, (14, 14))
    assert sum(line.params for line in lines) == params == 12 * width**2 + 71 * width + 169 * heads


@pytest.mark.parametrize("size", [(56, 56), (7, 7), (15, 8), (3, 30)])
def test_multiply_adds_by_formula(block_lines, size):
    c, n = 32, size[0] * size[1]
    padded = (size[0] + -size[0] % 7) * (size[1] + -size[1] % 7)
    lines = block_lines(HRFormerBlock(heads=2), c, size)
    macs = {
        name: sum(line.macs for line in lines if line.operator == name) for name in {line.operator for line in lines}
    }
    assert macs["linear"] + macs["scaled_dot_product_attention"] == 4 * c * c * padded + 2 * 49 * c * padded
    assert macs["conv"] == 8 * c * c * n + 4 * c * 9 * n


def test_the_feed_forward_ends_in_an_activation():
    module = HRFormerBlock(expansion=2).layers(6).module().eval()
    x = torch.randn(2, 6, 5, 4)
    body = module.ffn.body
    inner = body.act1(body.norm1(body.fc1(body.norm(x))))
    inner = body.act2(body.norm2(body.dwconv(inner)))
    expected = x + F.gelu(body.norm3(body.fc2(inner)))
    assert torch.allclose(module.ffn(x), expected, atol=1e-6)
    assert (body.norm.eps, body.norm1.eps) == (1e-6, 1e-5)


def test_residual_branches_share_the_rate():
    module = HRFormerBlock(drop_path=0.25).layers(4).module()
    assert [part.drop_path.rate for part in (module.mha, module.ffn)] == [0.25, 0.25]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 3}, r"stages\[0\].*: width 16 must be divisible by heads 3"),
        ({"heads": 0}, r"stages\[0\].*heads.*greater than 0"),
        ({"window": 0}, r"stages\[0\].*window.*1"),
        ({"window": 65}, r"stages\[0\].*window.*64"),
        ({"shift": True}, r"stages\[0\].*shift"),
        ({"expansion": 17}, r"stages\[0\].*expansion.*16"),
    ],
)
def test_bad_options_are_refused_in_one_line(spec_with, options, message):
    with pytest.raises(SpecError, match=message) as caught:
        spec_with({"type": "hrformer_block", **options}, 16)
    assert "\n" not in str(caught.value)
