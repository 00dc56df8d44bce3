"""Necks and towers of detectors: a feature pyramid with further levels, and predictions that all levels share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from archspec.errors import FieldError
from blocks.layers.basic.activation import relu
from blocks.layers.basic.conv import conv
from blocks.layers.basic.group_norm import GroupNorm
from blocks.layers.basic.norm import NormKind, norm
from blocks.layers.basic.pool import MaxPool
from blocks.layers.basic.vector import Scale
from blocks.layers.combine import Parts, Sequence
from blocks.layers.construction import Construction, call
from blocks.layers.layer import Layer, Maps, Meter, Value
from blocks.layers.maps import Branches, MapsLayer, MapsSequence, NodeParts, expect_all
from blocks.layers.segmentation.pyramid import FeaturePyramid

ExtraLevel = Literal["pool", "conv_on_input", "conv_on_output"]
Prediction = tuple[str, str, Layer]
"""Name, the tower that it reads, and the layer."""


@final
@dataclass(frozen=True, slots=True)
class Levels(MapsLayer):
    """A feature pyramid and further, coarser levels, each made of the one before: n maps -> n + len(extra) maps.

    Args:
        pyramid: from maps to as many maps.
        extra: layers of the further levels.
        reads_input: whether the first of them reads the pyramid's last input, or its last output.
    """

    pyramid: FeaturePyramid
    extra: tuple[Layer, ...]
    reads_input: bool

    def children(self) -> NodeParts:
        return (("pyramid", self.pyramid), *((f"extra.{i}", layer) for i, layer in enumerate(self.extra)))

    def trace(self, maps: Maps, meter: Meter) -> Maps:
        outs = meter.enter_maps("pyramid", self.pyramid, maps)
        x = (maps if self.reads_input else outs)[-1]
        for i, layer in enumerate(self.extra):
            x = meter.enter(f"extra.{i}", layer, x)
            outs = (*outs, x)
        return outs

    def construction(self) -> Construction:
        return call("blocks.layers.detection.detection_torch:Levels", self.pyramid, list(self.extra), self.reads_input)


@final
@dataclass(frozen=True, slots=True)
class SharedHead(MapsLayer):
    """The same towers, and predictions on them, for every level: maps -> levels x predictions.

    The outputs stand prediction by prediction, finest level first. Params count once, all else level by level.

    Args:
        towers: named layers on each level.
        predictions: what reads them.
        levels: number of maps.
        scaled: the prediction that a learnable number per level multiplies; None for none.
    """

    towers: Parts
    predictions: tuple[Prediction, ...]
    levels: int = 1
    scaled: str | None = None

    def children(self) -> NodeParts:
        towers = tuple((f"towers.{name}", layer) for name, layer in self.towers)
        predictions = tuple((f"predictions.{name}", layer) for name, _, layer in self.predictions)
        scales = tuple((f"scales.{i}", Scale()) for i in range(self.levels)) if self.scaled else ()
        return (*towers, *predictions, *scales)

    def trace(self, maps: Maps, meter: Meter) -> Maps:
        expect_all(maps, self.levels)
        outs = [self._level(maps[0], meter)]
        for x in maps[1:]:
            with meter.again():
                outs.append(self._level(x, meter))
        if self.scaled:
            number = [name for name, _, _ in self.predictions].index(self.scaled)
            for i, out in enumerate(outs):
                out[number] = meter.enter(f"scales.{i}", Scale(), out[number])
        return tuple(value for prediction in zip(*outs, strict=True) for value in prediction)

    def _level(self, x: Value, meter: Meter) -> list[Value]:
        towers = {name: meter.enter(f"towers.{name}", layer, x) for name, layer in self.towers}
        return [meter.enter(f"predictions.{name}", layer, towers[tower]) for name, tower, layer in self.predictions]

    def construction(self) -> Construction:
        return call(
            "blocks.layers.detection.detection_torch:SharedHead",
            dict(self.towers),
            {name: (tower, layer) for name, tower, layer in self.predictions},
            [Scale() for _ in range(self.levels)] if self.scaled else [],
            self.scaled,
        )


def neck(
    widths: tuple[int, ...], width: int, extra: int, how: ExtraLevel, input_norm: NormKind | None
) -> tuple[tuple[str, MapsLayer], ...]:
    """Norms of the incoming maps where wanted, and a feature pyramid without norms and activations.

    Params, without the norms, of n maps of c_i channels with F = `width` and m = `extra`:
    Σ(c_i·F + F) + n(9F² + F), and 9·c_n·F + F + (m - 1)(9F² + F) for `conv_on_input`, m(9F² + F) for `conv_on_output`.

    Args:
        widths: channels of the maps.
        width: channels of every level.
        extra: number of further levels.
        how: what makes them: taking every second position, or 3x3 convolutions of stride 2 that begin on the last
            incoming map or on the last level.
        input_norm: norm of each incoming map; None for none.
    """
    laterals = tuple(conv(each, width) for each in widths)
    pyramid = FeaturePyramid(laterals, tuple(conv(width, width, 3) for _ in widths), "nearest")
    first = widths[-1] if how == "conv_on_input" else width
    further = tuple(
        MaxPool(1, 2) if how == "pool" else conv(width if index else first, width, 3, 2) for index in range(extra)
    )
    levels = ("pyramid", Levels(pyramid, further, how == "conv_on_input"))
    if input_norm is None:
        return (levels,)
    return (("norms", Branches(tuple(norm(input_norm, each) for each in widths))), levels)


def tower(depth: int, width: int, groups: int | None = None) -> Sequence:
    """`depth` 3x3 convolutions, each followed by a ReLU, with F = `width`.

    With a bias: depth·(9F² + F) params; with `groups` without one, but with a group norm before the ReLU:
    depth·(9F² + 2F).
    """
    parts: dict[str, Layer] = {}
    for step in range(1, depth + 1):
        parts[f"conv{step}"] = conv(width, width, 3, bias=groups is None)
        if groups is not None:
            parts[f"norm{step}"] = GroupNorm(width, groups)
        parts[f"act{step}"] = relu()
    return Sequence(tuple(parts.items()))


def detector(neck: tuple[tuple[str, MapsLayer], ...], head: MapsLayer) -> MapsSequence:
    """A neck and what reads its levels, as one layer."""
    return MapsSequence((*neck, ("head", head)))


def expect_divisor(width: int, option: str, number: int) -> None:
    """Refuse an option that does not divide the channels.

    Raises:
        FieldError: names `option`.
    """
    if width % number:
        raise FieldError(option, f"must divide the width {width}, which {number} does not")
