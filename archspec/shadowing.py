"""Shadowing: a module of the user's that hides one of archspec's own packages, whose names are plain words."""

from __future__ import annotations

import sys
from os.path import basename, dirname, samefile, splitext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

PACKAGES = ("blocks", "search", "reports")
"""What is installed beside `archspec`."""


def check_packages() -> None:
    """Check that Python finds archspec's own packages under their names; none is imported (0.2 ms).

    Raises:
        ShadowedError: Python finds something else, or has imported it already.
    """
    hidden = {name: place for name in PACKAGES if (place := _other(name))}
    if hidden:
        from archspec.errors import ShadowedError

        raise ShadowedError(hidden)


def is_command() -> bool:
    """Whether this process runs `archspec` or `python -m archspec`, which print errors without a traceback."""
    script = sys.argv[0] if sys.argv else ""
    if script == "-m":  # what Python says until it has found the module, whose package it imports to that end
        return bool({"archspec", "-marchspec"} & set(sys.orig_argv))
    return splitext(basename(script))[0] == "archspec"


def _other(name: str) -> str:
    """Where `import name` leads, unless to our package or nowhere."""
    spec = _find(name)
    if spec is None:
        return "a module without a file" if name in sys.modules else ""
    folders = list(spec.submodule_search_locations or ())
    place = folders[0] if folders else spec.origin or "a module without a file"
    # A folder without __init__.py has no origin; it is found only where no package of the name is found first.
    ours = bool(folders and spec.origin) and _same(dirname(place), dirname(dirname(__file__)))
    return "" if ours else place


def _find(name: str) -> ModuleSpec | None:
    if name in sys.modules:
        return getattr(sys.modules[name], "__spec__", None)
    return next((spec for finder in sys.meta_path if (spec := finder.find_spec(name, None))), None)


def _same(one: str, other: str) -> bool:
    try:
        return one == other or samefile(one, other)
    except OSError:
        return False
