"""A review as lines of text, and as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from textwrap import wrap
from typing import Any

from archspec.documents.wording import plural
from reports.review.review import Review

WIDTH = 100


def lines(found: Review, width: int = WIDTH) -> Iterator[str]:
    """Four lines or more per objection: severity and rule, the text, its place, and the command, unbroken.

    Args:
        found: the review.
        width: of the lines, but for commands.
    """
    for objection in found.objections:
        yield f"{objection.severity}: {objection.rule}"
        yield from wrap(
            f"{objection.text}.", width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
        )
        yield from wrap(f"at: {objection.place}", width, initial_indent="  ", subsequent_indent="      ")
        yield from (f"  $ {command}" for command in objection.command.splitlines())
        yield ""
    serious = sum(objection.severity == "serious" for objection in found.objections)
    counted = plural(len(found.objections), "objection") if found.objections else "no objection"
    yield f"{found.kind} {found.name}: {counted}{f' ({serious} serious)' if serious else ''}"
    raised = {objection.rule for objection in found.objections}
    kept = [rule for rule in found.checked if rule not in raised]
    yield from wrap(f"checked, nothing found: {', '.join(kept)}", width, break_on_hyphens=False) if kept else ()


def record(found: Review) -> dict[str, Any]:
    """Plain data for JSON."""
    objections = [asdict(objection) for objection in found.objections]
    return {"run": found.name, "kind": found.kind, "objections": objections, "checked": list(found.checked)}
