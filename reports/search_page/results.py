"""The results of a search that the sections of its report are about: record, front, and the specs of the front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from archspec.errors import RunError
from archspec.loader import load
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
    spec = load(path)
    if spec.digest != member.digest:
        raise RunError(f"{path}: is another spec (digest {spec.digest}) than trial {member.trial} trained")
    return spec
