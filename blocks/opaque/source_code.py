"""The source files of a module factory, and whether they have changed; without importing it."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from archspec.errors import FieldError

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")
Factory = Callable[..., "nn.Module"]


def reference(factory: Factory | str) -> str:
    """The factory as `module:name`, by which another process finds it.

    Raises:
        FieldError: nothing that can be imported, such as a lambda or a function inside another one.
    """
    if isinstance(factory, str):
        module, colon, name = factory.partition(":")
        if not colon or not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
            raise FieldError("", f"a module factory is written package.module:name, not {factory!r}")
        return factory
    module, name = getattr(factory, "__module__", None), getattr(factory, "__qualname__", None)
    if (
        not (inspect.isroutine(factory) or inspect.isclass(factory))
        or _find(sys.modules.get(str(module)), str(name)) is not factory
    ):
        # What a closure or a partial holds is no part of its code, so its costs could not be told apart.
        rule = "a module factory must be a function or class that can be imported by name; pass values as options"
        raise FieldError("", f"{rule}, not {name or factory!r}")
    return f"{module}:{name}"


def resolve(factory: str) -> Factory:
    """The factory that a reference names; imports its module.

    Raises:
        FieldError: its module has no such name.
    """
    module, _, name = factory.partition(":")
    found = _find(import_module(module), name)
    if not callable(found):
        raise FieldError("", f"{module} has no module factory {name}")
    return cast("Factory", found)


@cache
def source(factory: str) -> Path | None:
    """The file that defines a factory; None where it has none, as in a notebook.

    Raises:
        FieldError: there is no such module.
    """
    module = factory.partition(":")[0]
    try:
        loaded = sys.modules.get(module)
        # Finding a module imports the packages around it, not the module.
        spec = None if loaded else find_spec(module)
    except (ImportError, ValueError) as error:
        raise FieldError("", f"module factory {factory} cannot be imported: {error}") from None
    if loaded is None and spec is None:
        raise FieldError("", f"module factory {factory} cannot be imported: no module named {module!r}")
    file = getattr(loaded, "__file__", None) if loaded else spec and spec.origin
    return Path(file).absolute() if file and Path(file).is_file() else None


@cache
def digest(file: Path) -> str | None:
    """SHA-256 of a file, as it was when this process asked first; None where it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return None


def digests(ran: Iterable[CodeType], classes: Iterable[type]) -> dict[str, str] | None:
    """The files that hold code that ran or that define `classes`, with what they inherit from, and their digests.

    None where a file cannot be read, or no longer holds what ran: it was edited since this process imported it.
    """
    by_file: dict[Path, set[CodeType]] = {}
    for code in ran:
        by_file.setdefault(Path(code.co_filename).absolute(), set()).add(code)
    modules = {base.__module__ for each in classes for base in each.__mro__}
    for name in modules:
        if file := getattr(sys.modules.get(name), "__file__", None):
            by_file.setdefault(Path(file).absolute(), set())
    found = {str(file): digest(file) for file in _own(by_file)}
    if None in found.values() or not all(_holds(file, by_file[file]) for file in _own(by_file)):
        return None
    return cast("dict[str, str]", found)


@cache
def versions() -> dict[str, str]:
    """Versions on which a measurement depends besides: torch, fvcore, and the rules by which archspec measures."""
    out: dict[str, str] = {}
    for name in ("torch", "fvcore"):
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "unknown"
    own = "".join(str(digest(file)) for file in sorted(Path(__file__).parent.glob("*.py")))
    out["rules"] = hashlib.sha256(own.encode()).hexdigest()
    return out


def watch(call: Callable[[], T]) -> tuple[T, set[CodeType]]:
    """The result of `call`, and the functions that ran for it; code that an import runs is left out."""
    ran: set[CodeType] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_name != "<module>":
            ran.add(frame.f_code)

    previous = sys.getprofile()
    sys.setprofile(note)
    try:
        result = call()
    finally:
        sys.setprofile(previous)
    return result, ran


def _own(files: Iterable[Path]) -> list[Path]:
    """The files that exist, but for torch's and those of this package, for which versions stand."""
    apart = {Path(str(getattr(sys.modules.get("torch"), "__file__", ""))).parent, Path(__file__).parent}
    return sorted(file for file in files if apart.isdisjoint(file.parents) and file.is_file())


def _holds(file: Path, ran: set[CodeType]) -> bool:
    try:
        return not ran or ran <= set(_nested(compile(file.read_bytes(), str(file), "exec", dont_inherit=True)))
    except (OSError, SyntaxError, ValueError):
        return False


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _find(module: object, name: str) -> Any:
    for step in name.split("."):
        module = getattr(module, step, None)
    return module
