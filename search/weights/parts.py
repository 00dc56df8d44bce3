"""Parts of a network by the names that a spec gives them: `stem`, `stages[0]`, `stages[1].blocks[2]`, `backbone`."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from archspec.documents.paths import suggest
from archspec.errors import FieldError
from archspec.spec.schema import ArchSpec
from archspec.tree.tree import plant

if TYPE_CHECKING:
    from torch import nn

BACKBONE, HEAD = "backbone", "head"
"""All but the head, and what that is called."""


def module_name(part: str) -> str:
    """The dotted name of the module of a part: `stages.0` of `stages[0]`."""
    return re.sub(r"\[(\d+)\]", r".\1", part)


def check_parts(spec: ArchSpec, parts: Sequence[str]) -> None:
    """Refuse the name of a part that the network of `spec` lacks, or parts that leave nothing of it.

    Raises:
        FieldError: the field is `freeze`, with the number of the part where one is meant.
    """
    known = [*_known(spec)]
    for index, part in enumerate(parts):
        if part not in known and module_name(part) not in map(module_name, known):
            hint = suggest(part, known) or f" (there are {', '.join(_outer(spec))})"
            raise FieldError(f"freeze[{index}]", f"the network has no part {part!r:.60}{hint}")
    named = {BACKBONE, HEAD, *_outer(spec)} if BACKBONE in parts and HEAD in parts else set(parts)
    if "stages" in named:
        named |= {f"stages[{index}]" for index in range(len(spec.stages or spec.branched))}
    if not {name for name in _outer(spec) if name not in (BACKBONE, "stages")} - named:
        raise FieldError("freeze", f"leaves nothing to train: {', '.join(parts)}")
    if spec.head is None and BACKBONE in parts:
        raise FieldError("freeze", "leaves nothing to train: the spec has no head")


def find_parts(network: "nn.Module", parts: Sequence[str]) -> "list[nn.Module]":
    """The modules of some parts.

    Raises:
        FieldError: the network has no such part.
    """
    modules = dict(network.named_modules())
    found: list[nn.Module] = []
    for index, part in enumerate(parts):
        if part == BACKBONE:
            found += [child for name, child in network.named_children() if name != HEAD]
        elif (name := module_name(part)) in modules and name:
            found.append(modules[name])
        else:
            raise FieldError(f"freeze[{index}]", f"the network has no part {part!r:.60}{suggest(part, modules)}")
    return found


def _known(spec: ArchSpec) -> Iterator[str]:
    """The names of all parts, outer ones first."""
    yield from _outer(spec)
    for name, _ in plant(spec).walk():
        yield re.sub(r"\.(\d+)", r"[\1]", name)


def _outer(spec: ArchSpec) -> list[str]:
    stages = [f"stages[{index}]" for index in range(len(spec.stages or spec.branched))]
    return ["stem", "stages", *stages, *([HEAD] if spec.head is not None else []), BACKBONE]
