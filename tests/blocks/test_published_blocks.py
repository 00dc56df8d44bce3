"""Blocks of PVTv2, ConvNeXt and ResNet: what is refused, and what is counted by hand."""

import pytest

from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.loader import parse
from blocks.bottleneck import Bottleneck
from blocks.convnext import ConvNeXt
from blocks.downsamples.bottleneck_down import BottleneckDown
from blocks.downsamples.norm_conv import NormConv
from blocks.downsamples.overlap import Overlap
from blocks.layers.layer import Layer, Meter, Value
from blocks.pvt import PVT
from blocks.stems.patch_embed import PatchEmbed
from blocks.stems.resnet_stem import ResNetStem


def spec(stage: str):
    return parse(parse_document(f"stem: patch_embed\nstages:\n  - {{{stage}}}\n", "spec.yaml"))


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("block: PVT, width: 10, heads: 3", "spec.yaml:3: stages[0]: width 10 must be divisible by heads 3"),
        ("block: ConvNeXt, width: 8, kernel: 4", "spec.yaml:3: stages[0].kernel: 4 must be odd"),
        ("block: LN, width: 8, heads: 2", "stages[0].heads: LN has no option 'heads'"),
        ("block: ConvNeXt, width: 8, layer_scale: 0", "stages[0].layer_scale: must be greater than 0"),
        ("block: PVT, width: 8, sr: 64", "a 64x64 window at stride 64 empties a side of 56"),
    ],
)
def test_options_that_do_not_fit_are_one_line_with_the_place(stage, message):
    with pytest.raises(SpecError) as caught:
        spec(stage)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def counted(layer: Layer, shape: tuple[int, ...]) -> tuple[tuple[int, ...], int, int]:
    """Shape, parameters and multiply-adds of convolutions and linear layers."""
    meter = Meter()
    out = layer.trace(Value.new(shape), meter)
    macs = sum(line.macs for line in meter.lines if line.operator in ("conv", "linear"))
    return out.shape, sum(line.params for line in meter.lines), macs


def test_a_pvt_block_by_hand():
    c, h, n, m = 8, 32, 7 * 9, 3 * 4
    norms, attention = 2 * 2 * c + 2 * c, 4 * (c * c + c) + 4 * c * c + c
    ffn = c * h + h + 9 * h + h + h * c + c
    shape, params, macs = counted(PVT(heads=2, sr=2).layers(c), (c, 7, 9))
    assert (shape, params) == ((c, 7, 9), norms + attention + ffn)
    assert macs == (2 * c * c + 2 * c * h + 9 * h) * n + (4 * c * c + 2 * c * c) * m
    assert counted(PVT(heads=2).layers(c), (c, 7, 9))[1] == 2 * 2 * c + 4 * (c * c + c) + ffn


@pytest.mark.parametrize(("scale", "extra"), [(1e-6, 8), (None, 0)])
def test_a_convnext_block_by_hand(scale, extra):
    c = 8
    shape, params, macs = counted(ConvNeXt(layer_scale=scale).layers(c), (c, 5, 6))
    assert (shape, params) == ((c, 5, 6), 49 * c + c + 2 * c + 8 * c * c + 5 * c + extra)
    assert macs == (49 * c + 8 * c * c) * 30


def test_a_bottleneck_by_hand():
    c, h = 16, 4
    assert counted(Bottleneck().layers(c), (c, 5, 6))[1] == c * h + 9 * h * h + h * c + 2 * (2 * h + c)
    down = BottleneckDown().layers(6, c)
    assert counted(down, (6, 5, 7)) == (
        (c, 3, 4),
        6 * h + 9 * h * h + h * c + 2 * (2 * h + c) + 6 * c + 2 * c,
        6 * h * 35 + (9 * h * h + h * c + 6 * c) * 12,
    )


@pytest.mark.parametrize(
    ("layer", "sides"),
    [
        (PatchEmbed().layers(3, 4), (8, 6)),
        (PatchEmbed(pad=False).layers(3, 4), (7, 5)),
        (PatchEmbed(kernel=7, pad=False).layers(3, 4), (8, 6)),
        (PatchEmbed(kernel=3, stride=2, pad=False).layers(3, 4), (15, 12)),
        (Overlap().layers(3, 4), (15, 12)),
        (Overlap(stride=1).layers(3, 4), (29, 23)),
        (NormConv().layers(3, 4), (14, 11)),
        (NormConv(stride=3).layers(3, 4), (9, 7)),
        (NormConv(pad=True).layers(3, 4), (15, 12)),
        (ResNetStem().layers(3, 4), (8, 6)),
    ],
)
def test_sides_that_a_stride_does_not_divide(layer, sides):
    assert counted(layer, (3, 29, 23))[0] == (4, *sides)
