"""Discovery of configurable parts by their file, or by entry point; there is no registry to edit."""

from __future__ import annotations

import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from archspec.documents.paths import format_path, suggest
from archspec.errors import FieldError, SpecError

M = TypeVar("M", bound=BaseModel)


def tags(package: str, group: str) -> list[str]:
    """Tags of all parts: module names of `package` and entry points of `group`."""
    own = {module.name for module in pkgutil.iter_modules(import_module(package).__path__)}
    return sorted(own | {entry.name for entry in _entries(group)})


def find_class(tag: str, base: type[M], package: str, group: str) -> type[M]:
    """The final subclass of `base` behind a tag.

    Raises:
        FieldError: there is none, or the entry point does not name one.
    """
    known = tags(package, group)
    noun = base.__name__.lower()
    own = [kind for kind in base.__subclasses__() if kind.model_fields["type"].default == tag]
    if own and tag not in known:
        return own[-1]  # a class of the program that runs, such as a notebook, where it may be defined again
    if tag not in known:
        hint = suggest(tag, known) or f" (known: {', '.join(known)})"
        raise FieldError("type", f"unknown {noun} {tag!r:.60}{hint}")
    entry = next((entry for entry in _entries(group) if entry.name == tag), None)
    if entry is not None:
        part = entry.load()
        if not (inspect.isclass(part) and issubclass(part, base)):
            raise FieldError("type", f"entry point {tag} of {group} must name a subclass of {base.__name__}")
        return part
    module = import_module(f"{package}.{tag}")
    classes = [value for value in vars(module).values() if inspect.isclass(value) and issubclass(value, base)]
    return next(value for value in classes if value.__module__ == module.__name__)


def missing_package(name: str, packages: Mapping[str, str]) -> str:
    """The rule that a part breaks which needs a package that is not installed; empty where all are.

    Args:
        name: of the part.
        packages: modules that it needs, each with what pip installs it by.
    """
    lacking = next((module for module in packages if find_spec(module) is None), None)
    return f"{name} needs the package {lacking}: pip install '{packages[lacking]}'" if lacking else ""


def check_portable(value: Any, workers: int) -> None:
    """Refuse a function or class that other processes cannot import.

    Raises:
        SpecError: it is not defined at the top level of a module or script, or is bound to an object.
    """
    module, name = getattr(value, "__module__", ""), getattr(value, "__qualname__", "")
    home = sys.modules.get(module)
    reachable = getattr(home, name, None) is value and (module != "__main__" or hasattr(home, "__file__"))
    if not reachable:
        rule = f"must be 1, not {workers}: {name or value!r:.60} is not at the top level of a module, so only this"
        raise SpecError(f"{rule} process has it", field="workers")


@cache
def _entries(group: str) -> tuple[EntryPoint, ...]:
    """The entry points of a group; finding them reads the metadata of every package that is installed."""
    return tuple(entry_points(group=group))


def parse_config(raw: object, noun: str, find: Callable[[str], type[M]]) -> M:
    """A part from its tag, from a mapping with `type`, or from itself.

    Raises:
        FieldError: the first field that breaks a rule, with the value given.
    """
    given = {"type": raw} if isinstance(raw, str) else raw
    if isinstance(given, BaseModel):
        return cast("M", given)
    if not isinstance(given, Mapping):
        raise FieldError("", f"must be the name of the {noun} or a mapping with its type, not {raw!r:.40}")
    options = cast("Mapping[str, object]", given)
    tag = options.get("type")
    if not isinstance(tag, str):
        has = ", ".join(str(key) for key in list(options)[:6])
        raise FieldError("type", f"the {noun} needs its name, type: NAME" + (f"; it has {has}" if has else ""))
    kind = find(tag)
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        raise first_problem(error, kind) from None


def first_problem(error: ValidationError, kind: type[BaseModel]) -> FieldError:
    """The first problem of a validation as field and rule."""
    first = error.errors(include_url=False)[0]
    cause = first.get("ctx", {}).get("error")
    name = format_path(first["loc"])
    if isinstance(cause, FieldError):
        return FieldError(".".join(part for part in (name, cause.field) if part), cause.rule)
    if first["type"] == "extra_forbidden":
        hint = suggest(name, kind.model_fields) if len(first["loc"]) == 1 else ""  # fields of `kind`, not of its parts
        return FieldError(name, f"unknown field{hint}")
    if first["type"] == "missing":
        return FieldError(name, "is required")
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    message = message.replace("String should match pattern", "text that matches")
    message = re.sub(r"^(String|Tuple|List|Dictionary) should have", "one with", message)
    return FieldError(name, f"must be {message}, not {first['input']!r:.40}")
