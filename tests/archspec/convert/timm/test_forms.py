"""The forms that a family of timm comes in: other blocks, stems and shortcuts, without a head, features alone."""

from importlib import import_module

import pytest
import torch
from typer.testing import CliRunner

from archspec.cli.app import app
from archspec.convert.convert import convert, find_family
from archspec.convert.timm import swin
from archspec.cost.measure import measure
from archspec.edits.edit import edit
from archspec.errors import SpecError
from archspec.loader import load
from archspec.model.build import build
from archspec.model.weights import restore

RESNET_34 = {"stages[0].depth": 3, "stages[1].depth": 3, "stages[2].depth": 5, "stages[3].depth": 2}
RESNET_18D = {"stem": "resnet_deep_stem", "basic_down.shortcut": "pool"}
SMALL = {f"stages[{index}].width": width for index, width in enumerate((40, 80, 160, 320))} | {
    "stages[0].depth": 2,
    "stages[1].depth": 2,
    "stages[2].depth": 6,
    "stages[3].depth": 2,
}
FORMS = {
    "resnet34": ("resnet-18", RESNET_34, {}),
    "resnet18d": ("resnet-18", RESNET_18D, {}),
    "wide_resnet50_2": ("resnet-50", {"bottleneck.reduction": 2, "bottleneck_down.reduction": 2}, {}),
    "resnet18": ("resnet-18", {"head": None}, {"num_classes": 0}),
    "convnext_atto": ("convnext-t", SMALL, {}),
    "convnext_tiny_hnf": ("convnext-t", {"head.norm_at": "map"}, {}),
    "pvt_v2_b0": ("pvtv2-b0", {"head": None}, {"num_classes": 0}),
}


def lively(model, images):
    """`model` without weights that begin as zeros and ones, its batch norms with the statistics of `images`."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        model.train()(images)
    return model.eval()


def ours(state, spec, family, told=None):
    network = build(spec, init="skip")
    network.load_state_dict(convert(state, spec, network, family, told))
    return network.eval()


@pytest.mark.parametrize("name", FORMS)
def test_logits_equal_timms_in_every_form_of_a_family(create, name):
    torch.manual_seed(0)
    preset, changes, options = FORMS[name]
    spec = edit(load(preset), changes)
    images = torch.randn(2, 3, 64, 64)
    theirs = lively(create(name, **options), images)
    with torch.no_grad():
        expected, found = theirs(images), ours(theirs.state_dict(), spec, find_family(load(preset)))(images)
    if spec.head is None:  # timm pools all the same
        found = found.mean((2, 3))
    assert expected.std() > 0.01
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("preset", "name"),
    [
        ("resnet-18", "resnet18"),
        ("convnext-t", "convnext_tiny"),
        ("swin-t", "swin_tiny_patch4_window7_224"),
        ("davit-t", "davit_tiny"),
        ("pvtv2-b0", "pvt_v2_b0"),
    ],
)
def test_maps_equal_those_of_timms_feature_networks(create, preset, name):
    torch.manual_seed(0)
    images = torch.randn(1, 3, 224, 224)
    theirs = lively(create(name, features_only=True), images)
    spec = edit(load(preset), {"head": None})
    with torch.no_grad():
        expected = theirs(images)[-4:]
        found = ours(theirs.state_dict(), spec, find_family(load(preset))).features(images)
    for there, here in zip(expected, found, strict=True):
        last = there.shape != here.shape  # channels last, as Swin's
        assert torch.allclose(here, there.permute(0, 3, 1, 2) if last else there, rtol=1e-3, atol=1e-4)


class BasicBlock(torch.nn.Module):
    """Two 3x3 convolutions around a shortcut, by timm's names."""

    def __init__(self, before, width, stride):
        super().__init__()
        nn = torch.nn
        self.conv1, self.bn1 = nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        if before != width or stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        out = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (out + (self.downsample(x) if hasattr(self, "downsample") else x)).relu()


class ResNet18(torch.nn.Module):
    """ResNet-18 (arXiv 1512.03385, Table 1) with timm's names of its tensors."""

    def __init__(self):
        super().__init__()
        nn = torch.nn
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        before = 64
        for layer, width in enumerate((64, 128, 256, 512), start=1):
            first = BasicBlock(before, width, 1 if layer == 1 else 2)
            self.add_module(f"layer{layer}", nn.Sequential(first, BasicBlock(width, width, 1)))
            before = width
        self.fc = nn.Linear(512, 1000)

    def forward(self, x):
        x = torch.nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        for layer in range(1, 5):
            x = self.get_submodule(f"layer{layer}")(x)
        return self.fc(x.mean((2, 3)))


@pytest.fixture
def resnet18():
    torch.manual_seed(0)
    return lively(ResNet18(), torch.randn(2, 3, 64, 64))


def test_resnet18_of_basic_blocks_is_converted_by_the_command(resnet18, tmp_path):
    torch.save(resnet18.state_dict(), tmp_path / "r18.pth")
    arguments = ["convert", "resnet-18", str(tmp_path / "r18.pth"), "--family", "resnet", "--out", str(tmp_path / "x")]
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.exception) == (0, None)
    network = restore(tmp_path / "x")
    images = torch.randn(2, 3, 65, 90)
    with torch.no_grad():
        assert sum(parameter.numel() for parameter in network.parameters()) == 11_689_512
        assert torch.allclose(network(images), resnet18(images), rtol=1e-5, atol=1e-5)


def test_a_spec_without_a_head_leaves_the_sources_out_and_says_so(resnet18):
    told = []
    network = ours(resnet18.state_dict(), edit(load("resnet-18"), {"head": None}), "resnet", told.append)
    assert told == ["left out, since the spec has no head: fc.weight and 1 more"]
    assert not any("fc" in name for name in network.state_dict())


def test_messages_name_timms_tensors(resnet18):
    spec, state = load("resnet-18"), resnet18.state_dict()
    network = build(spec, device="meta")
    del state["layer2.0.downsample.0.weight"]
    missing = (
        r"^is not the resnet of resnet-18: no layer2\.0\.downsample\.0\.weight "
        r"\(stages\.1\.downsample\.unit\.shortcut\.conv\.weight here\)$"
    )
    with pytest.raises(SpecError, match=missing):
        convert(state, spec, network, "resnet")
    headless = {name: tensor for name, tensor in resnet18.state_dict().items() if not name.startswith("fc")}
    with pytest.raises(SpecError, match=r"no fc\.weight .* \(head: null\) the others can be converted$"):
        convert(headless, spec, network, "resnet")
    with pytest.raises(SpecError, match=r"^swin-t: topology: has no parallel branches"):
        convert(state, load("swin-t"), build(load("swin-t"), device="meta"), "hrnet")


@pytest.mark.parametrize("preset", ["resnet-50d", "swin-t", "pvtv2-b0", "davit-t", "convnext-t", "hrnet-w18"])
def test_the_source_names_of_all_tensors_lead_back_to_them(preset):
    spec = load(preset)
    family = import_module(f"archspec.convert.timm.{find_family(spec)}")
    expected = build(spec, device="meta").state_dict()
    there = {family.original(name, spec): tensor for name, tensor in expected.items()}
    assert len(there) == len(expected)
    found = family.convert(there, spec)
    assert found.keys() == expected.keys()
    assert all(found[name] is tensor for name, tensor in expected.items())


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("resnet18", "resnet"),
        ("ResNet50d", "resnet"),
        ("pvt_v2_b2", "pvtv2"),
        ("swin_tiny", "swin"),
        ("hrnet-w18", "hrnet"),
    ],
)
def test_the_family_is_found_in_timms_names_too(name, family):
    assert find_family(load("resnet-18").model_copy(update={"name": name})) == family


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_converted(resnet18, dtype):
    state = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in resnet18.state_dict().items()
    }
    network = ours(state, load("resnet-18"), "resnet")
    assert torch.equal(network.state_dict()["head.fc.bias"], state["fc.bias"].float())


def test_what_a_profiler_left_in_the_weights_is_left_out(resnet18):
    state = {**resnet18.state_dict(), "total_ops": torch.zeros(1), "layer1.0.conv1.total_params": torch.zeros(1)}
    told = []
    ours(state, load("resnet-18"), "resnet", told.append)
    assert told == ["left out: 2 buffers of a profiler, total_ops and total_params"]


def test_swins_older_names_are_known():
    spec = load("swin-t")
    expected = build(spec, device="meta").state_dict()
    names = [swin.original(name, spec) for name in expected]
    for index in (1, 2, 3):
        names = [name.replace(f"layers.{index}.downsample", f"layers.{index - 1}.downsample") for name in names]
    old = [name.replace("head.fc", "head") for name in names]
    assert "layers.0.downsample.reduction.weight" in old
    assert "layers.3.downsample.reduction.weight" not in old
    assert set(swin.convert(dict.fromkeys(old), spec)) == set(expected)


def test_equal_params_are_no_proof_but_the_names_tell_resnet_d_apart(create):
    spec, other = load("resnet-50d"), edit(load("resnet-50d"), {"bottleneck_down.shortcut": "conv"})
    assert measure(spec).params == measure(other).params == 25_576_264
    assert spec.digest != other.digest
    torch.manual_seed(0)
    images = torch.randn(2, 3, 64, 64)
    with torch.device("meta"):
        state = create("resnet50d").state_dict()
    with pytest.raises(SpecError, match=r"no layer1\.0\.downsample\.0\.weight"):
        convert(state, other, build(other, device="meta"), "resnet")
    first = edit(spec, {"stages[0].downsample.shortcut": "conv"})  # at stride 1, where nothing is averaged
    assert convert(state, first, build(first, device="meta"), "resnet").keys() == build(spec).state_dict().keys()
    weights = build(spec)
    twin = build(other, init="skip")
    twin.load_state_dict(weights.state_dict())  # which says nothing
    with torch.no_grad():
        assert not torch.allclose(twin.eval()(images), weights.eval()(images))


def test_stages_of_a_single_unit_are_transitions_alone(create):
    from timm.models.resnet import BasicBlock as TheirBlock
    from timm.models.resnet import ResNet

    torch.manual_seed(0)
    images = torch.randn(2, 3, 64, 64)
    theirs = lively(ResNet(TheirBlock, [1, 1, 1, 1]), images)
    spec = edit(load("resnet-18"), {"stages[0].depth": 1, **{f"stages[{index}].depth": 0 for index in (1, 2, 3)}})
    with torch.no_grad():
        assert torch.allclose(ours(theirs.state_dict(), spec, "resnet")(images), theirs(images), rtol=1e-4, atol=1e-5)
