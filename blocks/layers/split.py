"""The combinator that sends groups of channels through layers of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from archspec.errors import FieldError
from blocks.layers.combine import Parts, prefix
from blocks.layers.construction import Construction, call
from blocks.layers.layer import Layer, Meter, Value


@final
@dataclass(frozen=True, slots=True)
class Split(Layer):
    """Named branches, each on its own channels of the input, concatenated: (C, H, W) -> (C', H', W').

    Args:
        branches: a layer per group of channels; all give maps of one size.
        widths: channels of each group, in order; together all of the input's.
    """

    branches: Parts
    widths: tuple[int, ...]

    @property
    def kind(self) -> str:
        return "split"

    def children(self) -> Parts:
        return self.branches

    def trace(self, x: Value, meter: Meter) -> Value:
        if sum(self.widths) != x.shape[0]:
            groups = " + ".join(map(str, self.widths))
            raise FieldError("", f"groups of {groups} channels do not make up a map of shape {x.shape}")
        pairs = zip(self.branches, self.widths, strict=True)
        outs = [meter.enter(name, branch, x.view((width, *x.shape[1:]))) for (name, branch), width in pairs]
        size = outs[0].shape[1:]
        for (name, _), out in zip(self.branches, outs, strict=True):
            if out.shape[1:] != size:
                raise FieldError("", f"branch {name} of shape {out.shape} cannot stand beside one of {outs[0].shape}")
        return meter.count("cat", Value.new((sum(out.shape[0] for out in outs), *size)))

    def construction(self) -> Construction:
        return call("blocks.layers.split_torch:Split", dict(self.branches), self.widths)

    def tails(self) -> tuple[str, ...]:
        return tuple(tail for name, branch in self.branches for tail in prefix(name, branch.tails()))


def split(widths: tuple[int, ...], **branches: Layer) -> Split:
    """Named branches on groups of `widths` channels."""
    return Split(tuple(branches.items()), widths)
