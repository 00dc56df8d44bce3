"""Combinators: layers made of layers, in sequence, as a sum of branches, or around a shortcut."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import final

from archspec.errors import FieldError
from blocks.layers.construction import Construction, call, call_sequential
from blocks.layers.layer import FLOAT_BYTES, Layer, Meter, Shape, Value

Parts = tuple[tuple[str, Layer], ...]


def prefix(name: str, tails: tuple[str, ...]) -> tuple[str, ...]:
    """The dotted names of `tails` seen from one level up."""
    return tuple(f"{name}.{tail}" if tail else name for tail in tails)


@final
@dataclass(frozen=True, slots=True)
class Sequence(Layer):
    """Named parts, one after the other; where it `keeps_shape`, so must each of them."""

    parts: Parts
    keeps_shape: bool = False

    @property
    def kind(self) -> str:
        return "seq"

    def children(self) -> Parts:
        return self.parts

    def trace(self, x: Value, meter: Meter) -> Value:
        for name, part in self.parts:
            out = meter.enter(name, part, x)
            if self.keeps_shape and out.shape != x.shape:
                raise FieldError("", f"block {name} must keep the shape {x.shape}, not give {out.shape}")
            x = out
        return x

    def construction(self) -> Construction:
        return call_sequential(self.parts)

    def tails(self) -> tuple[str, ...]:
        for name, part in reversed(self.parts):
            if tails := part.tails():
                return prefix(name, tails)
        return ()


@final
@dataclass(frozen=True, slots=True)
class Sum(Layer):
    """Named branches of the same input, added; maps larger than the first branch's are cropped at the far edge."""

    branches: Parts

    @property
    def kind(self) -> str:
        return "sum"

    def children(self) -> Parts:
        return self.branches

    def trace(self, x: Value, meter: Meter) -> Value:
        outs = [meter.enter(name, branch, x) for name, branch in self.branches]
        first = outs[0].shape
        for (name, _), out in zip(self.branches, outs, strict=True):
            expect_cover(f"branch {name}", out.shape, first)
        return meter.count("add", Value.new(first))

    def construction(self) -> Construction:
        return call("blocks.layers.combine_torch:Sum", dict(self.branches))

    def tails(self) -> tuple[str, ...]:
        return tuple(tail for name, branch in self.branches for tail in prefix(name, branch.tails()))


@final
@dataclass(frozen=True, slots=True)
class Residual(Layer):
    """shortcut(x) + drop_path(scale · body(x)).

    Args:
        body: the residual branch; keeps the shape, unless there is a shortcut.
        drop_path: probability that training drops the branch for an image (stochastic depth).
        scale: initial value of a learnable factor per channel (LayerScale), or None for no factor.
        width: channels, needed with `scale`.
        shortcut: a projection to the shape of the body's output, or None for x itself.
    """

    body: Layer
    drop_path: float = 0.0
    scale: float | None = None
    width: int = 0
    shortcut: Layer | None = None

    @property
    def kind(self) -> str:
        return "residual"

    def children(self) -> Parts:
        return (("body", self.body),) if self.shortcut is None else (("body", self.body), ("shortcut", self.shortcut))

    def trace(self, x: Value, meter: Meter) -> Value:
        out = meter.enter("body", self.body, x)
        if self.shortcut is not None:
            x = meter.enter("shortcut", self.shortcut, x)
        if out.shape != x.shape:
            what = "must keep the shape" if self.shortcut is None else "must have its shortcut's shape"
            raise FieldError("", f"a residual branch {what} {x.shape}, not give {out.shape}")
        if self.scale is not None:
            out = meter.count("mul", Value.new(x.shape), params=self.width, keep=(out,))
        # The mask of stochastic depth is one number per image.
        return meter.count("add", Value.new(x.shape), extra_bytes=FLOAT_BYTES if self.drop_path else 0)

    def construction(self) -> Construction:
        arguments = (self.body, self.drop_path, self.scale, self.width, self.shortcut)
        return call("blocks.layers.combine_torch:Residual", *arguments)

    def tails(self) -> tuple[str, ...]:
        return prefix("body", self.body.tails())


def expect_cover(name: str, shape: Shape, first: Shape) -> None:
    """Refuse to add what cannot be cropped to the first summand's shape.

    Raises:
        FieldError: `shape` has other channels than `first`, or a shorter side.
    """
    fits = len(shape) == len(first) and shape[0] == first[0]
    if not fits or any(a < b for a, b in zip(shape, first, strict=True)):
        raise FieldError("", f"{name} of shape {shape} cannot be added to one of shape {first}")


def seq(*layers: Layer) -> Sequence:
    """Layers in sequence, named after their kind, numbered from 1 where a kind occurs more than once."""
    totals = Counter(layer.kind for layer in layers)
    seen: Counter[str] = Counter()
    parts: list[tuple[str, Layer]] = []
    for layer in layers:
        seen[layer.kind] += 1
        number = str(seen[layer.kind]) if totals[layer.kind] > 1 else ""
        parts.append((layer.kind + number, layer))
    return Sequence(tuple(parts))


def add(**branches: Layer) -> Sum:
    """The sum of named branches; the first gives the shape."""
    return Sum(tuple(branches.items()))


def chain(**parts: Layer) -> Sequence:
    """Layers in sequence under names of your own."""
    return Sequence(tuple(parts.items()))


def residual(
    body: Layer,
    drop_path: float | None = None,
    *,
    scale: float | None = None,
    width: int = 0,
    shortcut: Layer | None = None,
) -> Residual:
    """A shortcut around `body`; see `Residual`."""
    return Residual(body, drop_path or 0.0, scale, width, shortcut)
