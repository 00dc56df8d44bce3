"""Accumulation of maps from fine to coarse, as HRNet's classifier does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from archspec.errors import FieldError
from blocks.layers.construction import Construction, call
from blocks.layers.layer import Layer, Maps, Meter, Value
from blocks.layers.maps import MapsReader, NodeParts, expect_all


@final
@dataclass(frozen=True, slots=True)
class Accumulate(MapsReader):
    """y, which begins as branch 0 and becomes branch i + down_i(y): maps of falling size -> the smallest size.

    Args:
        branches: a layer on each map.
        downs: from the sum so far to the shape of the next branch; one fewer than branches.
    """

    branches: tuple[Layer, ...]
    downs: tuple[Layer, ...]

    def children(self) -> NodeParts:
        branches = tuple((f"branches.{index}", branch) for index, branch in enumerate(self.branches))
        downs = tuple((f"downs.{index}", down) for index, down in enumerate(self.downs))
        return (*branches, *downs)

    def trace(self, maps: Maps, meter: Meter) -> Value:
        expect_all(maps, len(self.branches))
        branches = [
            meter.enter(f"branches.{index}", branch, x)
            for index, (branch, x) in enumerate(zip(self.branches, maps, strict=True))
        ]
        y = branches[0]
        for index, (down, branch) in enumerate(zip(self.downs, branches[1:], strict=True)):
            step = meter.enter(f"downs.{index}", down, y)
            if step.shape != branch.shape:
                rule = f"map {index} becomes {step.shape}, which cannot be added to map {index + 1} of {branch.shape}"
                raise FieldError("", rule)
            y = Value.new(branch.shape)
        return meter.count("add", y)

    def construction(self) -> Construction:
        return call("blocks.layers.accumulate_torch:Accumulate", list(self.branches), list(self.downs))
