"""The construction of a layer's torch module: a class by name, and its arguments.

The one statement of it serves both who builds the module and who writes it down as code (`archspec.exports.code`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast, final, runtime_checkable

if TYPE_CHECKING:
    from torch import nn


@runtime_checkable
class HasModule(Protocol):
    """A layer, which stands for its module among the arguments of another one's."""

    def module(self) -> nn.Module:
        """The torch module."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Construction:
    """A call that makes a module.

    Attributes:
        factory: `package.module:name` of a class, or of a function that returns a module.
        arguments: by position: plain data, None, layers, and lists, tuples and mappings of them.
        options: by name.
    """

    factory: str
    arguments: tuple[object, ...]
    options: Mapping[str, object]

    def make(self) -> nn.Module:
        """The module, with one of its own for every layer among the arguments."""
        package, _, name = self.factory.partition(":")
        factory = cast("Callable[..., nn.Module]", getattr(import_module(package), name))
        options = {name: _made(value) for name, value in self.options.items()}
        return factory(*map(_made, self.arguments), **options)


def call(factory: str, *arguments: object, **options: object) -> Construction:
    """A construction as it is written: `call("torch.nn:Conv2d", 3, 64, 7, stride=2)`."""
    return Construction(factory, arguments, options)


def call_sequential(parts: tuple[tuple[str, object], ...]) -> Construction:
    """The `nn.Sequential` of named parts."""
    return call("torch.nn:Sequential", OrderedParts(parts))


@final
class OrderedParts(dict[str, object]):
    """Parts by name in order, made to an `OrderedDict`: what `nn.Sequential` takes."""


def _made(value: object) -> Any:
    if isinstance(value, HasModule):
        return value.module()
    if isinstance(value, OrderedParts):
        from collections import OrderedDict

        return OrderedDict((name, _made(one)) for name, one in value.items())
    if isinstance(value, Mapping):
        return {name: _made(one) for name, one in cast("Mapping[Any, object]", value).items()}
    if isinstance(value, list | tuple):
        found = [_made(one) for one in cast("list[object]", value)]
        return tuple(found) if isinstance(value, tuple) else found
    return value
