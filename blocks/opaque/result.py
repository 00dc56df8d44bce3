"""Measurements of a module that is not made of layers; plain data, without torch."""

from dataclasses import dataclass
from typing import final

from blocks.layers.layer import Line, Meter, Shape, Storage, Value


@final
@dataclass(frozen=True, slots=True)
class Measured:
    """The measurement of a module on one map.

    Attributes:
        shape: shape of its output, without the batch.
        lines: params, MACs and activations of its submodules; their paths begin inside the module.
        elements: size of the memory behind the output.
        in_place: whether the output lies in the memory of the input.
        keeps_input: whether backward needs the input.
        keeps_output: whether backward needs the output.
        extra_bytes: what backward needs beside the two, in bytes.
    """

    shape: Shape
    lines: tuple[Line, ...]
    elements: int
    in_place: bool
    keeps_input: bool
    keeps_output: bool
    extra_bytes: int

    def replay(self, x: Value, meter: Meter) -> Value:
        """Record on `meter` what was measured, as if the module had run on `x`."""
        out = x.view(self.shape) if self.in_place else Value(self.shape, Storage(self.elements))
        for line in self.lines:
            meter.record(line)
        keep = ((x,) if self.keeps_input else ()) + ((out,) if self.keeps_output else ())
        return meter.count("opaque", out, keep=keep, extra_bytes=self.extra_bytes)


@final
@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason why a module could not be measured.

    Attributes:
        rule: the rule that was broken.
        uncounted: whether an operator has no counting rule, so that the module itself is at fault and not the map.
    """

    rule: str
    uncounted: bool = False
