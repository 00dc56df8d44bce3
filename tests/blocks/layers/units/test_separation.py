"""Layers of representation separation against direct computations on small tensors."""

import pytest
import torch
from torch.nn.functional import interpolate

from archspec.errors import FieldError
from blocks.layers.basic.conv import conv, dwconv
from blocks.layers.combine import chain
from blocks.layers.layer import Meter, Value
from blocks.layers.segmentation.class_query import ClassAttention, ClassMasks, ClassQueries, MaskLogits, Similarity
from blocks.layers.units.local_difference import LocalDifference
from blocks.layers.units.pathway import Tapped
from blocks.layers.units.spatial_gate import GatedSplit, Sigmoid


def value(*shape):
    return Value.new(shape)


@pytest.mark.parametrize("kernel", [3, 5])
def test_local_difference_leaves_out_what_is_beyond_the_border(kernel):
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    out = LocalDifference(kernel).module()(x)
    reach = kernel // 2
    for i in range(5):
        for j in range(4):
            window = x[:, :, max(0, i - reach) : i + reach + 1, max(0, j - reach) : j + reach + 1]
            torch.testing.assert_close(out[:, :, i, j], x[:, :, i, j] - window.mean((2, 3)))


def test_local_difference_of_a_constant_map_is_nothing():
    assert LocalDifference(7).module()(torch.full((1, 2, 4, 4), 3.0)).abs().max() < 1e-6


def gate(width):
    return chain(conv=conv(width, 1, 3), sigmoid=Sigmoid())


def test_the_gate_splits_every_feature_between_two_ways():
    torch.manual_seed(0)
    split = GatedSplit(gate(4), first=conv(4, 4), second=dwconv(4, 3)).module().double()
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64)
    g = torch.sigmoid(split.gate.conv(x))
    assert g.shape == (2, 1, 5, 6)
    assert 0 < g.min() < g.max() < 1
    torch.testing.assert_close(split(x), split.first(g * x) + split.second((1 - g) * x))


@pytest.mark.parametrize(("bias", "way"), [(1e4, "first"), (-1e4, "second")])
def test_a_gate_that_is_open_or_shut_everywhere_leaves_one_way(bias, way):
    split = GatedSplit(gate(4), first=conv(4, 4, bias=False), second=dwconv(4, 3, bias=False)).module()
    torch.nn.init.constant_(split.gate.conv.bias, bias)
    x = torch.randn(1, 4, 5, 5)
    torch.testing.assert_close(split(x), split.get_submodule(way)(x))


def test_gradients_of_the_gate_are_those_of_finite_differences():
    split = GatedSplit(gate(2), first=conv(2, 2), second=dwconv(2, 3)).module().double()
    x = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(split, (x,))


@pytest.mark.parametrize(
    ("layer", "rule"),
    [
        (GatedSplit(conv(4, 2), conv(4, 4), conv(4, 4)), "does not give one number per position"),
        (GatedSplit(conv(4, 1, 3, 2), conv(4, 4), conv(4, 4)), "does not give one number per position"),
        (GatedSplit(conv(4, 1), conv(4, 4), conv(4, 3)), "cannot be added"),
    ],
)
def test_gates_and_ways_that_do_not_fit_are_refused(layer, rule):
    with pytest.raises(FieldError, match=rule):
        layer.trace(value(4, 6, 6), Meter())


@pytest.mark.parametrize("size", [(4, 6), (8, 12), (9, 5), (2, 3)])
def test_a_tap_is_resized_to_the_map_that_it_is_added_to(size):
    layer = Tapped(1, ((0, conv(3, 2)), (2, conv(5, 2))))
    module = layer.module()
    maps = [torch.randn(2, 3, *size), torch.randn(2, 2, 8, 12), torch.randn(2, 5, 3, 3)]
    taps = [
        interpolate(module.taps[str(i)](maps[i]), (8, 12), mode="bilinear", align_corners=False)
        if maps[i].shape[2:] != (8, 12)
        else module.taps[str(i)](maps[i])
        for i in (0, 2)
    ]
    out = module(maps)
    torch.testing.assert_close(out, maps[1] + taps[0] + taps[1])
    meter = Meter()
    assert layer.trace((value(3, *size), value(2, 8, 12), value(5, 3, 3)), meter).shape == tuple(out.shape[1:])
    resized = (0 if size == (8, 12) else 4 * 2 * 96) + 4 * 2 * 96
    assert sum(line.macs for line in meter.lines) == 3 * 2 * size[0] * size[1] + 5 * 2 * 9 + resized


def test_a_tap_of_another_width_or_of_no_map_is_refused():
    with pytest.raises(FieldError, match="cannot be added to a map of shape"):
        Tapped(0, ((1, conv(3, 3)),)).trace((value(2, 4, 4), value(3, 4, 4)), Meter())
    with pytest.raises(FieldError, match="needs 3 maps"):
        Tapped(0, ((2, conv(3, 2)),)).trace((value(2, 4, 4), value(3, 4, 4)), Meter())


def test_similarities_are_scaled_dot_products():
    queries, keys = torch.randn(2, 4, 3, 1), torch.randn(2, 4, 5, 6)
    expected = torch.einsum("ndk,ndhw->nkhw", queries[..., 0], keys) / 2
    torch.testing.assert_close(Similarity().module()([queries, keys]), expected)
    meter = Meter()
    assert Similarity().trace((value(4, 3, 1), value(4, 5, 6)), meter).shape == (3, 5, 6)
    assert [(line.macs, line.activations) for line in meter.lines] == [(4 * 3 * 30, 3 * 30)]


def test_attention_gathers_by_the_softmax_of_the_logits_that_it_returns():
    torch.manual_seed(0)
    module = ClassAttention(4, 8).module().double()
    queries, features = torch.randn(2, 4, 3, 1).double(), torch.randn(2, 4, 5, 6).double()
    out, logits = module([queries, features])
    torch.testing.assert_close(logits, module.masks([queries, features]))
    weights = logits.flatten(2).softmax(2)
    gathered = torch.einsum("nkp,ndp->ndk", weights, module.value(features).flatten(2))[..., None]
    torch.testing.assert_close(out, module.ffn(queries + module.proj(gathered)))


def test_a_class_is_masked_where_the_map_looks_like_its_query():
    """With projections that pass on what they get, the position whose features are a class's query wins its mask."""
    d = 6
    module = MaskLogits(d).module()
    for part in (module.query.proj, module.key):
        torch.nn.init.dirac_(part.weight)
        torch.nn.init.zeros_(part.bias)
    queries = torch.randn(1, d, 4, 1)
    normed = module.query.norm(queries)
    features = torch.zeros(1, d, 2, 2)
    for k in range(4):
        features[0, :, k // 2, k % 2] = normed[0, :, k, 0]
    assert module([queries, features]).flatten(2).argmax(2).tolist() == [[0, 1, 2, 3]]


def test_queries_are_the_same_for_every_image_and_learned():
    module = ClassQueries(4, 3).module()
    out = module(torch.zeros(2, 9, 5, 5))
    assert out.shape == (2, 4, 3, 1)
    assert torch.equal(out[0], out[1])
    assert torch.equal(out[0, :, :, 0], module.weight.t())
    out.sum().backward()
    assert module.weight.grad is not None
    assert 0 < module.weight.abs().max() <= 0.04


def test_permuting_the_classes_permutes_their_masks():
    torch.manual_seed(0)
    module = ClassMasks((5,), 4, 3, 2, 8, supervise=True, auxiliary=None).module().double().train()
    maps = [torch.randn(2, 5, 4, 4).double()]
    before = module(maps)
    order = torch.tensor([2, 0, 1])
    with torch.no_grad():
        module.queries.weight.copy_(module.queries.weight[order].clone())
    after = module(maps)
    assert len(before) == len(after) == 3
    for ours, theirs in zip(after, before, strict=True):
        torch.testing.assert_close(ours, theirs[:, order])
