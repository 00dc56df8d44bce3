"""A linear map of the channels that is a Kronecker product of two small ones, with an activation in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from blocks.layers.basic.activation import gelu
from blocks.layers.basic.linear import Linear
from blocks.layers.combine import Parts
from blocks.layers.construction import Construction, call
from blocks.layers.layer import Layer, Meter, Value


@final
@dataclass(frozen=True, slots=True)
class Kronecker(Layer):
    """Kronecker-style projection: (C, H, W) -> (C, H, W), with C = `rows`·`columns`.

    The channels of a position, as a matrix of `rows` x `columns` written row by row: a linear map of every row, GELU,
    a linear map of every column. C·(rows + columns) multiply-adds per position instead of C².

    Source: HRViT section 3.2, the diversity-enhanced shortcut.
    """

    rows: int
    columns: int

    @property
    def kind(self) -> str:
        return "kronecker"

    def children(self) -> Parts:
        return (
            ("rows", Linear(self.columns, self.columns)),
            ("act", gelu()),
            ("columns", Linear(self.rows, self.rows)),
        )

    def trace(self, x: Value, meter: Meter) -> Value:
        parts = dict(self.children())
        _, height, width = x.shape
        out = meter.enter("rows", parts["rows"], Value.new((self.columns, self.rows * height, width)))
        meter.enter("act", parts["act"], out)
        meter.enter("columns", parts["columns"], Value.new((self.rows, self.columns * height, width)))
        return meter.count("turn", Value.new(x.shape))

    def construction(self) -> Construction:
        return call("blocks.layers.units.kronecker_torch:Kronecker", dict(self.children()), self.rows, self.columns)

    def tails(self) -> tuple[str, ...]:
        return ("columns",)

    @property
    def apart(self) -> str:
        # Channel c is row c // columns and column c % columns: with other columns it is another row of another factor.
        return f"columns={self.columns}"


def kronecker_shape(width: int) -> tuple[int, int]:
    """Rows and columns of the matrix that HRViT makes of `width` channels: columns are a power of two, rows the rest.

    Raises:
        ValueError: the power of two does not divide `width`.
    """
    exponent = width.bit_length() - 1
    columns = 1 << (exponent - exponent // 2)
    if width % columns:
        raise ValueError(f"width {width} must be divisible by {columns}: its channels are seen as rows of {columns}")
    return width // columns, columns
