"""The code that runs: archspec's version and digest, and those of the packages that add parts to it.

A run records it, and every worker compares its own with what the run was started with, so that code which changes
between the submission of a training and its start is told at once.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from archspec import __version__
from archspec.files.output import write_text
from search.inputs import OWN_PACKAGES, digest_file

INSTALLATION = "installation.json"
"""File of a run that holds what its last start found."""
UNUSED = frozenset({"reports"})
"""Packages of archspec that no worker uses; neither does one use the command line."""
SUFFIXES = (".py", ".yaml", ".csv")
PREFIX = "archspec."
"""Beginning of the groups of entry points by which packages add parts."""


@cache
def describe_installation() -> dict[str, str]:
    """The code of this process: version and digest of archspec, and of each part that another package adds.

    Files that are no Python, such as shipped presets, count among archspec's own. What has changed since this was
    first asked in a process is not what the process runs.
    """
    found = {"archspec": f"{__version__} {digest_packages()}"}
    for entry in sorted(_parts(), key=lambda one: (one.group, one.name)):
        version = entry.dist.version if entry.dist is not None else "?"
        found[f"{entry.group.removeprefix(PREFIX)} {entry.name}"] = f"{version} {_digest_module(entry.module)}"
    return found


def record_installation(root: Path) -> None:
    """Write what `describe_installation` gives into the folder of a run, unless its last start has found the same.

    Raises:
        OSError: it cannot be written.
    """
    path, text = root / INSTALLATION, json.dumps(describe_installation(), indent=1)
    if not path.exists() or path.read_bytes() != text.encode():
        write_text(path, text)


def compare_installations(wanted: dict[str, str], found: dict[str, str]) -> str:
    """The first difference of a worker's code from its run's in words; empty where there is none."""
    for name in dict.fromkeys([*wanted, *found]):
        if wanted.get(name) != found.get(name):
            here, there = found.get(name, "not installed"), wanted.get(name, "not installed")
            what = name if name == "archspec" else f"the part {name!r}"
            return f"{what} is {here} here, and {there} where the run was started"
    return ""


def digest_packages() -> str:
    """16 hex digits of the content of archspec's own packages, as far as evaluations use them."""
    root = Path(__file__).parents[1]
    whole = hashlib.sha256()
    for package in sorted(OWN_PACKAGES - UNUSED):
        for folder, inside, names in os.walk(root / package):
            inside[:] = sorted(name for name in inside if name not in ("__pycache__", "cli"))
            for name in sorted(name for name in names if name.endswith(SUFFIXES)):
                path = Path(folder, name)
                whole.update(f"{path.relative_to(root).as_posix()}\0".encode())
                whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


def _parts() -> Iterator[EntryPoint]:
    for group in entry_points().groups:
        if group.startswith(PREFIX):
            yield from entry_points(group=group)


def _digest_module(name: str) -> str:
    """Of the file of a module alone: what it imports beside is told by the version of its package."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        spec = None
    return digest_file(Path(spec.origin)) if spec is not None and spec.origin else "missing"
