"""Inputs of a run beside its configuration: files of data, tables and code, told from one another by digests.

A run records them, and compares them when it is continued (`search/study/recorded_inputs.py`). Data and tables must be
the same, since scores of different data cannot stand beside one another; a change of code is told.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast, final

from blocks.catalog import find_part

Kind = Literal["data", "table", "code"]
OWN_PACKAGES = frozenset({"archspec", "blocks", "search", "reports"})
"""Packages whose code is told by the version of archspec."""
READ_WHOLE = 64 * 2**20
"""Bytes of a file of code whose content is digested; of a larger one its size."""


def nothing_to_say() -> Sequence[str]:
    """No notes."""
    return ()


@final
@dataclass(frozen=True)
class Input:
    """Something that a configuration names and does not hold.

    Attributes:
        kind: `data` and `table` may not change within a run; of `code` a change is told.
        name: for people, and by which a continued run finds it again: `images in photos`.
        noun: what one of `items` is: `file`.
        items: the content of each part, as a digest or a size, by its name.
        counts: numbers of what it is divided into: images of the validation split.
        division: digest of which item is where.
        examine: notes for people, such as on images that are the same in two splits; may take seconds, and is called
            once for each content.
    """

    kind: Kind
    name: str
    noun: str
    items: Mapping[str, str]
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    division: str = ""
    examine: Callable[[], Sequence[str]] = nothing_to_say

    @cached_property
    def digest(self) -> str:
        """Identity of the content: 16 hex digits."""
        parts = [f"{name}\0{content}" for name, content in sorted(self.items.items())]
        return digest_text("\n".join([*parts, self.division, repr(sorted(self.counts.items()))]))


def digest_text(text: str) -> str:
    """16 hex digits of SHA-256; text may hold names of files that are no UTF-8."""
    return digest_bytes(text.encode("utf-8", "surrogatepass"))


def digest_bytes(data: bytes) -> str:
    """16 hex digits of SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]


def digest_file(path: Path) -> str:
    """The content of a file of code, as a digest; of one that cannot be read, that it cannot."""
    try:
        size = path.stat().st_size
        return f"{size} bytes" if size > READ_WHOLE else digest_bytes(path.read_bytes())
    except OSError as error:
        return error.strerror or type(error).__name__


def code_of(value: Any, role: str) -> tuple[Input, ...]:
    """The file that defines a function or class of the user's; nothing of archspec's own, which its version tells.

    Args:
        value: a function, a class, or an object, of which its class counts.
        role: what it is of the run: `evaluator`.
    """
    value = getattr(value, "func", value)  # a partial's
    defined = value if inspect.isclass(value) or inspect.isroutine(value) else type(value)
    module = str(getattr(defined, "__module__", ""))
    if module.partition(".")[0] in OWN_PACKAGES:
        return ()
    name = f"code of {role} {getattr(defined, '__qualname__', '')}"
    try:
        file = Path(inspect.getsourcefile(defined) or "")
        if file.is_file():
            return (Input("code", name, "file", {file.name: digest_file(file)}),)
        return (Input("code", name, "function", {module: digest_text(inspect.getsource(defined))}),)
    except (TypeError, OSError):  # built in, or typed where nothing is kept
        return ()


def code_of_parts(data: Any) -> tuple[Input, ...]:
    """The code of the blocks, stems, heads and other parts that are named in a spec or a space, as `code_of` has it."""
    if isinstance(data, str):
        part = find_part(data)
        return () if part is None else code_of(part, "part")
    inner: list[Any] = []
    if isinstance(data, Mapping):
        inner = [*cast("Mapping[Any, Any]", data), *cast("Mapping[Any, Any]", data).values()]
    elif isinstance(data, list | tuple):
        inner = list(cast("Sequence[Any]", data))
    found = {one.name: one for value in inner for one in code_of_parts(value)}
    return tuple(found.values())
