"""Lint of a valid spec: doubtful choices, with the numbers that make them so, and the place of each.

A finding is a warning, not an error: the spec loads, builds and trains.
"""

from __future__ import annotations

from typing import Any

from archspec.cost.measure import measure
from archspec.documents.paths import Place, format_path
from archspec.documents.reader import Document
from archspec.lint.rules import RULES, Finding, Subject
from archspec.spec.diagnosis import written_place
from archspec.spec.schema import ArchSpec, Resolution
from archspec.tree.trace import trace
from blocks.layers.layer import Visit


def lint(spec: ArchSpec, resolution: Resolution | None = None) -> tuple[Finding, ...]:
    """Every finding of every rule, in the order of the network.

    Args:
        spec: the backbone.
        resolution: side of the image, or (height, width); the spec's own when None. A declared variant applies.

    Raises:
        SpecError: a stride empties a map at this resolution.
    """
    cost = measure(spec, resolution)
    visits: list[Visit] = []
    trace(spec, resolution, visits=visits)
    height, width = cost.resolution
    subject = Subject(spec.at(height) if height == width else spec, cost, tuple(visits))
    findings = [finding for rule in RULES for finding in rule(subject)]
    return tuple(sorted(findings, key=lambda finding: _position(finding.place)))


def locate(finding: Finding, document: Document) -> tuple[str, int | None]:
    """The field of a finding as its author wrote it, and its line."""
    place = written_place(finding.place, document)
    return format_path(place), document.line(place)


def written(finding: Finding, document: Document) -> str:
    """One line like an error's: `spec.yaml:12: stages[3]: costs 57.6 % of the MACs [heavy-stage]`."""
    field, line = locate(finding, document)
    place = f"{document.source}:{line}" if line else document.source
    return f"{place}: {field}: {finding.message} [{finding.rule}]"


def record(finding: Finding, document: Document) -> dict[str, Any]:
    """Plain data for JSON."""
    field, line = locate(finding, document)
    place = {"source": document.source, "line": line, "field": field}
    return {"rule": finding.rule, **place, "message": finding.message, "value": finding.value, "limit": finding.limit}


def _position(place: Place) -> int:
    match place:
        case ("stem", *_):
            return -1
        case ("stages", int(index), *_):
            return index
        case _:
            return 1 << 30
