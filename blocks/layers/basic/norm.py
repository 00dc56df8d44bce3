"""Batch norm and layer norm over the channels of a map."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal, final

from blocks.layers.construction import Construction, call
from blocks.layers.layer import FLOAT_BYTES, Layer, Meter, Partition, Value

NormKind = Literal["bn", "ln"]


@final
@dataclass(frozen=True, slots=True)
class BatchNorm(Layer):
    """Batch norm with affine: (C, H, W) -> (C, H, W). fvcore counts 2 per element in eval, 5 in training.

    With `zero` its weight begins at 0 instead of 1, so that a residual branch that ends in it begins at nothing.
    """

    width: int
    zero: bool = False

    @property
    def kind(self) -> str:
        return "norm"

    def trace(self, x: Value, meter: Meter) -> Value:
        rate = 5 if meter.training else 2
        return meter.count(
            "batch_norm",
            Value.new(x.shape),
            params=2 * self.width,
            macs=rate * prod(x.shape),
            keep=(x,),
            extra_bytes=2 * self.width * FLOAT_BYTES,
        )

    def construction(self) -> Construction:
        kind = "blocks.layers.basic.norm_torch:ZeroBatchNorm2d" if self.zero else "torch.nn:BatchNorm2d"
        return call(kind, self.width)

    def tails(self) -> tuple[str, ...]:
        return ("",)


@final
@dataclass(frozen=True, slots=True)
class LayerNorm(Layer):
    """Layer norm with affine over the channels at each position, or of a vector: shape kept. 5 per element.

    `parts` says what equal parts its channels are made of, where they are several tensors in one.
    """

    width: int
    eps: float = 1e-6
    parts: Partition = ()

    @property
    def kind(self) -> str:
        return "norm"

    def trace(self, x: Value, meter: Meter) -> Value:
        positions = prod(x.shape[1:])
        return meter.count(
            "layer_norm",
            Value.new(x.shape),
            params=2 * self.width,
            macs=5 * prod(x.shape),
            keep=(x,),
            extra_bytes=2 * positions * FLOAT_BYTES,
        )

    def construction(self) -> Construction:
        return call("blocks.layers.basic.norm_torch:LayerNorm2d", self.width, self.eps)

    def tails(self) -> tuple[str, ...]:
        return ("",)

    def partitions(self) -> dict[str, tuple[Partition, ...]]:
        return {"weight": (self.parts,), "bias": (self.parts,)}


def norm(kind: NormKind, width: int) -> Layer:
    """The norm layer called `kind`."""
    return BatchNorm(width) if kind == "bn" else LayerNorm(width)


def batch_norm(width: int) -> BatchNorm:
    """Batch norm over `width` channels."""
    return BatchNorm(width)


def layer_norm(width: int, eps: float = 1e-6, *, parts: Partition = ()) -> LayerNorm:
    """Layer norm over `width` channels; `eps` is added to the variance."""
    return LayerNorm(width, eps, parts)
