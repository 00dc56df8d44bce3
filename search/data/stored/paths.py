"""Files that are named by patterns: braces as in a shell, and wildcards; on a local disk."""

import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence

from archspec.documents.safe_text import printable
from archspec.errors import SpecError
from search.data.images.files import some

MOST = 1_000_000
"""Files that a pattern may stand for."""

_REMOTE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: one is a drive of Windows
_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(-?\d+))?")


def check_local(path: str, field: str) -> None:
    """Refuse what is no path on a local disk.

    Raises:
        SpecError: a URL, or a command whose output is read (`pipe:`).
    """
    remote = _REMOTE.match(path)
    if remote and not os.path.exists(path):
        rule = f"{printable(path)} is not on a local disk ({remote[1]}:), from which images are read in any order"
        raise SpecError(f"{rule}; copy it there and name its path", field=field)


def find_files(patterns: str | Sequence[str], field: str) -> list[str]:
    """The files that patterns stand for: in the order of the patterns, those of a wildcard sorted.

    Args:
        patterns: one or several, such as `shards/train-{0000..0009}.tar` or `data/train-*.parquet`.
        field: the option that states them.

    Raises:
        SpecError: a file that is not there or named twice, a pattern without files, or a place that is not local.
    """
    found: list[str] = []
    for pattern in (patterns,) if isinstance(patterns, str) else patterns:
        check_local(pattern, field)
        for path in expand_braces(os.path.expanduser(pattern), field):
            if os.path.isfile(path):
                found.append(path)
            elif glob.has_magic(path) and (matches := sorted(glob.glob(path, recursive=True))):
                found += [match for match in matches if os.path.isfile(match)]
            else:
                raise SpecError(f"{_state(path)}", field=field)
            if len(found) > MOST:
                raise SpecError(f"{printable(pattern)} stands for more than {MOST:,} files", field=field)
    twice = sorted(path for path in set(found) if found.count(path) > 1) if len(set(found)) < len(found) else []
    if twice:
        raise SpecError(f"a file is named twice: {some(twice)}", field=field)
    return found


def find_parts(parts: Mapping[str, str | Sequence[str]]) -> dict[str, list[str]]:
    """The files of each split, whose patterns are options of its name.

    Raises:
        SpecError: as `find_files`, or a file that is in two splits.
    """
    found = {split: find_files(patterns, split) for split, patterns in parts.items()}
    owner: dict[str, str] = {}
    for split, files in found.items():
        for path in files:
            other = owner.setdefault(os.path.realpath(path), split)
            if other != split:
                raise SpecError(f"{printable(path)} is in {other} as well", field=split)
    return found


def _state(path: str) -> str:
    if glob.has_magic(path):
        return f"no file matches {printable(path)}"
    return f"must be a file, {printable(path)} is {'a folder' if os.path.isdir(path) else 'not there'}"


def expand_braces(text: str, field: str = "") -> Iterator[str]:
    """Texts that a shell makes of braces: `{a,b}` and `{0000..0009}`, with a step `{0..8..2}`, also inside one another.

    Raises:
        SpecError: a range of more than `MOST` numbers.
    """
    for start, sign in enumerate(text):
        if sign != "{" or (end := _closing(text, start)) is None:
            continue
        inside, head, tail = text[start + 1 : end], text[:start], list(expand_braces(text[end + 1 :], field))
        alternatives = _alternatives(inside, field)
        if alternatives is None:
            continue
        yield from (
            head + first + rest for word in alternatives for first in expand_braces(word, field) for rest in tail
        )
        return
    yield text


def _closing(text: str, start: int) -> int | None:
    depth = 0
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return place
    return None


def _alternatives(inside: str, field: str) -> list[str] | None:
    """Texts that stand for what is between two braces; None where they mean themselves."""
    numbers = _RANGE.fullmatch(inside)
    if numbers is None:
        parts, depth = [""], 0
        for sign in inside:
            depth += {"{": 1, "}": -1}.get(sign, 0)
            if sign == "," and not depth:
                parts.append("")
            else:
                parts[-1] += sign
        return parts if len(parts) > 1 else None
    first, last, step = int(numbers[1]), int(numbers[2]), abs(int(numbers[3] or 1)) or 1
    if abs(last - first) // step >= MOST:
        raise SpecError(f"{{{inside}}} stands for more than {MOST:,} files", field=field)
    padded = any(len(end.lstrip("-")) > 1 and end.lstrip("-").startswith("0") for end in numbers.groups()[:2])
    width = max(len(numbers[1]), len(numbers[2])) if padded else 0
    ordered = range(first, last + 1, step) if first <= last else range(first, last - 1, -step)
    return [f"{number:0{width}d}" for number in ordered]
