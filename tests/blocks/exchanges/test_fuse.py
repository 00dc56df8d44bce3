"""Exchange units and residual blocks against the formulas of their papers, and layers on maps that do not fit."""

import pytest
import torch

from archspec.errors import FieldError
from blocks.basic import Basic
from blocks.bottleneck import Bottleneck
from blocks.downsamples.bottleneck_down import BottleneckDown
from blocks.exchanges.fuse import Fuse
from blocks.exchanges.pathway import Pathway
from blocks.heads.classification.hr_classifier import HRClassifier
from blocks.layers.basic.conv import conv
from blocks.layers.basic.resize import Repeat
from blocks.layers.layer import Layer, Meter, Value
from blocks.layers.maps import Branches, FusedMap, Gather
from blocks.layers.units.pathway import Tapped

WIDTHS = (6, 10, 14)
SIDES = ((13, 9), (7, 5), (4, 3))


def maps_of(widths=WIDTHS, sides=SIDES):
    return tuple(Value.new((width, *side)) for width, side in zip(widths, sides, strict=True))


def params(layer: Layer, width: int) -> int:
    meter = Meter()
    meter.enter("", layer, Value.new((width, 16, 16)))
    return sum(line.params for line in meter.lines)


def path(unit: Fuse, source: int, target: int) -> Layer:
    return dict(dict(unit.layers(WIDTHS, WIDTHS).children())[str(target)].children())[str(source)]


@pytest.mark.parametrize(
    ("unit", "source", "target", "expected"),
    [
        (Fuse(), 1, 0, 10 * 6 + 2 * 6),
        (Fuse(), 0, 1, 9 * 6 * 10 + 2 * 10),
        (Fuse(), 0, 2, 9 * 6 * 6 + 2 * 6 + 9 * 6 * 14 + 2 * 14),
        (Fuse(widen="first"), 0, 2, 9 * 6 * 14 + 2 * 14 + 9 * 14 * 14 + 2 * 14),
        (Fuse(depthwise=True), 0, 2, (9 * 6 + 2 * 6 + 36 + 2 * 6) + (9 * 6 + 2 * 6 + 6 * 14 + 2 * 14)),
        # HRViT: down k²·p + 2p + p·f + 3f, up p·f + 3f.
        (Fuse(down="step", depthwise=True, bias=True), 0, 2, 25 * 6 + 2 * 6 + 6 * 14 + 3 * 14),
        (Fuse(down="step", depthwise=True, bias=True), 2, 0, 14 * 6 + 3 * 6),
        (Fuse(down="step"), 0, 2, 25 * 6 * 14 + 2 * 14),
    ],
)
def test_parameters_of_a_path(unit, source, target, expected):
    assert params(path(unit, source, target), WIDTHS[source]) == expected


def test_every_map_reaches_every_branch_and_odd_sides_are_cropped():
    unit = Fuse(act="gelu").layers(WIDTHS, (*WIDTHS, 20))
    outs = Meter().enter_maps("", unit, maps_of())
    assert [out.shape for out in outs] == [(6, 13, 9), (10, 7, 5), (14, 4, 3), (20, 2, 2)]
    images = [torch.randn(2, width, *side, requires_grad=True) for width, side in zip(WIDTHS, SIDES, strict=True)]
    results = unit.module().eval()(images)
    assert [tuple(x.shape[1:]) for x in results] == [out.shape for out in outs]
    for result in results:
        gradients = torch.autograd.grad(result.sum(), images, retain_graph=True)
        assert all(bool(gradient.any()) for gradient in gradients)


def test_a_unit_without_an_activation_adds_the_map_itself():
    unit = Fuse(act=None).layers((4, 4), (4, 4)).module().eval()
    fine, coarse = torch.randn(1, 4, 8, 8), torch.zeros(1, 4, 4, 4)
    with torch.no_grad():
        assert torch.allclose(unit([fine, coarse])[0], fine + unit.get_submodule("0.1")(coarse))


def test_paths_name_the_ways_between_branches_and_every_branch_keeps_its_own_map():
    whole, some = Fuse().layers(WIDTHS, WIDTHS), Fuse(paths=((1, 0), (0, 2), (1, 2))).layers(WIDTHS, WIDTHS)
    assert [[j for j, _ in fuse.paths] for fuse in some.outputs] == [[0, 1], [1], [0, 1, 2]]
    names = dict(whole.module().named_modules())
    kept = dict(some.module().named_modules())
    assert set(kept) < set(names)
    assert {"0.1", "2.0", "2.1"} <= set(kept)
    assert not {"0.2", "1.0", "1.2"} & set(kept)
    assert [out.shape for out in Meter().enter_maps("", some, maps_of())] == [
        out.shape for out in Meter().enter_maps("", whole, maps_of())
    ]


def test_a_unit_with_paths_is_the_whole_unit_without_the_others():
    options = {"down": "step", "act": None}
    whole = Fuse(**options).layers(WIDTHS, WIDTHS).module().eval()
    some = Fuse(**options, paths=((1, 0), (0, 2))).layers(WIDTHS, WIDTHS).module().eval()
    some.load_state_dict({name: whole.state_dict()[name] for name in some.state_dict()})
    images = [torch.randn(2, width, *side) for width, side in zip(WIDTHS, SIDES, strict=True)]
    with torch.no_grad():
        fine, middle, coarse = some(images)
        up = whole.get_submodule("0.1")(images[1])[:, :, :13, :9]
        assert torch.allclose(fine, images[0] + up, atol=1e-6)
        assert torch.equal(middle, images[1])
        assert torch.allclose(coarse, images[2] + whole.get_submodule("2.0")(images[0]), atol=1e-6)


@pytest.mark.parametrize("act", ["relu", "gelu"])
def test_a_branch_that_no_path_reaches_is_activated_all_the_same_and_leaves_its_map_to_others(act):
    unit = Fuse(paths=((1, 0),), act=act).layers((4, 4), (4, 4)).module().eval()
    images = [torch.randn(1, 4, 8, 8), torch.randn(1, 4, 4, 4)]
    before = images[1].clone()
    with torch.no_grad():
        assert torch.equal(unit(images)[1], getattr(torch.nn.functional, act)(before))
    assert torch.equal(images[1], before)


def test_a_branch_is_born_of_the_maps_from_which_paths_lead_to_it():
    unit = Fuse(paths=((1, 2), (0, 1))).layers(WIDTHS[:2], WIDTHS)
    outs = unit.trace(maps_of()[:2], Meter())
    assert [out.shape for out in outs] == [(6, 13, 9), (10, 7, 5), (14, 4, 3)]
    assert [[j for j, _ in fuse.paths] for fuse in unit.outputs] == [[0], [0, 1], [1]]


@pytest.mark.parametrize(
    ("paths", "arriving", "leaving", "field", "rule"),
    [
        ([(0, 1), (1, 3)], 3, 3, "paths[1]", "no branch 3: the stage has 3, 0 to 2"),
        ([(5, 1)], 3, 3, "paths[0]", "no branch 5: the stage has 3, 0 to 2"),
        ([(1, 0)], 1, 1, "paths[0]", "no branch 1: the stage has only branch 0"),
        ([(0, 1), (1, 1)], 3, 3, "paths[1]", "leads from branch 1 to itself, which keeps its own map anyway"),
        ([(0, 1), (1, 2), (0, 1)], 3, 3, "paths[2]", "[0, 1] occurs twice, first as paths[0]"),
        ([(0, 2), (2, 0)], 2, 3, "paths[1]", "leaves branch 2, which is only born here: a path comes from one that"),
        ([(0, 2), (2, 3)], 2, 4, "paths[1]", "leaves branch 2, which is only born here: a path comes from one that"),
        ([(0, 1), (0, 3)], 2, 4, "paths", "branch 2 is born here, but no path leads to it"),
    ],
)
def test_paths_that_cannot_be_are_refused(paths, arriving, leaving, field, rule):
    with pytest.raises(FieldError) as caught:
        Fuse(paths=paths).reads(arriving, leaving)
    assert caught.value.field == field
    assert caught.value.rule.startswith(rule)


def test_what_a_unit_says_that_it_reads_is_what_its_layers_read():
    for unit in (Fuse(), Fuse(paths=((0, 1), (2, 3), (2, 0), (1, 4))), Pathway(), Pathway(trunk="last", back=True)):
        outputs = unit.layers(WIDTHS, (*WIDTHS, 20, 24)).outputs
        assert unit.reads(3, 5) == tuple(read_by(out) for out in outputs)


def read_by(out: FusedMap | Tapped) -> tuple[int, ...]:
    if isinstance(out, FusedMap):
        return tuple(j for j, _ in out.paths)
    return tuple(sorted({out.own, *(j for j, _ in out.taps)}))


def test_maps_that_do_not_halve_or_fit_are_refused():
    unit = Fuse().layers((6, 10), (6, 10))
    with pytest.raises(FieldError, match="map 1 of 13x9 must be half as large as map 0 of 13x9"):
        unit.trace(maps_of((6, 10), (SIDES[0], SIDES[0])), Meter())
    with pytest.raises(FieldError, match="needs 2 maps, but there are 1"):
        unit.trace(maps_of((6,), SIDES[:1]), Meter())
    wrong = FusedMap(((0, None), (1, conv(10, 5))))
    with pytest.raises(FieldError, match=r"path 1 of shape \(5, 7, 5\) cannot be added to one of shape \(6, 13, 9\)"):
        wrong.trace(maps_of(), Meter())


def test_branches_pass_on_and_read_other_maps():
    layer = Branches((None, Repeat(2), conv(14, 3, 1, 2)), (0, 1, 2))
    assert [x.shape for x in layer.trace(maps_of(), Meter())] == [(6, 13, 9), (10, 14, 10), (3, 2, 2)]
    born = Branches((None, None, conv(10, 3, 1, 2)), (0, 1, 1))
    outs = born.module()([torch.zeros(1, *x.shape) for x in maps_of()[:2]])
    assert [tuple(x.shape[1:]) for x in outs] == [(6, 13, 9), (10, 7, 5), (3, 4, 3)]
    assert [name for name, _ in born.children()] == ["2"]


def test_the_classifier_reads_maps_that_halve():
    head = HRClassifier(planes=2, hidden=12, classes=5).layers(WIDTHS)
    assert Meter().enter_maps("head", head, maps_of()).shape == (5,)
    with pytest.raises(FieldError, match="which cannot be added to map 1"):
        head.trace(maps_of(WIDTHS, (SIDES[0], SIDES[0], SIDES[1])), Meter())
    with pytest.raises(FieldError, match="reads 3 maps, not 2"):
        head.trace(maps_of()[:2], Meter())


def test_residual_blocks_have_the_parameters_of_their_papers():
    assert params(Basic().layers(18), 18) == 18 * 18**2 + 4 * 18
    assert params(Bottleneck().layers(256), 256) == 2 * 256 * 64 + 9 * 64**2 + 4 * 64 + 2 * 256
    down = BottleneckDown(stride=1).layers(64, 256)
    assert params(down, 64) == 64 * 64 + 9 * 64**2 + 64 * 256 + 4 * 64 + 2 * 256 + 64 * 256 + 2 * 256
    assert BottleneckDown(stride=1).layers(256, 256) == Bottleneck().layers(256)
    out = down.module().eval()(torch.randn(1, 64, 5, 5)).detach()
    assert float(out.min()) == 0  # ReLU after the sum


def test_a_gather_names_its_outputs_by_number():
    unit = Fuse().layers(WIDTHS, WIDTHS)
    assert isinstance(unit, Gather)
    assert [name for name, _ in unit.children()] == ["0", "1", "2"]
