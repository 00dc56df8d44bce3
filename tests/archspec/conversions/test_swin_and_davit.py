"""Swin and DaViT against timm: the same parameters, and the same logits with its weights renamed."""

from collections import Counter
from importlib import import_module
from importlib.util import find_spec

import pytest
import torch
import torch.nn.functional as F

from archspec.builder import build
from archspec.conversions import davit, swin
from archspec.cost import measure
from archspec.loader import load

TWINS = {
    "swin-t": "swin_tiny_patch4_window7_224",
    "swin-s": "swin_small_patch4_window7_224",
    "swin-b": "swin_base_patch4_window7_224",
    "davit-t": "davit_tiny",
    "davit-s": "davit_small",
    "davit-b": "davit_base",
}
SMALL = ["swin-t", "davit-t"]


@pytest.fixture(scope="module")
def timm():
    """timm, whose torchvision needs two operators declared where its compiled part does not load."""
    if find_spec("timm") is None:
        pytest.skip("timm is not installed")
    library = torch.library.Library("torchvision", "FRAGMENT")
    try:
        import_module("torchvision")
    except (ImportError, RuntimeError):
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    yield import_module("timm")
    del library


def converted(name, state, spec):
    return (swin if name.startswith("swin") else davit).convert(state, spec)


def both(timm, name, side=224):
    """timm's model, random where its initialisation has zeros and ones, and ours, still without weights."""
    torch.manual_seed(0)
    options = {"img_size": side} if name.startswith("swin") else {}
    theirs = timm.create_model(TWINS[name], **options).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return theirs, build(load(name), init="skip").eval()


@pytest.mark.parametrize("name", TWINS)
def test_parameters_have_the_shapes_of_timms(timm, name):
    spec = load(name)
    with torch.device("meta"):
        theirs = timm.create_model(TWINS[name])
    ours = build(spec, device="meta")
    shapes, expected = (Counter(tuple(p.shape) for p in model.parameters()) for model in (ours, theirs))
    assert shapes == expected
    assert measure(spec).params == sum(p.numel() for p in theirs.parameters())
    renamed = converted(name, theirs.state_dict(), spec)
    assert {key: t.shape for key, t in renamed.items()} == {key: t.shape for key, t in ours.state_dict().items()}


@pytest.mark.parametrize("name", SMALL)
def test_logits_equal_timms_after_renaming(timm, name):
    theirs, ours = both(timm, name)
    ours.load_state_dict(converted(name, theirs.state_dict(), load(name)))
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        expected, found = theirs(images), ours(images)
    assert expected.std() > 0.1
    assert float((found - expected).abs().max()) < 1e-5


def test_a_map_smaller_than_the_window_shrinks_it_as_in_timm(timm):
    # At 112 pixels the maps are 28, 14, 7 and 4: timm's last stage has windows of 4, whose table is ours's middle.
    theirs, ours = both(timm, "swin-t", 112)
    state = converted("swin-t", theirs.state_dict(), load("swin-t"))
    for name, tensor in state.items():
        if name.startswith("stages.3") and name.endswith("table"):
            assert tensor.shape == (49, 24)
            table = F.pad(tensor.reshape(7, 7, 24), (0, 0, 3, 3, 3, 3), value=torch.nan)
            state[name] = table.reshape(169, 24)
    ours.load_state_dict(state)
    images = torch.randn(1, 3, 112, 112)
    with torch.no_grad():
        assert float((ours(images) - theirs(images)).abs().max()) < 1e-5


def test_davit_equals_timms_where_images_and_windows_do_not_fit(timm):
    theirs, ours = both(timm, "davit-t")
    ours.load_state_dict(converted("davit-t", theirs.state_dict(), load("davit-t")))
    images = torch.randn(1, 3, 107, 90)  # maps of 27x23, 14x12, 7x6 and 4x3
    with torch.no_grad():
        assert float((ours(images) - theirs(images)).abs().max()) < 1e-5


def test_buffers_of_older_checkpoints_are_dropped():
    state = {
        "layers.0.blocks.1.attn_mask": torch.zeros(1),
        "layers.0.blocks.1.attn.relative_position_index": torch.zeros(1),
        "layers.0.blocks.1.attn.relative_position_bias_table": torch.ones(1),
        "layers.1.downsample.reduction.weight": torch.ones(1),
    }
    assert set(swin.convert(state, load("swin-t"))) == {
        "stages.0.blocks.1.mha.body.attention.relative_position_bias_table",
        "stages.1.downsample.reduction.weight",
    }


def test_pairs_of_davit_become_blocks_in_a_row():
    names = [f"stages.2.blocks.{pair}.{which}.cpe{which + 1}.proj.weight" for pair in (0, 2) for which in (0, 1)]
    found = davit.convert({name: torch.ones(1) for name in names}, load("davit-t"))
    blocks = [(0, 1), (1, 2), (4, 1), (5, 2)]
    assert list(found) == [f"stages.2.blocks.{block}.position{cpe}.body.weight" for block, cpe in blocks]
