"""A map to which taps of other maps are added, whatever their sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from archspec.errors import FieldError
from blocks.layers.basic.resize import ResizeLike
from blocks.layers.construction import Construction, call
from blocks.layers.layer import Layer, Maps, Meter, Value
from blocks.layers.maps import MapsReader, NodeParts, expect


@final
@dataclass(frozen=True, slots=True)
class Tapped(MapsReader):
    """One map plus taps, each a layer on another map, resized bilinearly to the first one's size.

    Unlike `Fuse`, whose paths know by how much the sizes differ, a tap works between maps of any sizes, equal ones
    among them: a pathway may run beside a plain ViT, whose maps all have one size, as beside a pyramid.

    Args:
        own: index of the map.
        taps: index of another map, and the layer from it to the width of `own`.
    """

    own: int
    taps: tuple[tuple[int, Layer], ...]

    def children(self) -> NodeParts:
        taps = tuple((f"taps.{index}", tap) for index, tap in self.taps)
        return (*taps, *((f"resizes.{index}", ResizeLike()) for index, _ in self.taps))

    def trace(self, maps: Maps, meter: Meter) -> Value:
        expect(maps, max(self.own, *(index for index, _ in self.taps)) + 1)
        own = maps[self.own]
        for index, tap in self.taps:
            out = meter.enter(f"taps.{index}", tap, maps[index])
            out = meter.enter_maps(f"resizes.{index}", ResizeLike(), (out, own))
            if out.shape != own.shape:
                raise FieldError("", f"a tap of shape {out.shape} cannot be added to a map of shape {own.shape}")
        return meter.count("add", Value.new(own.shape))

    def construction(self) -> Construction:
        return call(
            "blocks.layers.units.pathway_torch:Tapped",
            self.own,
            {index: (tap, ResizeLike()) for index, tap in self.taps},
        )
