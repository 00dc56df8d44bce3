"""A search under review: journal, front, what was asked, and the runs beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import yaml

from archspec.errors import RunError
from reports.records.front import FrontRecord, front
from reports.records.search import Record, finished, read
from reports.review.objection import Shell
from reports.sections.hypervolume import Progress, progress

# What repetitions of a search may differ in; a random search of the same layouts also in the others.
APART = frozenset({"name", "seed"})
APART_RANDOM = APART | {"sampler", "baseline", "final", "trials"}


@dataclass(frozen=True)
class SearchRun:
    """The journal of a search, its front, and its study file (empty where the folder has none)."""

    run: Path
    record: Record
    front: FrontRecord
    asked: Mapping[str, Any]

    @property
    def shell(self) -> Shell:
        return Shell(self.run)

    @cached_property
    def progress(self) -> Progress:
        """The hypervolume of both arms."""
        return progress(self.record)

    @property
    def trained(self) -> int:
        """Layouts of the search that were evaluated."""
        return len(finished(self.record.search))

    @property
    def planned(self) -> int:
        """Layouts of the search once it is at its end."""
        return max(self.trained, self.wanted("trials"))

    @property
    def sampler(self) -> str:
        settings = self.record.attributes.get("sampler")
        return settings if isinstance(settings, str) else str(_mapping(settings).get("type", ""))

    @property
    def seed(self) -> int:
        seed = self.record.attributes.get("seed")
        return seed if isinstance(seed, int) else 0

    @property
    def changes(self) -> Mapping[str, Any]:
        """Changes that were asked for in the training of the finalists."""
        return _mapping(_mapping(self.asked.get("final")).get("changes"))

    def wanted(self, field: str, default: int = 0) -> int:
        """A number that was asked for, such as `baseline` or `final.seeds`."""
        return _count(self.asked, field, default)

    def repeats(self) -> list[Path]:
        """Runs in the same folder that were asked the same with another seed."""
        return [path for path, _ in self._beside(APART)]

    def independent(self) -> list[Path]:
        """Random searches in the same folder, with another seed, for as many layouts or more."""
        found: list[Path] = []
        for path, other in self._beside(APART_RANDOM):
            random = _mapping(other.get("sampler")).get("type") == "random"
            if random and _count(other, "trials") >= self.wanted("trials"):
                found.append(path)
        return found

    def _beside(self, apart: frozenset[str]) -> list[tuple[Path, dict[str, Any]]]:
        """Other runs of another seed that were asked the same but for the fields `apart`, and what they were asked."""
        found: list[tuple[Path, dict[str, Any]]] = []
        for path in sorted(self.run.resolve().parent.glob("*/study.yaml")) if self.asked else []:
            other = read_asked(path, strict=False)
            same = all(other.get(key) == self.asked.get(key) for key in {*other, *self.asked} - apart)
            if same and other.get("seed") != self.asked.get("seed") and (path.parent / "journal.log").is_file():
                found.append((path.parent, other))
        return found

    def evaluator_of(self, digest: str, seed: int) -> Mapping[str, Any] | None:
        """The evaluator that a final training notes in its folder; None where it notes none."""
        path = self.run / "artifacts" / digest / f"final-seed{seed}" / "result.json"
        try:
            return _mapping(json.loads(path.read_text(encoding="utf-8")).get("evaluator")) or None
        except (OSError, ValueError, AttributeError):
            return None


def read_search(run: Path) -> SearchRun:
    """Read a run folder, without writing to it.

    Raises:
        SpecError: there is no journal.
        RunError: the journal or the study file is damaged, or no trial is finished.
    """
    record = read(run)
    return SearchRun(run, record, front(record), read_asked(run / "study.yaml", strict=True))


def read_asked(path: Path, *, strict: bool) -> dict[str, Any]:
    """The content of the file that says what a run was asked; empty where it is missing, or damaged if not `strict`.

    Raises:
        RunError: damaged.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        if not strict:
            return {}
        raise RunError(f"{path}: damaged: {next(iter(str(error).splitlines()), '')}") from None
    return _mapping(data)


def _count(asked: Mapping[str, Any], field: str, default: int = 0) -> int:
    part, _, name = field.rpartition(".")
    value = (_mapping(asked.get(part)) if part else asked).get(name)
    return value if isinstance(value, int) else default


def _mapping(value: object) -> dict[str, Any]:
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else {}
