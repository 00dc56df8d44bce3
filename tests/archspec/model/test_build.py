"""Built networks: shapes, names, initial weights, devices, stochastic depth."""

import pytest
import torch
from torch import nn

from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.loader import load, parse
from archspec.model.audit import audit
from archspec.model.build import build
from blocks.layers.combine_torch import DropPath, Residual

TEXT = """
resolution: 64
stem: {type: hr_stem, width: 16}
stages:
  - {block: [HR, CFFN], width: 24}
  - {block: T, depth: 2, width: 32, heads: 4, sr: 2, layer_scale: 0.01, position: true, downsample: irds_b}
head: {type: classifier, classes: 10, hidden: 48}
drop_path: 0.3
"""


def spec_of(text: str = TEXT):
    return parse(parse_document(text, "spec.yaml"))


def test_feature_maps_are_as_announced():
    network = build(load("tiny")).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        maps = network.features(images)
        logits = network(images)
    assert [tuple(x.shape) for x in maps] == [
        *((2, 16, 16, 16), (2, 32, 8, 8), (2, 48, 4, 4)),
        *((2, 64, 2, 2), (2, 96, 1, 1)),
    ]
    assert logits.shape == (2, 10)
    assert network.feature_info == [
        {"num_chs": channels, "reduction": reduction, "module": f"stages.{index}"}
        for index, (channels, reduction) in enumerate([(16, 4), (32, 8), (48, 16), (64, 32), (96, 64)])
    ]
    assert [network.get_submodule(info["module"]) for info in network.feature_info] == list(network.stages)


def test_the_variant_of_a_resolution_is_what_is_built():
    infos = [build(load("hiri-vit-s"), size, device="meta").feature_info for size in (448, 224, 384)]
    assert [[info["reduction"] for info in each] for each in infos] == [
        [4, 8, 16, 32, 64],
        [4, 8, 8, 16, 32],
        [4, 8, 14, 27, 55],
    ]
    network = build(load("hiri-vit-s"), 384, device="meta")
    assert network.features(torch.empty(1, 3, 384, 384, device="meta"))[2].shape == (1, 128, 28, 28)


def test_a_bare_backbone_returns_its_last_map():
    network = build(spec_of(TEXT.replace("head:", "# head:"))).eval()
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(network(images), network.features(images)[-1])
    assert isinstance(network.head, nn.Identity)


def test_bare_parallel_branches_return_all_their_maps_and_are_counted():
    spec = load("tiny-hrvit-seg").model_copy(update={"head": None})
    network = build(spec).eval()
    images = torch.randn(1, 3, 64, 64)
    found = network(images)
    assert [x.shape[1] for x in found] == [info["num_chs"] for info in network.feature_info] == list(spec.widths)
    assert all(torch.equal(a, b) for a, b in zip(found, network.features(images), strict=True))
    assert audit(spec, 64).cost.macs > 0


def test_weights_for_counting_are_zeros_and_the_rest_is_as_ever():
    network = build(load("tiny"), init="zeros").eval()
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert not any(parameter.any() for layer in layers for parameter in layer.parameters())
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert all((norm.weight == 1).all() and (norm.running_var == 1).all() for norm in norms)
    assert not network(torch.randn(1, 3, 64, 64)).any()


def test_weights_are_drawn_as_in_vits():
    torch.manual_seed(0)
    network = build(spec_of())
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    weights = torch.cat([layer.weight.detach().flatten() for layer in layers])
    assert weights.abs().max() <= 0.04
    assert weights.std() == pytest.approx(0.02 * 0.8796, rel=0.02)  # of a normal truncated at two deviations
    assert weights.mean().abs() < 1e-3
    assert not any(layer.bias.any() for layer in layers)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d | nn.LayerNorm)]
    assert norms
    assert all((m.weight == 1).all() and not m.bias.any() for m in norms)
    statistics = [m for m in norms if isinstance(m, nn.BatchNorm2d)]
    assert all((m.running_var == 1).all() and not m.running_mean.any() for m in statistics)
    scales = [m.scale for m in network.modules() if isinstance(m, Residual) and m.scale is not None]
    assert len(scales) == 4
    assert all((scale == 0.01).all() for scale in scales)


def test_transposed_convolutions_are_drawn_as_the_others():
    network = build(spec_of(TEXT.replace("head: ", "head: {type: mask_rcnn, width: 8, hidden: 8} #")))
    ups = [module for module in network.modules() if isinstance(module, nn.ConvTranspose2d)]
    assert ups
    assert all(0.015 < up.weight.std() < 0.02 and up.weight.abs().max() <= 0.04 and not up.bias.any() for up in ups)


def test_fan_out_weights_are_as_in_resnets():
    torch.manual_seed(0)
    network = build(load("tiny"), init="fan_out")
    layer = network.get_submodule("stages.2.blocks.0.body.ffn.fc1")
    assert layer.weight.detach().std() == pytest.approx((2 / 192) ** 0.5, rel=0.05)
    depthwise = network.get_submodule("stages.2.blocks.0.body.ffn.mix.body")
    assert depthwise.weight.detach().std() == pytest.approx((2 / 9) ** 0.5, rel=0.05)
    assert network.get_submodule("head.fc").weight.abs().max() <= 0.04


def test_the_seed_decides_and_skipping_leaves_the_generator_alone():
    networks = []
    for _ in range(2):
        torch.manual_seed(3)
        networks.append(build(spec_of()))
    first, second = (network.state_dict() for network in networks)
    assert all(torch.equal(first[name], second[name]) for name in first)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    skipped = build(spec_of(), init="skip")
    assert torch.equal(torch.rand(1), expected)
    skipped.load_state_dict(first)
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(skipped.eval()(images), networks[0].eval()(images))


def test_device_and_type():
    meta = build(load("hiri-vit-l"), device="meta")
    assert {p.device.type for p in meta.parameters()} == {"meta"}
    assert sum(p.numel() for p in meta.parameters()) == 94_208_168
    network = build(spec_of(), dtype=torch.float64)
    floating = [t for t in (*network.parameters(), *network.buffers()) if t.is_floating_point()]
    assert {t.dtype for t in floating} == {torch.float64}
    assert network.eval()(torch.zeros(1, 3, 64, 64, dtype=torch.float64)).dtype == torch.float64
    with torch.device("meta"):
        assert next(build(spec_of()).parameters()).device.type == "meta"


def test_zero_init_makes_every_residual_branch_vanish():
    torch.manual_seed(0)
    network = build(spec_of(), init="fan_out", zero_init_residual=True).train()
    branches = []
    for module in network.modules():
        if isinstance(module, Residual):
            module.body.register_forward_hook(lambda module, inputs, output: branches.append(output))
    stages = []
    for stage in network.stages:
        blocks = stage.get_submodule("blocks")
        blocks.register_forward_hook(lambda module, inputs, output: stages.append((inputs[0], output)))
    network(torch.randn(2, 3, 64, 64))
    # HR, CFFN with its inner one, and twice position, attention, feed-forward with its inner one.
    assert len(branches) == 1 + 2 + 2 * 4
    assert all(not branch.any() for branch in branches)
    assert len(stages) == 2
    assert all(torch.equal(before, after) and before.any() for before, after in stages)
    plain = build(spec_of(), init="fan_out")
    assert sum(int((p != 0).sum()) for p in network.parameters()) < sum(int((p != 0).sum()) for p in plain.parameters())


def test_stochastic_depth_follows_the_schedule_and_rests_in_evaluation():
    network = build(spec_of())
    rates = [m.rate for m in network.modules() if isinstance(m, DropPath)]
    assert rates == pytest.approx([0.1, 0.2, 0.2, 0.3, 0.3])  # the first block has none, T has two branches
    path = DropPath(0.25)
    x = torch.rand(4000, 1, 1, 1) + 1
    dropped = path.train()(x)
    kept = dropped != 0
    assert kept.float().mean() == pytest.approx(0.75, abs=0.03)
    assert torch.allclose(dropped[kept], x[kept] / 0.75)
    assert torch.equal(path.eval()(x), x)


def test_names_of_parameters_are_readable_and_stable():
    names = set(build(load("tiny"), device="meta").state_dict())
    assert {
        "stem.entry.conv.weight",
        "stages.0.blocks.0.body.mix.high.weight",
        "stages.0.blocks.0.body.mix.low.mlp.fc1.bias",
        "stages.1.downsample.mix.branch.expand.weight",
        "stages.1.downsample.mix.shortcut.conv.weight",
        "stages.3.blocks.0.mha.body.attention.qkv.weight",
        "stages.3.blocks.0.ffn.body.ffn.mix.body.weight",
        "head.fc.weight",
    } <= names


def test_any_size_runs_through_one_network():
    network = build(load("tiny")).eval()
    for height, width in ((64, 64), (65, 97), (130, 33)):
        assert network(torch.zeros(1, 3, height, width)).shape == (1, 10)


def test_a_resolution_that_empties_a_map_cannot_be_built():
    with pytest.raises(SpecError, match=r"stages\[3\]\.downsample: at resolution 16"):
        build(load("tiny"), 16)
