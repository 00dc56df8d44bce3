"""The file of a run that says what it read: data, tables and code by their digests, compared when it is continued."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast, final

from pydantic import BaseModel, ConfigDict, ValidationError

from archspec import __version__
from archspec.documents.paths import format_path
from archspec.documents.safe_text import printable
from archspec.errors import RunError, SpecError
from archspec.files.output import write_text
from search.inputs import Input

INPUTS = "inputs.json"
LISTED = 20_000
"""Most items of an input that are recorded by name; of a larger one its digest and its counts."""
SHOWN = 3

Recorded = dict[str, Any]
"""An input as the file holds it."""


@final
class _RecordedInput(BaseModel):
    model_config = ConfigDict(strict=True)

    kind: str
    name: str
    digest: str
    counts: dict[str, int]
    notes: list[str]
    items: dict[str, str] | None = None


@final
class _Record(BaseModel):
    model_config = ConfigDict(strict=True)

    version: Literal[1]
    archspec: str
    inputs: list[_RecordedInput]
    changes: list[dict[str, str]]


def record_inputs(root: Path, inputs: Iterable[Input], *, begun: bool) -> tuple[str, ...]:
    """Record what a run reads, or check first that what it has read is as it was; lines for people.

    Args:
        root: folder of the run.
        inputs: what it reads now; those of the same kind and name are one.
        begun: whether trials may have been evaluated before.

    Raises:
        SpecError: data or a table have changed since the run began.
        RunError: the file is damaged; it is kept as it is.
    """
    path = root / INPUTS
    now = {(one.kind, one.name): one for one in inputs}
    record = _read(path) if path.exists() else None
    known = {(one["kind"], one["name"]): one for one in record["inputs"]} if record else {}
    changes: list[Recorded] = list(record["changes"]) if record else []
    lines: list[str] = []
    if begun and record is None and now:
        named = ", ".join(printable(one.name) for one in now.values())
        lines.append(f"recorded from now on, since an earlier version did not: {named}")
    for key, one in now.items():
        old = known.get(key)
        if old is not None and old["digest"] == one.digest:
            lines += old["notes"]
            continue
        if old is not None:
            difference = describe_difference(old, one)
            if one.kind != "code":
                rule = f"{printable(one.name)}: not as when this run began: {difference}"
                raise SpecError(f"{rule}; bring it back, or give this run another --name", source=str(root))
            lines.append(f"changed since this run began: {printable(one.name)}: {difference}")
            when = datetime.now(UTC).isoformat(timespec="seconds")
            changes.append({"name": one.name, "was": old["digest"], "now": one.digest, "at": when})
        known[key] = _entry(one, tuple(one.examine()))
        lines += known[key]["notes"]
    if now or record:
        whole = {"version": 1, "archspec": __version__, "inputs": list(known.values()), "changes": changes}
        write_text(path, json.dumps(whole, indent=1))
    return tuple(printable(line) for line in lines)


def describe_difference(old: Mapping[str, Any], now: Input) -> str:
    """The difference of an input to what is recorded of it: what is gone, new or other, and the counts that moved."""
    found: list[str] = []
    if "items" in old and len(now.items) <= LISTED:
        before, total = cast("Mapping[str, str]", old["items"]), len(old["items"])
        gone = [name for name in before if name not in now.items]
        new = [name for name in now.items if name not in before]
        other = [name for name in before if name in now.items and not _agree(now.items[name], before[name])]
        of = f" of {total}" if total > 1 else ""
        for names, of_all, one, many in (
            (gone, of, "is gone", "are gone"),
            (new, "", "is new", "are new"),
            (other, of, "has other content", "have other content"),
        ):
            if names:
                nouns = now.noun if total == 1 or (not of_all and len(names) == 1) else f"{now.noun}s"
                state = one if len(names) == 1 else many
                found.append(f"{len(names)}{of_all} {nouns} {state}: {_some(sorted(names))}")
    counts = cast("Mapping[str, int]", old["counts"])
    for name in dict.fromkeys([*counts, *now.counts]):
        was, are = counts.get(name, 0), now.counts.get(name, 0)
        if was != are:
            found.append(f"{name} has {are:,} images, {was:,} before")
    same = "items" in old and not found
    return "; ".join(found) or ("the same, but divided in another way" if same else "its content is another")


def _agree(one: str, other: str) -> bool:
    """Whether two contents are the same, as far as both tell: a set that has grown is told apart by sizes alone."""
    return all(a == b for a, b in zip(one.split(), other.split(), strict=False))


def _some(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > SHOWN else ""
    return ", ".join(printable(name) for name in names[:SHOWN]) + more


def _entry(one: Input, notes: Sequence[str]) -> Recorded:
    entry: Recorded = {"kind": one.kind, "name": one.name, "digest": one.digest, "counts": dict(one.counts)}
    entry["notes"] = list(notes)
    return entry | ({"items": dict(one.items)} if len(one.items) <= LISTED else {})


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, getattr(error, "lineno", 1), "not JSON") from None
    try:
        return _Record.model_validate(record).model_dump(exclude_none=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = format_path(first["loc"]) or "the record"
        raise _damaged(path, 1, f"{place}: {first['msg'].replace('Input should', 'must')}") from None


def _damaged(path: Path, line: int, reason: str) -> RunError:
    rule = f"damaged: {printable(reason[:160])}; kept as it is. Move it away to record what the run reads anew"
    return RunError(f"{path}:{line}: {rule}")
