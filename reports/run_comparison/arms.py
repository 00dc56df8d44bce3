"""Runs that are compared, in arms: runs of the same settings with other seeds are repetitions of one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, final

from archspec.documents.safe_text import printable
from archspec.errors import SpecError
from reports.records.search import Record, read

APART = ("name", "seed", "trials", "baseline", "final", "log")
"""Settings in which the repetitions of an arm may differ; `trials` says where a run ends, not what it does."""
SAME = (("objectives",), ("space",), ("evaluator", "type"), ("evaluator", "data"), ("evaluator", "table"))
"""Settings that all runs share, or their hypervolumes are not of the same thing."""
MOST_ARMS = 8
"""More cannot be told apart in one figure."""
MOST_TEXT = 60

Leaves = Mapping[str, Any]
"""The settings of a run by path: `sampler.type`."""


@final
@dataclass(frozen=True)
class ComparedRun:
    """A run: its folder, its seed, its record, and its settings by path."""

    folder: Path
    seed: int
    record: Record
    settings: Leaves


@final
@dataclass(frozen=True)
class Arm:
    """Repetitions of the same settings, by seed."""

    name: str
    runs: tuple[ComparedRun, ...]


def read_arms(folders: Sequence[Path], names: Sequence[str] = ()) -> tuple[Arm, ...]:
    """The arms of runs, in the order in which their first runs are named.

    Args:
        folders: of runs.
        names: of the arms, in their order; those of the settings that differ where empty.

    Raises:
        SpecError: a folder without a run, runs of different objectives, data or spaces, a run that is there twice.
        RunError: a damaged journal, or a run without a finished trial.
    """
    if len(folders) < 2:
        raise SpecError("takes at least two runs: runs/NAME runs/OTHER", field="compare")
    runs = [_read(folder) for folder in folders]
    for run in runs[1:]:
        _check_same(runs[0], run)
    groups: dict[str, list[ComparedRun]] = {}
    for run in runs:
        own = {path: value for path, value in run.settings.items() if path.split(".")[0] not in APART}
        groups.setdefault(json.dumps(own, sort_keys=True, default=str), []).append(run)
    for group in groups.values():
        _check_seeds(group)
    arms = list(groups.values())
    if len(arms) > MOST_ARMS:
        rule = f"{len(arms)} arms, which differ in {', '.join(_differing(arms))}: at most {MOST_ARMS} can be told apart"
        raise SpecError(rule, field="compare")
    if names and len(names) != len(arms):
        rule = f"{len(arms)} arms ({'; '.join(_names(arms))}), but {len(names)} names: {', '.join(names)}"
        raise SpecError(rule, field="--arm")
    if len(set(names)) < len(names):
        raise SpecError(f"names must differ, not {', '.join(names)}", field="--arm")
    found = zip([printable(name) for name in names] or _names(arms), arms, strict=True)
    return tuple(Arm(name, tuple(sorted(group, key=lambda run: run.seed))) for name, group in found)


def _read(folder: Path) -> ComparedRun:
    record = read(folder)
    if record.asked is None:
        raise SpecError(
            "is missing or damaged: comparing needs to know what was asked", source=str(folder / "study.yaml")
        )
    seed = record.asked.get("seed", 0)
    return ComparedRun(folder, seed if isinstance(seed, int) else 0, record, flatten(record.asked))


def flatten(settings: Any, place: str = "") -> dict[str, Any]:
    """Settings by path; what is empty or off is left out, as versions that did not have it left it out."""
    if isinstance(settings, Mapping):
        found: dict[str, Any] = {}
        for key, value in cast("Mapping[Any, Any]", settings).items():
            found |= flatten(value, f"{place}.{key}" if place else str(key))
        return found
    return {} if settings is None or settings is False or settings in ("", []) else {place: settings}


def _check_same(first: ComparedRun, other: ComparedRun) -> None:
    for place in SAME:
        path = ".".join(place)
        one, two = ({k: v for k, v in run.settings.items() if f"{k}.".startswith(f"{path}.")} for run in (first, other))
        differing = next((key for key in sorted({*one, *two}) if one.get(key) != two.get(key)), None)
        if differing is not None:
            values = [_text(of.get(differing, "not stated")) for of in (one, two)]
            named = [str(run.settings.get("space.name", "")) for run in (first, other)]
            if place == ("space",) and named[0] != named[1]:
                differing, values = "space", named
            rule = f"cannot be compared: {differing} is {values[0]} in {first.folder} and {values[1]} in {other.folder}"
            raise SpecError(rule, field="compare")
    if first.record.resolution != other.record.resolution:
        sizes = [f"{run.record.resolution} px in {run.folder}" for run in (first, other)]
        raise SpecError(f"cannot be compared: the resolution is {sizes[0]} and {sizes[1]}", field="compare")


def _check_seeds(group: Sequence[ComparedRun]) -> None:
    seen: dict[int, ComparedRun] = {}
    for run in group:
        if run.seed in seen:
            both = f"{seen[run.seed].folder} and {run.folder}"
            raise SpecError(f"{both} have the same settings and seed {run.seed}: a run counts once", field="compare")
        seen[run.seed] = run


def _differing(arms: Sequence[Sequence[ComparedRun]]) -> list[str]:
    """The settings in which arms differ, in the order of the file."""
    first = [group[0].settings for group in arms]
    paths = dict.fromkeys(path for settings in first for path in settings if path.split(".")[0] not in APART)
    return [path for path in paths if any(one.get(path) != first[0].get(path) for one in first)]


def _names(arms: Sequence[Sequence[ComparedRun]]) -> list[str]:
    """Names of arms by the settings in which they differ; a number is added where they would be the same."""
    paths = _differing(arms)
    names: list[str] = []
    for group in arms:
        words = list(dict.fromkeys(_word(path, group[0].settings) for path in paths))
        name = printable(", ".join(words) or "search")
        name = name if len(name) <= MOST_TEXT else f"{name[: MOST_TEXT - 1]}…"
        names.append(name if name not in names else f"{name} ({len(names) + 1})")
    return names


def _word(path: str, settings: Leaves) -> str:
    """A setting in an arm's name: `tpe`, `startup 4`, `no rungs`."""
    above, _, own = path.rpartition(".")
    if path in settings:
        return _text(settings[path]) if own == "type" else f"{own} {_text(settings[path])}"
    without = own if any(key.startswith(f"{above}.") for key in settings) else path.split(".", maxsplit=1)[0]
    return f"no {without}"


def _text(value: Any) -> str:
    text = ", ".join(map(str, cast("list[Any]", value))) if isinstance(value, list) else str(value)
    return printable(text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 1]}…")
