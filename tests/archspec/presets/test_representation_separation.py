"""The primitives of representation separation in whole networks."""

import pytest
import torch

from archspec.cost.measure import measure
from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.loader import parse
from archspec.model.build import build
from archspec.testing.contract import CHECKS, naming
from archspec.tree.trace import feature_shapes

PLAIN = """
resolution: 40
topology: parallel
stem: {type: patch_stem, kernel: 4, stride: 4}
stages:
  - {block: T, depth: 1, widths: [12], heads: 2}
  - widths: [12, 6]
    blocks: [T, local_difference]
    depth: 1
    heads: [3, ~]
    downsamples: [~, {type: conv, stride: 1}]
    fuse: {type: pathway, kernel: 5}
  - {widths: [12, 6], block: {type: spatial_gate, kernel: 5}, depth: 1, fuse: {type: pathway, back: true, norm: ln}}
head: {type: class_query, classes: 5, width: 8, depth: 2, auxiliary: 4}
"""
"""A plain ViT, all of whose maps have one size, with a pathway beside it."""

PYRAMID = """
resolution: 33
topology: parallel
stem: {type: patch_stem, kernel: 4, stride: 2}
stages:
  - widths: [4, 8]
    blocks: [local_difference, T]
    depth: 1
    downsamples: [~, {type: conv, stride: 2}]
    fuse: {type: pathway, trunk: last}
  - widths: [4, 16]
    blocks: [spatial_gate, T]
    depth: 1
    downsamples: [~, {type: conv, stride: 2}]
    fuse: {type: pathway, trunk: last, back: true}
  - {fuse_before: pathway, widths: [4, 16, 20, 24], blocks: [local_difference, T, T, T], depth: 1}
head: {type: class_query, classes: 3, width: 6, depth: 1, expansion: 1.5, supervise: false}
"""
"""A pyramid whose pathway stays at the size of the stem's map; two branches are born at the end."""


def spec_of(text):
    return parse(parse_document(text, "<test>"))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("text", [PLAIN, PYRAMID], ids=["plain", "pyramid"])
def test_networks_of_two_pathways_keep_the_contract(text, check):
    torch.manual_seed(0)
    spec = spec_of(text)
    resolution = (37, 44)
    with naming(spec, resolution):
        assert check(spec, resolution) is not False


def test_sizes_of_the_pathways():
    assert [shape for _, shape in feature_shapes(spec_of(PLAIN), 48)] == [(12, 12, 12), (6, 12, 12)]
    sizes = [shape for _, shape in feature_shapes(spec_of(PYRAMID), 64)]
    assert sizes == [(4, 32, 32), (16, 8, 8), (20, 4, 4), (24, 2, 2)]


def test_the_trunk_does_not_see_the_pathway_until_it_is_added_back():
    def trunk(spec, scale):
        torch.manual_seed(0)
        network = build(spec).eval()
        with torch.no_grad():
            network.get_submodule("stages.1.downsample.1").conv.weight.mul_(scale)
            return network.features(torch.ones(1, 3, 40, 40).cumsum(2))[0]

    decoupled = spec_of(PLAIN.replace("back: true, ", ""))
    assert torch.equal(trunk(decoupled, 1), trunk(decoupled, 1000))
    coupled = spec_of(PLAIN)
    assert not torch.equal(trunk(coupled, 1), trunk(coupled, 1000))


@pytest.mark.parametrize(("supervise", "auxiliary", "count"), [(True, 4, 4), (True, "~", 3), (False, 4, 2)])
def test_training_returns_the_auxiliary_logits_after_those_of_evaluation(supervise, auxiliary, count):
    spec = spec_of(PLAIN.replace("auxiliary: 4", f"auxiliary: {auxiliary}, supervise: {str(supervise).lower()}"))
    network = build(spec)
    images = torch.randn(2, 3, 40, 40)
    assert network.eval()(images).shape == (2, 5, 10, 10)
    outs = network.train()(images)
    assert [tuple(out.shape) for out in outs] == [(2, 5, 10, 10)] * count


def test_supervised_similarities_are_free_and_the_auxiliary_head_counts_in_params_alone():
    with_both = measure(spec_of(PLAIN))
    unsupervised = measure(spec_of(PLAIN.replace("auxiliary: 4", "auxiliary: 4, supervise: false")))
    without = measure(spec_of(PLAIN.replace("auxiliary: 4", "auxiliary: ~")))
    assert unsupervised.macs == with_both.macs == without.macs
    assert with_both.params - without.params == 9 * 12 * 4 + 2 * 4 + (4 + 1) * 5


def test_params_of_the_head_by_its_formula():
    cost = measure(spec_of(PLAIN))
    head = sum(line.params for line in cost.total.lines if line.path.startswith("head."))
    c, d, k, depth, h = 18, 8, 5, 2, 32
    auxiliary = 9 * 12 * 4 + 2 * 4 + 5 * k
    steps = depth * (4 * d**2 + 2 * d * h + 9 * d + h)
    assert head == c * d + 2 * d + k * d + steps + 2 * d**2 + 4 * d + auxiliary


def test_params_of_the_blocks_and_taps_by_their_formulas():
    def params(prefix):
        return sum(line.params for line in measure(spec_of(PLAIN)).total.lines if line.path.startswith(prefix))

    assert params("stages.1.units.0.branches.1.0") == 6**2 + 13 * 6
    assert params("stages.2.units.0.branches.0.0") == 2 * 12**2 + (25 + 14) * 12 + 1
    assert params("stages.1.units.0.fuse") == 12 * 6 + 2 * 6
    assert params("stages.2.units.0.fuse") == 2 * 12 * 6 + 2 * 6 + 2 * 12


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        ("auxiliary: 4", "auxiliary: 4, maps: [0, 2]", "map 2 does not exist"),
        ("kernel: 5}, depth: 1", "kernel: 4}, depth: 1", "kernel"),
        ("fuse: {type: pathway, kernel: 5}", "fuse: {type: pathway, trunk: middle}", "trunk"),
    ],
)
def test_bad_options_are_refused_in_one_line_with_their_place(before, after, rule):
    assert before in PLAIN
    with pytest.raises(SpecError) as caught:
        spec_of(PLAIN.replace(before, after))
    message = str(caught.value)
    assert message.startswith("<test>:")
    assert rule in message
    assert "\n" not in message
