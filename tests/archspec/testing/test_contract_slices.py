"""The contract of slices, on every part that ships; and that it notices partitions that are missing or wrong."""

from dataclasses import replace

import pytest

from archspec.testing import contract
from archspec.testing.contract_slices import SliceError, check_slices, compare_slices
from blocks.catalog import find_part, parts, tag
from blocks.layers.attention.attention import Attention
from blocks.layers.attention.channel_attention import ChannelAttention
from blocks.layers.attention.plain_window_attention import PlainWindowAttention
from blocks.layers.attention.shifted_window_attention import ShiftedWindowAttention
from blocks.layers.attention.striped_attention import StripedAttention
from blocks.layers.attention.window_attention import WindowAttention
from blocks.layers.basic.conv import Conv
from blocks.layers.basic.linear import Linear
from blocks.layers.basic.norm import LayerNorm
from blocks.layers.units.kronecker import Kronecker

WHOLE = {"class_query", "ocr", "fuse", "pathway"}
"""Heads that concatenate maps of the stages' widths are shared whole or refused; pyramids have no exchange units."""
SHIPPED = [part for part in parts() if not part.__module__.startswith(("blocks.heads.detection", "test_"))]


@pytest.mark.parametrize("part", SHIPPED, ids=tag)
def test_a_slice_of_a_part_is_the_narrower_part(part):
    compared = check_slices(part, pairs=2)
    assert compared == (0 if tag(part) in WHOLE else 2)


@pytest.mark.parametrize(
    ("layer", "options"),
    [
        (Attention, {"heads": 4}),
        (Attention, {"heads": 2, "reduction": 2}),
        (Attention, {"heads": 2, "separate": True}),
        (ChannelAttention, {"groups": 4}),
        (PlainWindowAttention, {"heads": 4, "window": 4}),
        (ShiftedWindowAttention, {"heads": 2, "window": 4, "shift": True}),
        (StripedAttention, {"heads": 4, "window": 2}),
        (WindowAttention, {"heads": 4, "window": 4}),
    ],
)
def test_attention_shares_the_leading_channels_of_every_head(layer, options, monkeypatch):
    wide, narrow = (layer(width=width, **options) for width in (32, 16))
    assert compare_slices((wide, (32,)), (narrow, (16,)), (8, 8))
    monkeypatch.setattr(Linear, "partitions", lambda layer: {})
    with pytest.raises(SliceError, match="must declare its partitions"):
        compare_slices((wide, (32,)), (narrow, (16,)), (8, 8))


def test_stripes_of_one_head_width_share_the_leading_heads():
    wide, narrow = (StripedAttention(width, width // 8, 2) for width in (64, 32))
    assert compare_slices((wide, (64,)), (narrow, (32,)), (8, 8))


def test_a_kronecker_factor_is_shared_where_the_columns_agree():
    assert compare_slices((Kronecker(6, 8), (48,)), (Kronecker(4, 8), (32,)), (4, 4))
    assert not compare_slices((Kronecker(8, 8), (64,)), (Kronecker(4, 4), (16,)), (4, 4))


@pytest.mark.parametrize(
    ("name", "layer", "fewer"),
    [
        ("T", Linear, lambda layer: replace(layer, parts_out=layer.parts_out[:1])),
        ("PVT", Linear, lambda layer: replace(layer, parts_out=())),
        ("hrformer_block", Linear, lambda layer: replace(layer, parts_in=())),
        ("hrvit_block", Conv, lambda layer: replace(layer, parts_out=())),
        ("hrvit_block", Kronecker, None),
        ("patch_merging", LayerNorm, lambda layer: replace(layer, parts=())),
        ("patch_merging", Linear, lambda layer: replace(layer, parts_in=())),
    ],
)
def test_a_missing_partition_is_noticed_in_the_part(name, layer, fewer, monkeypatch):
    if fewer is None:
        monkeypatch.setattr(layer, "apart", "")
    else:
        declared = layer.partitions
        monkeypatch.setattr(layer, "partitions", lambda one: declared(fewer(one)))
    with pytest.raises(SliceError, match="outputs differ by") as caught:
        check_slices(find_part(name), pairs=6)
    assert caught.value.__notes__[0].startswith(f"{name} with ")


def test_the_contract_of_a_part_holds_its_slices_too(monkeypatch):
    monkeypatch.setattr(Linear, "partitions", lambda layer: {})
    with pytest.raises(SliceError):
        contract.check_part(find_part("T"), specs=0)
