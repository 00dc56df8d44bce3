"""Terms: what a network's constructor calls, as data that can be compared, abstracted and printed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Literal, cast, final

from archspec.errors import FieldError
from blocks.layers.construction import Construction, HasModule, OrderedParts
from blocks.layers.layer import Layer
from blocks.layers.maps import MapsLayer, MapsReader, Node

Kind = Literal["call", "sequential", "ordered", "list", "tuple", "mapping", "constant", "code", "run"]
SEQUENTIAL = "torch.nn:Sequential"


@final
@dataclass(frozen=True, slots=True)
class CodeTerm:
    """An expression of Python.

    Attributes:
        kind: of the expression; `ordered` is a dictionary that keeps its order, `run` a loop over calls, and `code` a
            name, or text that is printed as it is.
        label: of a call the factory, then the parameters that it is given; of `sequential`, `ordered` and `mapping`
            the keys; of a constant the name of its type.
        parts: the arguments, or the elements.
        value: of a constant, the text of code, or the `Run`.
    """

    kind: Kind
    label: tuple[object, ...] = ()
    parts: tuple[CodeTerm, ...] = ()
    value: object = None

    @property
    def factory(self) -> str:
        """The callee of a call or a sequence, as `package.module:name`."""
        return SEQUENTIAL if self.kind == "sequential" else str(self.label[0])


def constant(value: object) -> CodeTerm:
    """A term of a number, a text, a truth value or None."""
    return CodeTerm("constant", (type(value).__name__,), (), value)


def code(text: str) -> CodeTerm:
    """A term that is printed as it is."""
    return CodeTerm("code", (), (), text)


def term_of(value: object) -> CodeTerm:
    """The term that makes a value of a construction.

    Raises:
        FieldError: a layer builds its module without a statement of how.
    """
    if isinstance(value, HasModule):
        return term_of_call(construction_of(cast("Node", value)))
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value)
        return CodeTerm("mapping", tuple(pairs), tuple(map(term_of, pairs.values())))
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return CodeTerm(kind, (), tuple(map(term_of, cast("list[object]", value))))
    return constant(value)


def construction_of(layer: Node) -> Construction:
    """The construction of a layer's module.

    Raises:
        FieldError: the layer does not say.
    """
    kind = type(layer)
    if kind.construction in (Layer.construction, MapsLayer.construction, MapsReader.construction):
        rule = "cannot be written as code: it overrides `module` where it should state `construction`"
        raise FieldError("", f"layer {kind.__module__}.{kind.__name__} {rule}")
    return layer.construction()


def term_of_call(made: Construction) -> CodeTerm:
    """The term of a construction, its arguments by the names of the parameters."""
    if made.factory == SEQUENTIAL and len(made.arguments) == 1 and isinstance(made.arguments[0], OrderedParts):
        parts = made.arguments[0]
        return CodeTerm("sequential", tuple(parts), tuple(map(term_of, parts.values())))
    given = signature(made.factory).bind(*made.arguments, **made.options).arguments
    return CodeTerm("call", (made.factory, *given), tuple(map(term_of, given.values())))


@cache
def signature(factory: str) -> inspect.Signature:
    """The parameters of a class or function that makes a module."""
    return inspect.signature(find(factory))


def find(factory: str) -> Callable[..., Any]:
    """The class or function called `package.module:name`."""
    module, _, name = factory.partition(":")
    return getattr(import_module(module), name)


def leaves(term: CodeTerm, owner: str = "") -> Iterator[tuple[str, CodeTerm]]:
    """Every constant inside a term in order, with the name of the parameter that takes it, or of the nearest one."""
    if term.kind in ("constant", "code"):
        yield owner, term
    names = term.label[1:] if term.kind == "call" else (owner,) * len(term.parts)
    for name, part in zip(names, term.parts, strict=True):
        yield from leaves(part, str(name))


def skeleton(term: CodeTerm) -> object:
    """A term without the values of its constants: two terms of one class of modules have it in common."""
    return (term.kind, term.label, tuple(map(skeleton, term.parts)))


def with_leaves(term: CodeTerm, replaced: Iterator[CodeTerm]) -> CodeTerm:
    """A term whose constants are replaced, in the order of `leaves`."""
    if term.kind in ("constant", "code"):
        return next(replaced)
    return CodeTerm(term.kind, term.label, tuple(with_leaves(part, replaced) for part in term.parts), term.value)
