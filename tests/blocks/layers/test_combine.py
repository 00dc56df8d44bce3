"""Combinators: sequence, sum, residual, and the names they give."""

import pytest
import torch

from archspec.errors import FieldError
from blocks.layers.basic.activation import gelu
from blocks.layers.basic.conv import conv, dwconv
from blocks.layers.basic.norm import batch_norm
from blocks.layers.basic.pool import GlobalPool
from blocks.layers.basic.resize import Repeat
from blocks.layers.combine import add, chain, residual, seq
from blocks.layers.layer import Meter, Value
from blocks.layers.units.feed_forward import conv_mlp, hidden_width, mix_mlp, mlp, token_mlp
from blocks.layers.units.shortcut import shortcut


def test_names_number_what_occurs_twice():
    layers = seq(conv(3, 4), batch_norm(4), gelu(), conv(4, 4), gelu(), dwconv(4))
    assert [name for name, _ in layers.parts] == ["conv1", "norm", "act1", "conv2", "act2", "dwconv"]
    assert list(dict(layers.module().named_children())) == [name for name, _ in layers.parts]


def test_a_sum_crops_to_its_first_branch(agree):
    layer = add(high=dwconv(4), low=seq(dwconv(4, 3, stride=2), Repeat(2)))
    assert agree(layer, (4, 5, 7)).shape == (4, 5, 7)
    module = layer.module()
    x = torch.randn(1, 4, 5, 7)
    assert torch.allclose(module(x), module.high(x) + module.low(x)[:, :, :5, :7])


@pytest.mark.parametrize("second", [conv(4, 5), seq(dwconv(4, 3, stride=2)), GlobalPool()])
def test_branches_that_do_not_fit_are_refused(second):
    with pytest.raises(FieldError, match=r"branch second of shape .* cannot be added to one of shape \(4, 6, 6\)"):
        add(first=dwconv(4), second=second).trace(Value.new((4, 6, 6)), Meter())


def test_a_residual_must_keep_the_shape():
    with pytest.raises(FieldError, match=r"a residual branch must keep the shape \(4, 6, 6\), not give \(5, 6, 6\)"):
        residual(conv(4, 5)).trace(Value.new((4, 6, 6)), Meter())


def test_layer_scale_adds_its_parameters_and_keeps_the_branch(agree):
    plain, scaled = (agree(residual(conv(4, 4), scale=s, width=4), (4, 3, 3)) for s in (None, 0.1))
    assert (scaled.params - plain.params, scaled.macs) == (4, plain.macs)
    assert scaled.saved_bytes - plain.saved_bytes == 4 * 36
    module = residual(conv(4, 4), scale=0.1, width=4).module()
    x = torch.randn(2, 4, 3, 3)
    assert torch.allclose(module(x), x + 0.1 * module.body(x), atol=1e-6)


def test_stochastic_depth_keeps_one_number_for_each_image(agree):
    found = agree(residual(conv(4, 4), 0.5), (4, 3, 3))
    assert found.saved_bytes == 4 * (36 + 1)


@pytest.mark.parametrize(("width", "expansion", "hidden"), [(8, 4, 32), (3, 0.1, 1), (5, 1.5, 8), (7, 2.5, 18)])
def test_hidden_widths_are_rounded_and_never_zero(width, expansion, hidden):
    assert hidden_width(width, expansion) == hidden


def test_feed_forwards(agree):
    # HIRI-ViT equations 2 and 3 on a map of 5x4, 6 -> 12 -> 6.
    assert agree(mlp(6, 12), (6, 5, 4)).macs == {"conv": 2 * 6 * 12 * 20}
    assert agree(conv_mlp(6, 12), (6, 5, 4)).macs == {"conv": 2 * 6 * 12 * 20 + 12 * 9 * 20}
    assert agree(conv_mlp(6, 12), (6, 5, 4)).params == agree(mlp(6, 12), (6, 5, 4)).params + 12 * 10


def test_feed_forwards_with_linear_layers(agree):
    tokens, mixed = agree(token_mlp(6, 12), (6, 5, 4)), agree(mix_mlp(6, 12), (6, 5, 4))
    assert tokens.macs == {"linear": 2 * 6 * 12 * 20}
    assert mixed.macs == {"linear": 2 * 6 * 12 * 20, "conv": 12 * 9 * 20}
    assert mixed.params == tokens.params + 12 * 10
    assert tokens.params == agree(mlp(6, 12), (6, 5, 4)).params
    module, x = mix_mlp(6, 12).module(), torch.randn(2, 6, 5, 4)
    assert [tuple(weight.shape) for weight in (module.fc1.weight, module.fc2.weight)] == [(12, 6), (6, 12)]
    hidden = torch.einsum("oc,nchw->nohw", module.fc1.weight, x) + module.fc1.bias.view(-1, 1, 1)
    hidden = torch.nn.functional.gelu(module.mix(hidden))
    expected = torch.einsum("oc,nchw->nohw", module.fc2.weight, hidden) + module.fc2.bias.view(-1, 1, 1)
    assert torch.allclose(module(x), expected, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_shortcut_may_project(agree, stride):
    found = agree(residual(conv(4, 6, 3, stride), shortcut=conv(4, 6, 1, stride)), (4, 5, 7))
    assert found.params == 4 * 6 * 9 + 6 + 4 * 6 + 6
    layer, x = residual(conv(4, 6, 3, stride), shortcut=conv(4, 6, 1, stride)), torch.randn(1, 4, 5, 7)
    module = layer.module()
    assert torch.equal(module(x), module.shortcut(x) + module.body(x))
    with pytest.raises(FieldError, match="must have its shortcut's shape"):
        residual(conv(4, 5), shortcut=conv(4, 6)).trace(Value.new((4, 6, 6)), Meter())


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 7), (9, 2)])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kind", ["pool", "conv2", "conv3"])
def test_every_shortcut_gives_the_branchs_size(agree, kind, stride, size):
    out = agree(shortcut(kind, 3, 4, stride), (3, *size)).shape
    assert out == (4, *(-(-n // stride) for n in size))
    assert out == conv(3, 4, 3, stride).trace(Value.new((3, *size)), Meter()).shape


def test_there_may_be_no_shortcut():
    assert shortcut("none", 3, 4, 2) is None


def test_tails_are_the_last_layers_with_weights():
    body = chain(norm=batch_norm(4), mix=add(high=dwconv(4), low=seq(mlp(4, 8), Repeat(2))))
    assert body.tails() == ("mix.high", "mix.low.seq.fc2")
    assert residual(body).tails() == ("body.mix.high", "body.mix.low.seq.fc2")
    assert chain(a=conv(3, 3), b=gelu()).tails() == ("a",)
    assert chain(a=gelu()).tails() == ()


def test_layers_are_plain_data():
    assert residual(mlp(4, 8), 0.1) == residual(mlp(4, 8), 0.1)
    assert hash(mlp(4, 8)) != hash(mlp(4, 9))
