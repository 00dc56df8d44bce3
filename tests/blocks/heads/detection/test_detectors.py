"""Detectors' heads: params by the published formulas, cost against fvcore, what they give, and what is refused."""

import random
from math import ceil

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from archspec.cost.measure import measure
from archspec.errors import SpecError
from archspec.loader import load
from archspec.model.build import build
from archspec.spec.schema import ArchSpec
from archspec.testing.contract import (
    check_counts,
    check_export,
    check_forms,
    check_gradients,
    check_inference,
    check_initialisation,
    check_saved_bytes,
    check_shapes,
    naming,
)
from archspec.testing.random_specs import random_options
from blocks.catalog import find_part
from blocks.heads.detection.atss import ATSS
from blocks.heads.detection.cascade_mask_rcnn import CascadeMaskRCNN
from blocks.heads.detection.gfl import GFL
from blocks.heads.detection.mask_rcnn import MaskRCNN
from blocks.heads.detection.retinanet import RetinaNet
from blocks.heads.detection.sparse_rcnn import SparseRCNN
from blocks.layers.detection.proposals import Refine
from blocks.layers.detection.regions import RegionSample, box_head, mask_head, proposal_network
from blocks.layers.detection.regions_torch import grid
from blocks.layers.layer import Meter, Value

WIDTHS = (64, 128, 320, 512)
HEADS = ("retinanet", "atss", "gfl", "mask_rcnn", "cascade_mask_rcnn", "sparse_rcnn")


def lines(layer, *shapes):
    meter = Meter()
    meter.enter_maps("head", layer, tuple(Value.new(shape) for shape in shapes))
    return meter.lines


def params(layer, *shapes):
    return sum(line.params for line in lines(layer, *shapes))


def conv3(i, o):
    return 9 * i * o + o


def pyramid(widths, f):
    return sum(c * f + f for c in widths) + len(widths) * conv3(f, f)


@pytest.mark.parametrize(("f", "k", "a"), [(256, 80, 9), (7, 3, 2)])
def test_retinanet_has_the_params_of_the_formula(head_params, f, k, a):
    fpn = pyramid(WIDTHS[1:], f) + conv3(512, f) + conv3(f, f)
    expected = fpn + 8 * conv3(f, f) + a * (k + 4) * (9 * f + 1)
    assert head_params(RetinaNet(width=f, classes=k, anchors=a), WIDTHS[1:]) == expected


@pytest.mark.parametrize(("f", "k", "groups"), [(256, 80, 32), (6, 3, 2)])
def test_atss_and_gfl_have_the_params_of_the_formula(head_params, f, k, groups):
    shared = pyramid(WIDTHS[1:], f) + 2 * conv3(f, f) + 8 * (9 * f * f + 2 * f) + 5
    atss, gfl = ATSS(width=f, classes=k, groups=groups), GFL(width=f, classes=k, groups=groups)
    assert head_params(atss, WIDTHS[1:]) == shared + (k + 5) * (9 * f + 1)
    assert head_params(gfl, WIDTHS[1:]) == shared + (k + 68) * (9 * f + 1)


def test_the_parts_of_two_stage_detectors_have_the_published_sizes(head_params):
    # Counted on the layers that Mask R-CNN, Group Normalization and Sparse R-CNN describe, for 80 classes.
    proposals = params(proposal_network(256, 3, 5), *((256, 32 >> i, 32 >> i) for i in range(5)))
    box = params(box_head(256, 0, 2, 1024, 80, 7), (256, 7, 7))
    deep_box = params(box_head(256, 4, 1, 1024, 80, 7), (256, 7, 7))
    mask = params(mask_head(256, 4, 80), (256, 14, 14))
    assert (proposals, box, deep_box, mask) == (593_935, 14_306_705, 15_618_449, 2_643_280)
    fpn = pyramid(WIDTHS, 256)
    assert head_params(MaskRCNN(), WIDTHS) == fpn + proposals + box + mask
    assert head_params(CascadeMaskRCNN(), WIDTHS) == fpn + proposals + 3 * (deep_box + mask)
    assert head_params(SparseRCNN(), WIDTHS) == fpn + 79_490_472


def test_norms_of_the_incoming_maps_are_added_on_request(head_params):
    for head in (RetinaNet, MaskRCNN, SparseRCNN):
        more = head_params(head(input_norm="ln"), WIDTHS) - head_params(head(), WIDTHS)
        assert more == 2 * sum(WIDTHS)


@pytest.mark.parametrize(
    ("name", "published"),
    [("hiri-vit-s", 139e9), ("hiri-vit-b", 202e9)],
)
def test_retinanet_on_hiri_vit_costs_what_the_paper_says(name, published):
    # HIRI-ViT Table IV, of images of 1600 x 1200: stages 2 to 5 stand for the strides 4 to 32 of 800 x 600.
    data = load(name).canonical() | {"head": {"type": "retinanet", "maps": [2, 3, 4]}, "variants": {}}
    macs = measure(ArchSpec.model_validate(data), (1600, 1200)).under("macs").macs
    assert abs(macs / published - 1) < 0.005


def random_detector(rng, name, pyramid):
    """A small pyramid of odd maps with random options of one head."""
    data = pyramid.canonical() | {"resolution": 76}
    for _ in range(5000):
        try:
            spec = ArchSpec.model_validate({**data, "head": random_options(rng, find_part(name))})
            if measure(spec).params < 200_000:
                return spec
        except (ValidationError, SpecError):
            continue
    raise AssertionError(name)


@pytest.mark.parametrize("name", HEADS)
def test_detectors_with_random_options_keep_the_contract(written, name):
    torch.manual_seed(0)
    rng = random.Random(30)
    checks = (check_forms, check_counts, check_saved_bytes, check_shapes, check_gradients, check_inference)
    spec = random_detector(rng, name, written("null"))
    for check in (*checks, check_initialisation):
        with naming(spec, None):
            check(spec)


@pytest.mark.parametrize("name", ["cascade_mask_rcnn", "sparse_rcnn"])
def test_reading_regions_can_be_exported(written, name):
    small = {
        "cascade_mask_rcnn": "rois: 3, mask_rois: 2, stages: 1, hidden: 4",
        "sparse_rcnn": "proposals: 3, stages: 1",
    }
    check_export(written(f"{{type: {name}, width: 8, {small[name]}}}"))


LEVELS = [(8, 8), (4, 4), (2, 2), (1, 1), (1, 1)]


@pytest.mark.parametrize(
    ("head", "shapes"),
    [
        ("type: retinanet, classes: 3, anchors: 2", [(6, *s) for s in LEVELS] + [(8, *s) for s in LEVELS]),
        (
            "type: atss, groups: 2, classes: 3",
            [(3, *s) for s in LEVELS] + [(4, *s) for s in LEVELS] + [(1, *s) for s in LEVELS],
        ),
        ("type: gfl, groups: 2, classes: 3", [(3, *s) for s in LEVELS] + [(68, *s) for s in LEVELS]),
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_dense_detectors_give_raw_maps_prediction_by_prediction(written, head, shapes, training):
    network = build(written(f"{{{head}, width: 8, maps: [1, 2, 3]}}")).train(training)
    assert [tuple(out.shape) for out in network(torch.randn(2, 3, 64, 64))] == [(2, *shape) for shape in shapes]


def test_two_stage_detectors_give_proposals_and_then_stage_after_stage(written):
    options = "width: 8, classes: 3, hidden: 6, rois: 5, mask_rois: 2"
    network = build(written(f"{{type: cascade_mask_rcnn, {options}, stages: 2}}")).eval()
    found = [tuple(out.shape[1:]) for out in network(torch.randn(2, 3, 64, 64))]
    levels = [(16, 16), *LEVELS[:4]]
    stage = [(5, 4), (5, 12), (2, 3, 28, 28)]
    assert found == [(3, *s) for s in levels] + [(12, *s) for s in levels] + 2 * stage
    assert {name for name, _ in network.head.head.named_children()} == {"rpn", "box1", "mask1", "box2", "mask2"}


def test_sparse_rcnn_gives_logits_and_boxes_of_every_stage(written):
    network = build(written("{type: sparse_rcnn, width: 8, classes: 3, proposals: 5, stages: 2}")).eval()
    found = network(torch.randn(2, 3, 64, 64))
    assert [tuple(out.shape) for out in found] == 2 * [(2, 5, 3), (2, 5, 4)]
    # Weights begin small, so the first boxes are about the whole image.
    assert torch.allclose(found[1], torch.tensor([0.5, 0.5, 1, 1]).expand(2, 5, 4), atol=0.3)


def test_proposals_begin_as_the_whole_image_without_a_network_around_them():
    stages = SparseRCNN(width=6, heads=2, proposals=3).layers((4,)).module().get_submodule("head")
    assert torch.equal(stages.boxes, torch.tensor([0.5, 0.5, 1, 1]).expand(3, 4))
    assert 0 < stages.proposals.abs().max() < 6


def test_the_levels_share_one_module_whose_params_count_once():
    one, two = (8, 8, 6), (8, 4, 3)
    head = proposal_network(8, 3, 1), proposal_network(8, 3, 2)
    assert params(head[0], one) == params(head[1], one, two)
    macs = [sum(line.macs for line in lines(h, *shapes)) for h, shapes in zip(head, [[one], [one, two]], strict=True)]
    assert macs[1] * 4 == macs[0] * 5


@pytest.mark.parametrize("convention", ["fvcore", "macs", "mmcv", "half"])
def test_regions_cost_in_proportion_to_their_number_in_every_convention(written, convention):
    def macs(rois, mask_rois):
        options = f"type: cascade_mask_rcnn, width: 8, classes: 3, hidden: 5, rois: {rois}, mask_rois: {mask_rois}"
        return measure(written(f"{{{options}}}")).under(convention).macs

    base = macs(1, 1)
    assert macs(11, 1) - base == 10 * (macs(2, 1) - base) > 0
    assert macs(1, 101) - base == 100 * (macs(1, 2) - base) > 0


def test_mmcv_counts_norms_and_activations_of_all_regions(written):
    # One 3x3 convolution of a box head on 2x2 cells: no bias, batch norm 2 per element, ReLU 1.
    few, many = (
        measure(written(f"{{type: cascade_mask_rcnn, width: 4, classes: 1, hidden: 1, box_size: 2, rois: {count}}}"))
        for count in (1, 8)
    )
    path = "head.head.box1.head.towers.box.conv1"
    found = [
        {
            line.path.rpartition(".")[2]: line.macs
            for line in cost.under("mmcv").total.lines
            if line.path.startswith(path)
        }
        for cost in (few, many)
    ]
    assert found[0] == {"conv": 9 * 16 * 4, "norm": 2 * 16, "act": 16}
    assert found[1] == {name: 8 * count for name, count in found[0].items()}


def test_further_levels_begin_where_the_detector_says():
    torch.manual_seed(0)
    maps = [torch.randn(1, 6, 8, 8), torch.randn(1, 5, 4, 4)]
    for head, reads_input in ((RetinaNet(width=4), True), (ATSS(width=4, groups=1), False)):
        neck = head.layers((6, 5)).module().get_submodule("pyramid")
        outs = neck(maps)
        first, second = neck.extra
        assert torch.equal(outs[2], first(maps[1] if reads_input else outs[1]))
        assert torch.equal(outs[3], second(outs[2]))
    outs = MaskRCNN(width=4).layers((6, 5)).module().get_submodule("pyramid")(maps)
    assert torch.equal(outs[2], outs[1][:, :, ::2, ::2])


def test_a_region_takes_the_feature_at_each_cells_centre_from_the_level_of_its_size():
    torch.manual_seed(0)
    maps = [torch.randn(2, 3, 120 >> i, 160 >> i) for i in range(4)]
    # Images of 480 x 640: areas of 100², 112², 223², 224² and 600² pixels, and one beyond the border.
    sizes = [(100, 100), (112, 112), (223, 223), (448, 112), (600, 600), (50, 50)]
    centres = [(200, 100), (320, 240), (320, 240), (300, 200), (320, 240), (639, 479)]
    levels = [0, 1, 1, 2, 3, 0]
    boxes = torch.tensor([[x / 640, y / 480, w / 640, h / 480] for (x, y), (w, h) in zip(centres, sizes, strict=True)])
    found = RegionSample(2).module()([*maps, boxes.expand(2, -1, -1)])
    assert found.shape == (12, 3, 2, 2)
    for image in range(2):
        for number, level in enumerate(levels):
            (x, y), (w, h), stride = centres[number], sizes[number], 4 << level
            for i in range(2):
                for j in range(2):
                    row, column = (y + (2 * i - 1) * h / 4) // stride, (x + (2 * j - 1) * w / 4) // stride
                    row, column = (
                        int(min(max(row, 0), (120 >> level) - 1)),
                        int(min(max(column, 0), (160 >> level) - 1)),
                    )
                    expected = maps[level][image, :, row, column]
                    assert torch.equal(found[6 * image + number, :, i, j], expected), (number, i, j)


@pytest.mark.parametrize("count", [1, 2, 9, 10])
def test_the_regions_of_a_network_alone_are_cells_of_a_grid(count):
    boxes = grid(count, torch.zeros(3, 1, 2, 2))
    side = ceil(count**0.5)
    assert boxes.shape == (3, count, 4)
    assert torch.allclose(boxes[..., 2:], torch.tensor(1 / side))
    places = {tuple(round(float(value) * side - 0.5, 3) for value in box[:2]) for box in boxes[0]}
    assert places == {(number % side, number // side) for number in range(count)}


def test_boxes_move_in_units_of_their_sides():
    boxes = torch.tensor([[[0.5, 0.4, 0.2, 0.1]]])
    offsets = torch.tensor([1.0, -2, 0, 100]).reshape(1, 4, 1, 1)
    refine = Refine().module()
    assert torch.allclose(refine([boxes, offsets]), torch.tensor([0.7, 0.2, 0.2, 0.1 * 1000 / 16]))
    assert torch.equal(refine([boxes, torch.zeros(1, 4, 1, 1)]), boxes)


def test_dynamic_convolutions_take_their_weights_from_the_proposal():
    torch.manual_seed(0)
    layer = SparseRCNN(width=6, heads=2, dynamic=3, size=2, classes=2).layers((4,)).children()[-1][1].stage
    module = dict(layer.children())["interact"].module()
    proposals, regions = torch.randn(1, 6, 2, 1), torch.randn(2, 6, 2, 2)
    found = module([proposals, regions])
    for number in range(2):
        weights = functional.linear(proposals[0, :, number, 0], module.generate.weight, module.generate.bias)
        x = regions[number].reshape(6, 4).T @ weights[:18].reshape(6, 3)
        x = functional.layer_norm(x, (3,)).relu() @ weights[18:].reshape(3, 6)
        x = functional.layer_norm(x, (6,)).relu().flatten()
        x = functional.linear(x, module.project.linear.weight, module.project.linear.bias)
        assert torch.allclose(found[0, :, number, 0], functional.layer_norm(x, (6,)).relu(), atol=1e-5)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("{type: atss, groups: 3}", "head.groups: must divide the width 256, which 3 does not"),
        ("{type: gfl, width: 20}", "head.groups: must divide the width 20, which 32 does not"),
        ("{type: sparse_rcnn, heads: 7}", "head.heads: must divide the width 256, which 7 does not"),
        ("{type: mask_rcnn, rois: 0}", "head.rois: "),
        ("{type: retinanet, maps: [2, 4]}", "head.maps: map 4 does not exist: the backbone gives 4 maps, 0 to 3"),
    ],
)
def test_a_head_that_does_not_fit_is_one_line_with_its_place(written, head, message):
    with pytest.raises(SpecError) as caught:
        written(head)
    assert str(caught.value).startswith(f"spec.yaml:9: {message}")
    assert "\n" not in str(caught.value)
