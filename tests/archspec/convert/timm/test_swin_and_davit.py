"""Swin and DaViT at other sizes than 224 against timm, and names that only they have."""

import torch
import torch.nn.functional as F

from archspec.convert.timm import davit, swin
from archspec.loader import load
from archspec.model.build import build


def both(theirs, name):
    """timm's model, random where its initialisation has zeros and ones, and ours, still without weights."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return theirs.eval(), build(load(name), init="skip").eval()


def test_a_map_smaller_than_the_window_shrinks_it_as_in_timm(create):
    # At 112 pixels the maps are 28, 14, 7 and 4: timm's last stage has windows of 4, whose table is ours's middle.
    theirs, ours = both(create("swin_tiny_patch4_window7_224", img_size=112), "swin-t")
    state = swin.convert(theirs.state_dict(), load("swin-t"))
    for name, tensor in state.items():
        if name.startswith("stages.3") and name.endswith("table"):
            assert tensor.shape == (49, 24)
            table = F.pad(tensor.reshape(7, 7, 24), (0, 0, 3, 3, 3, 3), value=torch.nan)
            state[name] = table.reshape(169, 24)
    ours.load_state_dict(state)
    images = torch.randn(1, 3, 112, 112)
    with torch.no_grad():
        assert float((ours(images) - theirs(images)).abs().max()) < 1e-5


def test_davit_equals_timms_where_images_and_windows_do_not_fit(create):
    theirs, ours = both(create("davit_tiny"), "davit-t")
    ours.load_state_dict(davit.convert(theirs.state_dict(), load("davit-t")))
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
