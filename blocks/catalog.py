"""The catalog of parts: every module of this package and its folders, and every entry point of `archspec.blocks`.

There is no registry to edit: a file that defines a final subclass of a kind of `blocks.component` is found by its being
there.
"""

import inspect
import os
import pkgutil
from functools import cache, lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TypeVar

import blocks
from archspec.errors import SpecError
from blocks.component import Block, Downsample, Exchange, Head, MapsHead, Stem

Part = Stem | Block | Downsample | Exchange | Head | MapsHead
KINDS: tuple[type[Part], ...] = (Stem, Block, Downsample, Exchange, Head, MapsHead)
P = TypeVar("P", bound=Part)
GROUP = "archspec.blocks"
MATERIAL = ("layers", "opaque")
"""Folders that hold no parts, but what parts are made of."""


def tag(part: type[Part]) -> str:
    """The YAML tag of a part: the value of its literal `type`."""
    return str(part.model_fields["type"].default)


def parts() -> tuple[type[Part], ...]:
    """All parts, sorted by tag.

    Raises:
        SpecError: see `_by_tag`.
    """
    return tuple(sorted(_by_tag().values(), key=tag))


def find(kind: type[P]) -> tuple[type[P], ...]:
    """All parts of one kind, sorted by tag."""
    return tuple(part for part in parts() if issubclass(part, kind))


def find_part(name: object) -> type[Part] | None:
    """The part with the tag `name`, whatever its case; None where there is none.

    A part of this package is imported alone, unless others are installed, whose tags might be the same.
    """
    if not isinstance(name, str):
        return None
    return _find(name.lower()) or _find_defined(name.lower())


@lru_cache(1024)  # not boundless: what is asked for may be any text
def _find(key: str) -> type[Part] | None:
    own = _parts_of(_alone()[key]) if key in _alone() else []
    return next((part for part in own if tag(part).lower() == key), None) or _by_tag().get(key)


def _find_defined(key: str) -> type[Part] | None:
    """A part of the program that runs, such as a notebook, where a class may be defined again: the last one."""
    classes = [part for kind in KINDS for part in kind.__subclasses__() if not inspect.isabstract(part)]
    return next((part for part in reversed(classes) if tag(part).lower() == key), None)


@cache
def _alone() -> dict[str, str]:
    """The modules of this package by file, each named after the tag of its part; none where there are entry points."""
    return {} if entry_points(group=GROUP) else {name.rpartition(".")[2]: name for name in _modules()}


def _modules() -> list[str]:
    """The modules of this package and of its folders, those that hold what parts are made of apart."""
    found: list[str] = []
    folders = [("blocks.", list(blocks.__path__))]
    for prefix, paths in folders:
        for info in pkgutil.iter_modules(paths):
            if not info.ispkg:
                found.append(f"{prefix}{info.name}")
            elif prefix != "blocks." or info.name not in MATERIAL:
                folders.append((f"{prefix}{info.name}.", [os.path.join(path, info.name) for path in paths]))
    return found


@cache
def _by_tag() -> dict[str, type[Part]]:
    """All parts by their tag in lower case.

    Raises:
        SpecError: two parts share a tag, or an entry point does not name a part.
    """
    found = [part for name in _modules() for part in _parts_of(name)]
    for entry in entry_points(group=GROUP):
        part = entry.load()
        if not (inspect.isclass(part) and issubclass(part, Part)):
            raise SpecError(
                f"entry point {entry.name} must name a Stem, Block, Downsample, Exchange or Head", source=GROUP
            )
        found.append(part)
    by_tag: dict[str, type[Part]] = {}
    for part in found:
        other = by_tag.setdefault(tag(part).lower(), part)
        if other is not part:
            raise SpecError(f"type {tag(part)} is defined by both {other.__module__} and {part.__module__}")
    return by_tag


def _parts_of(module_name: str) -> list[type[Part]]:
    module = import_module(module_name)
    classes = [value for value in vars(module).values() if inspect.isclass(value) and issubclass(value, Part)]
    return [value for value in classes if value.__module__ == module.__name__ and not inspect.isabstract(value)]
