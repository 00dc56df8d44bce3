"""A module that is not made of layers: built, run and counted once, then known from a cache."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from archspec.errors import FieldError
from blocks.layers.construction import Construction
from blocks.layers.layer import Layer, Meter, Value
from blocks.opaque.lookup import Option, Options, answer
from blocks.opaque.source_code import reference, resolve

if TYPE_CHECKING:
    from torch import nn


@final
@dataclass(frozen=True, slots=True)
class Opaque(Layer):
    """The module that a factory makes: (C, H, W) -> what the module gives.

    Its cost at a shape is measured: fvcore counts MACs and activations of every submodule, autograd tells the bytes
    kept for backward (of a contiguous map in float32, on CPU). The result is kept on disk under the hash of
    the factory, its options, the shape, the bytes of the code that ran, and the versions of torch and fvcore; not
    seen are constants of other modules, compiled extensions and data files. See `blocks.opaque.disk_cache.folder`.

    The module initialises itself and is never initialised again. What its weights start from is its own business, so
    `zero_init_residual` does not reach inside.

    Attributes:
        factory: `package.module:name` of a function or class that returns the module.
        options: what it is called with.
    """

    factory: str
    options: Options = ()

    @property
    def kind(self) -> str:
        return "opaque"

    def trace(self, x: Value, meter: Meter) -> Value:
        return answer(self.factory, self.options, x.shape, training=meter.training).replay(x, meter)

    def construction(self) -> Construction:
        return Construction(self.factory, (), dict(self.options))

    def module(self) -> nn.Module:
        import torch

        # Weights and buffers that the module computes for itself must be real, even where the network is a sketch.
        with torch.device("cpu"):
            return resolve(self.factory)(**dict(self.options))


def opaque(factory: Callable[..., nn.Module] | str, /, **options: Option) -> Opaque:
    """The layer of the module that `factory(**options)` returns.

    Args:
        factory: a function or class that can be imported, or its `package.module:name`; with a name, reading a spec
            imports neither the module nor torch.
        options: numbers, strings, booleans, None, and tuples of them.

    Raises:
        FieldError: a factory that cannot be imported by name, or an option of another kind.
    """
    for name, value in options.items():
        if not _is_option(value):
            raise FieldError("", f"option {name} of a module factory must be plain data, not {value!r}")
    return Opaque(reference(factory), tuple(options.items()))


def _is_option(value: object) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_option, value))
    return value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value))
