"""A supernet runs every layout exactly as an ordinary network with the same weights does."""

import random

import pytest
import torch
from mixed_space import mixed_space, space_of

from archspec.errors import RunError
from archspec.loader import load
from archspec.model.build import build
from archspec.model.slices import take
from search.space.space import load_space
from search.supernet.statistics import estimate_statistics
from search.supernet.supernet import Supernet


def same(spec):
    return spec


@pytest.fixture(scope="module")
def mixed():
    space = mixed_space()
    return space, Supernet(space, same, seed=1)


@pytest.fixture(scope="module")
def tiny():
    space = load_space("five_stage_tiny")
    return space, Supernet(space, same, init="fan_out", seed=0)


def differences(supernet, spec, images):
    """Largest differences from the plain network: of outputs and of gradients in training, of logits in evaluation."""
    supernet.activate(spec)
    supernet.train().zero_grad(set_to_none=True)
    ours = supernet(images)
    ours.square().sum().backward()
    plain = supernet.cut_out(spec).train()
    theirs = plain(images)
    theirs.square().sum().backward()
    gradients = [0.0]
    for name, (key, factors) in supernet.member(spec).cuts.items():
        shared = supernet.get_parameter(key.replace(".", "/"))
        whole = supernet._shared[key].slice.factors
        expected = plain.get_parameter(name).grad
        gradients.append(float((take(shared.grad, whole, factors) - expected).abs().max()))
        # Nothing flows to what is no slice of this layout.
        gradients.append(abs(int(shared.grad.count_nonzero()) - int(expected.count_nonzero())))
    supernet.set_buffers(spec, estimate_statistics(supernet, spec, [images, images[:3]]))
    with torch.no_grad():
        logits = supernet.eval()(images) - supernet.cut_out(spec)(images)
    return float((ours - theirs).detach().abs().max()), max(gradients), float(logits.abs().max())


IMAGES = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_outputs_gradients_and_logits_are_those_of_the_plain_network(tiny):
    space, supernet = tiny
    rng = random.Random(0)
    for _ in range(3):
        assert differences(supernet, space.sample(rng).spec, IMAGES) == (0, 0, 0)


@pytest.mark.parametrize("kind", ["T", "windows", "shifted", "striped", "dual", "PVT", "residual"])
def test_layouts_of_every_kind_are_exact(mixed, kind):
    space, supernet = mixed
    rng, place = random.Random(0), "stages[1].block"
    layout = space.fill(lambda hole: kind if hole.path == place else rng.choice(hole.options), frozenset({place}))
    assert differences(supernet, layout.spec, IMAGES) == (0, 0, 0)


VARIED = """
resolution: 64
stem: patch_stem
stages:
  - {block: Swin, depth: {range: [1, 2]}, width: 8, heads: 2, window: 2}
head: {type: classifier, classes: 3}
variants: {32: {"stages[0].window": 4}}
"""


def test_a_variant_of_the_resolution_is_what_is_shared_and_run():
    space = space_of(VARIED)
    supernet = Supernet(space, lambda spec: spec.at(32), seed=0)
    kinds = {name.split("/")[4] for name, _ in supernet.named_parameters() if name.startswith("stages/0/blocks/")}
    assert kinds == {"Swin(heads=2,window=4)"}
    supernet.activate(space.sample(random.Random(0)).spec.at(32))
    assert supernet.train()(IMAGES).shape == (4, 3)
    # Left at its own resolution, a layout has the windows that it gives itself.
    plain = Supernet(space, same, seed=0)
    assert any("window=2" in name for name, _ in plain.named_parameters())


def test_a_member_is_an_ordinary_network_with_the_slices(tiny):
    space, supernet = tiny
    spec = space.sample(random.Random(7)).spec
    network = supernet.cut_out(spec)
    assert network.spec == spec
    assert network.state_dict().keys() == build(spec, init="skip").state_dict().keys()
    with torch.no_grad():
        next(iter(network.parameters())).zero_()
    assert next(iter(supernet.cut_out(spec).parameters())).count_nonzero()  # copies, not views


ONE = """
name: one
resolution: 32
stem: conv_stem
stages:
  - {block: [Swin, {type: T, heads: 2, layer_scale: 0.1}], depth: {choice: [2]}, width: 8, heads: 2, window: 4}
  - {block: bottleneck, depth: 1, width: 16, downsample: irds_b}
head: {type: classifier, classes: 4}
"""


def test_names_are_deterministic(tiny):
    _, supernet = tiny
    names = list(supernet.state_dict())
    assert "stages/2/blocks/0/T(heads=4)/mha/body/attention/qkv/weight" in names
    assert not any("." in name for name in names)
    assert names[0].startswith("stem/hr_stem/")
    assert names[-1] == "head/classifier(classes=10)/fc/bias"


def test_values_depend_on_the_seed_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, second, third = (Supernet(space_of(ONE), same, seed=seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(before, torch.random.get_rng_state())
    assert list(first) == list(second)
    assert all(torch.equal(second[name], tensor) for name, tensor in first.items())
    assert not all(torch.equal(third[name], tensor) for name, tensor in first.items())


@pytest.mark.parametrize(("init", "zero"), [("vit", False), ("fan_out", True), ("zeros", False)])
def test_a_space_of_one_layout_starts_as_the_built_network(init, zero):
    space = space_of(ONE)
    spec = space.sample(random.Random(0)).spec
    torch.manual_seed(3)
    plain = build(spec, init=init, zero_init_residual=zero)
    supernet = Supernet(space, same, init=init, zero_init_residual=zero, seed=3)
    ours = dict(supernet.tensors(supernet.member(spec)))
    assert ours.keys() == dict(plain.named_parameters()).keys()
    assert all(torch.equal(ours[name], tensor) for name, tensor in plain.named_parameters())


def test_convolutions_are_drawn_for_their_full_fan(tiny):
    _, supernet = tiny
    weight = supernet.get_parameter("stages/4/downsample/irds_b/mix/branch/expand/weight")
    assert float(weight.detach().std()) == pytest.approx((2 / weight.shape[0]) ** 0.5, rel=0.05)
    depthwise = supernet.get_parameter("stages/4/downsample/irds_b/mix/branch/mix/weight")
    assert float(depthwise.detach().std()) == pytest.approx((2 / 9) ** 0.5, rel=0.1)


def test_tables_of_positions_keep_their_exemption_from_weight_decay(mixed):
    _, supernet = mixed
    tables = {name for name, _ in supernet.named_parameters() if name.endswith("relative_position_bias_table")}
    assert len(tables) == 6  # four blocks of Swin, which alternate, and two of hrformer_block
    assert supernet.no_weight_decay == tables


def test_evaluation_needs_statistics_of_the_layout(tiny):
    space, supernet = tiny
    spec = space.sample(random.Random(11)).spec
    supernet.activate(spec)
    assert supernet.active == spec
    with pytest.raises(RunError, match="has no statistics of batch norm: estimate_statistics"):
        supernet.eval()(torch.zeros(2, 3, 32, 32))
    buffers = estimate_statistics(supernet, spec, [torch.randn(4, 3, 32, 32)])
    supernet.set_buffers(spec, buffers)
    assert supernet.buffers_of(spec) == buffers
    assert supernet(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    supernet.set_buffers(spec, None)
    assert supernet.buffers_of(spec) is None


def test_what_the_supernet_lacks_is_refused(tiny):
    space, supernet = tiny
    other = space.sample(random.Random(0)).spec.edit({"stages[4].width": 120})
    with pytest.raises(RunError, match=r"the supernet has no stages\.4\.downsample\.irds_b\..* is of another space"):
        supernet.activate(other)
    with pytest.raises(RunError, match="it is of another space"):
        supernet.activate(load("tiny"))
    with pytest.raises(RunError, match="call activate first"):
        Supernet(space_of(ONE), same)(torch.zeros(1, 3, 32, 32))


def test_no_single_layout_need_hold_all_parameters_at_full_size(tiny):
    _, supernet = tiny
    shapes = {name: tuple(parameter.shape) for name, parameter in supernet.named_parameters()}
    # The hidden width of a transition comes from the width before it, its end from its own.
    assert shapes["stages/3/downsample/irds_b/mix/branch/expand/weight"] == (6 * 48, 48, 1, 1)
    assert shapes["stages/3/downsample/irds_b/mix/branch/reduce/weight"] == (64, 6 * 48, 1, 1)
    assert shapes["stages/3/blocks/2/CFFN/body/ffn/fc1/weight"] == (4 * 64, 64, 1, 1)
