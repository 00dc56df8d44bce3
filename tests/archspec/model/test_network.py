"""The interface of a built network: maps, the head in two steps, another classifier, depth of parameters."""

import re

import pytest
import torch
from torch import nn

from archspec.errors import SpecError
from archspec.loader import load
from archspec.model.build import build
from archspec.spec.schema import ArchSpec

IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build("tiny").eval()


@pytest.mark.parametrize("name", ["tiny", "tiny-hrvit-seg", "tiny-hiri-seg"])
def test_features_and_head_make_the_output(name):
    network = build(name).eval()
    with torch.no_grad():
        found = network.forward_features(IMAGES)
        assert torch.equal(network.forward_head(found), network(IMAGES))
        maps = network.features(IMAGES)
    assert isinstance(found, list) == network.reads_maps
    assert [one.shape[1] for one in maps] == [info["num_chs"] for info in network.feature_info]
    assert network.num_features == maps[-1].shape[1]


def test_what_stands_before_the_logits(network):
    with torch.no_grad():
        before = network.forward_head(network.forward_features(IMAGES), pre_logits=True)
        assert before.shape == (2, network.head_hidden_size)
        assert torch.equal(network.get_classifier()(before), network(IMAGES))
    segmenter = build("tiny-hiri-seg")
    with pytest.raises(SpecError, match="has no linear classifier"):
        segmenter.forward_head(segmenter.forward_features(IMAGES), pre_logits=True)


def test_intermediates_are_chosen_as_in_timm(network):
    with torch.no_grad():
        maps = network.features(IMAGES)
        last, chosen = network.forward_intermediates(IMAGES, indices=[0, -2])
        assert torch.equal(last, maps[-1])
        assert [one.shape for one in chosen] == [maps[0].shape, maps[3].shape]
        assert len(network.forward_intermediates(IMAGES, 2, intermediates_only=True)) == 2
        early, _ = network.forward_intermediates(IMAGES, [1], stop_early=True)
        assert torch.equal(early, maps[1])
    with pytest.raises(SpecError, match="has 5 maps, 0 to 4"):
        network.forward_intermediates(IMAGES, [5])
    with pytest.raises(SpecError, match="as NCHW without a norm"):
        network.forward_intermediates(IMAGES, norm=True)


def test_a_pruned_network_gives_the_map_that_is_left():
    torch.manual_seed(0)
    network = build("tiny").eval()
    with torch.no_grad():
        expected = network.features(IMAGES)[2]
        assert network.prune_intermediate_layers([0, 2]) == [0, 2]
        assert len(network.stages) == len(network.feature_info) == 3
        assert torch.equal(network(IMAGES), expected)


@pytest.mark.parametrize("name", ["tiny", "HR1x8-CFFN2x12"])
def test_the_classifier_can_be_taken_away_and_put_back(name):
    network = build(name).eval()
    width = network.head_hidden_size
    network.reset_classifier(0)
    assert network(IMAGES).shape == (2, width)
    assert network.num_classes == 0
    network.reset_classifier(3)
    assert network(IMAGES).shape == (2, 3)
    assert network.spec.head.classes == network.num_classes == 3
    built = build(network.spec)
    built.load_state_dict(network.state_dict())
    with pytest.raises(SpecError, match="has the pooling of its head, not 'max'"):
        network.reset_classifier(3, "max")
    with pytest.raises(SpecError, match="has no linear classifier to replace"):
        build("tiny-hiri-seg").reset_classifier(3)


def test_blocks_that_are_computed_again_give_the_same_gradients():
    gradients = []
    for again in (False, True):
        torch.manual_seed(0)
        network = build(load("tiny").edit({"drop_path": 0.2})).train()
        network.set_grad_checkpointing(again)
        torch.manual_seed(1)
        network(IMAGES).square().sum().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)


def test_parallel_branches_are_computed_again_too():
    network = build("tiny-hrvit-seg").train()
    network.set_grad_checkpointing()
    out = network(IMAGES)
    (out[0] if isinstance(out, tuple) else out).sum().backward()
    assert all(parameter.grad is not None for name, parameter in network.named_parameters() if "stages.0" in name)


@pytest.mark.parametrize("name", ["tiny", "tiny-hrvit-seg", "resnet-50d"])
def test_every_parameter_of_the_body_has_a_depth(name):
    network = build(name, device="meta")
    matcher = network.group_matcher()
    patterns = [re.compile(matcher["stem"]), *(re.compile(pattern) for pattern, _ in matcher["blocks"])]
    loose = [one for one, _ in network.named_parameters() if not any(p.match(one) for p in patterns)]
    assert all(one.startswith("head.") for one in loose)
    assert set(network.group_matcher(coarse=True)) == {"stem", "blocks"}


def test_bias_tables_are_not_decayed():
    names = build("swin-t", device="meta").no_weight_decay()
    assert len(names) == 12
    assert all(name.endswith("relative_position_bias_table") for name in names)
    assert build("tiny", device="meta").no_weight_decay() == set()


def test_strides_are_true_where_sides_are_rounded():
    network = build("hiri-vit-s", 224, device="meta")
    assert [info["reduction"] for info in network.feature_info] == [4, 8, 8, 16, 32]
    odd: ArchSpec = load("tiny").edit({"resolution": 72})
    assert [info["reduction"] for info in build(odd, device="meta").feature_info] == [4, 8, 16, 32, 64]


def test_facts_under_timms_names(network):
    facts = network.default_cfg
    assert facts["classifier"] == "head.fc"
    assert facts["input_size"] == (3, 64, 64)
    assert isinstance(network.get_submodule(facts["first_conv"]), nn.Conv2d)
