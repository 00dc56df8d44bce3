"""The results of a search that the sections of its report are about: record, front, and the specs of the front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast, final

from archspec.documents.reader import read_document
from archspec.documents.safe_text import printable
from archspec.errors import RunError
from archspec.loader import parse
from archspec.spec.schema import ArchSpec
from reports.drawing.units import in_text
from reports.records.front import FrontMember, FrontRecord, front
from reports.records.metrics import QUALITY
from reports.records.search import Record, read


@final
@dataclass(frozen=True)
class SearchResults:
    """The record of a search, its front, and the members' specs by rank."""

    record: Record
    front: FrontRecord
    specs: Mapping[int, ArchSpec]


def read_results(run: Path) -> SearchResults:
    """Read the run folder `run`.

    Raises:
        SpecError: there is no journal, or the spec of a member of the front is missing or damaged.
        RunError: the journal is damaged or holds no finished trial, or a spec is not what was trained.
    """
    record = read(run)
    members = front(record)
    return SearchResults(record, members, {member.rank: _load_spec(run, member) for member in members.members})


def asked(record: Record) -> str:
    """The objectives of the study in words."""
    most = [in_text(one) for one in record.goals if one.direction == "maximize" and one.name != QUALITY]
    least = [in_text(one) for one in record.goals if one.direction == "minimize"]
    words = f"maximising {' and '.join([record.metric.word, *most])}"
    return words + (f", minimising {' and '.join(least)}" if least else "")


def _load_spec(run: Path, member: FrontMember) -> ArchSpec:
    path = run / "artifacts" / member.digest / "spec.yaml"
    document = read_document(path)
    if isinstance(document.data, dict):  # earlier versions recorded any name
        data = cast("dict[Any, Any]", document.data)
        texts = {key: printable(str(data[key])) for key in ("name", "description") if key in data}
        document = replace(document, data={**data, **texts})
    spec = parse(document)
    if spec.digest != member.digest:
        raise RunError(f"{path}: is another spec (digest {spec.digest}) than trial {member.trial} trained")
    return spec
