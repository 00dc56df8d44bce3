"""Layers on several maps of one image: branches side by side, and what exchanges between them.

A network of parallel branches keeps maps of several resolutions, finest first. Three kinds of layers work on them: a
`Layer` on each map alone (`Branches`), a `MapsLayer` from maps to maps, and a `MapsReader` from maps to one value, such
as one output of an exchange unit or a head. Their modules take a list of tensors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, final

from archspec.errors import FieldError
from blocks.layers.combine import expect_cover
from blocks.layers.construction import Construction, call, call_sequential
from blocks.layers.layer import Layer, Maps, Meter, Value

if TYPE_CHECKING:
    from torch import nn


class MapsLayer(ABC):
    """A layer from several maps to several maps. Subclasses are frozen dataclasses; see `Layer` for the methods."""

    @abstractmethod
    def trace(self, maps: Maps, meter: Meter) -> Maps:
        """Shape and cost rule.

        Raises:
            FieldError: the number of maps or a shape does not fit.
        """

    def construction(self) -> Construction:
        """The call that makes the torch module: see `Layer.construction`."""
        raise NotImplementedError(type(self).__name__)

    def module(self) -> nn.Module:
        """The torch module: list of (N, C_i, H_i, W_i) -> list of maps."""
        return self.construction().make()

    @abstractmethod
    def children(self) -> NodeParts:
        """The layers that this one is made of, by the name of their submodule."""


class MapsReader(ABC):
    """A layer from several maps to one value. Subclasses are frozen dataclasses; see `Layer` for the methods."""

    @abstractmethod
    def trace(self, maps: Maps, meter: Meter) -> Value:
        """Shape and cost rule.

        Raises:
            FieldError: the number of maps or a shape does not fit.
        """

    def construction(self) -> Construction:
        """The call that makes the torch module: see `Layer.construction`."""
        raise NotImplementedError(type(self).__name__)

    def module(self) -> nn.Module:
        """The torch module: list of (N, C_i, H_i, W_i) -> one tensor."""
        return self.construction().make()

    @abstractmethod
    def children(self) -> NodeParts:
        """The layers that this one is made of, by the name of their submodule."""


Node = Layer | MapsLayer | MapsReader
"""Any node of a layer tree."""
NodeParts = tuple[tuple[str, Node], ...]


@final
@dataclass(frozen=True, slots=True)
class Branches(MapsLayer):
    """A layer per output: output i is branch i of map `sources[i]` (of map i where not given).

    Args:
        branches: the layers; None passes the map on.
        sources: the map that each of them reads.
    """

    branches: tuple[Layer | None, ...]
    sources: tuple[int, ...] | None = None

    @property
    def reads(self) -> tuple[int, ...]:
        """The map that each branch reads."""
        return tuple(range(len(self.branches))) if self.sources is None else self.sources

    def children(self) -> NodeParts:
        return tuple((str(index), branch) for index, branch in enumerate(self.branches) if branch is not None)

    def trace(self, maps: Maps, meter: Meter) -> Maps:
        expect(maps, max(self.reads) + 1)
        pairs = zip(self.branches, self.reads, strict=True)
        return tuple(
            maps[source] if branch is None else meter.enter(str(index), branch, maps[source])
            for index, (branch, source) in enumerate(pairs)
        )

    def construction(self) -> Construction:
        return call("blocks.layers.maps_torch:Branches", list(self.branches), self.reads)


@final
@dataclass(frozen=True, slots=True)
class FusedMap(MapsReader):
    """One output of an exchange unit: act(sum of paths), a path being a layer on one of the maps.

    The first path gives the shape; what later ones give beyond it is cropped at the far edge, as where a map of an odd
    side was halved and is repeated to twice that.

    Args:
        paths: index of a map and the layer on it; None is the identity.
        act: what follows the sum; None for nothing.
    """

    paths: tuple[tuple[int, Layer | None], ...]
    act: Layer | None = None

    def children(self) -> NodeParts:
        paths = tuple((str(index), path) for index, path in self.paths if path is not None)
        return paths if self.act is None else (*paths, ("act", self.act))

    def trace(self, maps: Maps, meter: Meter) -> Value:
        expect(maps, max(index for index, _ in self.paths) + 1)
        outs = [
            maps[index] if path is None else meter.enter(str(index), path, maps[index]) for index, path in self.paths
        ]
        total = outs[0]
        for (index, _), out in zip(self.paths[1:], outs[1:], strict=True):
            expect_cover(f"path {index}", out.shape, total.shape)
        if len(outs) > 1:
            total = meter.count("add", Value.new(total.shape))
        return total if self.act is None else meter.enter("act", self.act, total)

    def construction(self) -> Construction:
        return call("blocks.layers.maps_torch:FusedMap", list(self.paths), self.act)


@final
@dataclass(frozen=True, slots=True)
class Gather(MapsLayer):
    """Outputs that each read all maps, named by their number: an exchange unit of `FusedMap`s.

    Args:
        outputs: what each of them is made of.
        halving: refuse maps of which one is not half as large as the one before.
    """

    outputs: tuple[MapsReader, ...]
    halving: bool = False

    def children(self) -> NodeParts:
        return tuple((str(index), output) for index, output in enumerate(self.outputs))

    def trace(self, maps: Maps, meter: Meter) -> Maps:
        for index, (one, other) in enumerate(pairwise(maps) if self.halving else ()):
            if other.shape[1:] != tuple((side + 1) // 2 for side in one.shape[1:]):
                sizes = [f"map {index + i} of {x.shape[1]}x{x.shape[2]}" for i, x in enumerate((one, other))]
                raise FieldError("", f"{sizes[1]} must be half as large as {sizes[0]}")
        return tuple(meter.enter_maps(str(index), output, maps) for index, output in enumerate(self.outputs))

    def construction(self) -> Construction:
        return call("blocks.layers.maps_torch:Gather", list(self.outputs))


@final
@dataclass(frozen=True, slots=True)
class MapsSequence(MapsLayer):
    """Named layers from maps to maps, one after the other."""

    parts: tuple[tuple[str, MapsLayer], ...]

    def children(self) -> NodeParts:
        return self.parts

    def trace(self, maps: Maps, meter: Meter) -> Maps:
        for name, part in self.parts:
            maps = meter.enter_maps(name, part, maps)
        return maps

    def construction(self) -> Construction:
        return call_sequential(self.parts)


def entering(layer: MapsLayer | MapsReader, meter: Meter) -> Callable[..., Value]:
    """The trace of a child of `layer` by its name, on one value, or on several where it is a `MapsReader`."""
    parts = dict(layer.children())

    def enter(name: str, *values: Value) -> Value:
        part = parts[name]
        if isinstance(part, Layer):
            return meter.enter(name, part, *values)
        assert isinstance(part, MapsReader)
        return meter.enter_maps(name, part, values)

    return enter


def expect_all(maps: Maps, count: int) -> None:
    """Refuse more or fewer than `count` maps.

    Raises:
        FieldError: there are not so many.
    """
    if len(maps) != count:
        raise FieldError("", f"reads {count} maps, not {len(maps)}")


def expect(maps: Maps, count: int) -> None:
    """Refuse fewer than `count` maps.

    Raises:
        FieldError: so many are not there.
    """
    if len(maps) < count:
        raise FieldError("", f"needs {count} maps, but there are {len(maps)}")
