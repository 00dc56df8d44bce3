"""Layouts of runs by name, and the trainings of them that kept their weights."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from archspec.documents.wording import plural
from archspec.errors import SpecError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

CHECKPOINT, JOURNAL, ARTIFACTS = "checkpoint.pt", "journal.log", "artifacts"
STUDIES = ("search", "ablation")
"""Studies of a run whose trials people know by number."""
SEARCHED = "search-"
"""Trainings of the search itself, of which the trial's metrics speak, begin so; finalists do not."""
SHOWN = 5


def is_run(path: Path) -> bool:
    """Whether a folder is that of a run."""
    return os.path.isfile(path / JOURNAL)


def find_run(path: Path) -> Path | None:
    """The folder of the run in which a file lies; None where it lies in none."""
    return next((folder for folder in path.absolute().parents if is_run(folder)), None)


def find_member(path: Path, text: str) -> Path | None:
    """The checkpoint that `RUN/MEMBER`, `RUN/MEMBER/TRAINING` or `RUN` means; None where no part of it is a run.

    Raises:
        SpecError: the run has no such member, or the member kept no weights.
    """
    if is_run(path):
        return find_training(_only(path, text), text)
    if is_run(path.parent):
        return find_training(_layout(path.parent, path.name, text), text)
    if is_run(path.parent.parent):
        folder = _layout(path.parent.parent, path.parent.name, text)
        if os.path.isfile(folder / path.name / CHECKPOINT):
            return folder / path.name / CHECKPOINT
        raise SpecError(f"no training {path.name!r:.60}{_named(folder)}", source=text)
    return None


def find_training(folder: Path, text: str) -> Path:
    """The checkpoint in the folder of a training, or of a layout: there the search's own where there is one.

    Raises:
        SpecError: no training in it kept weights.
    """
    if os.path.isfile(folder / CHECKPOINT):
        return folder / CHECKPOINT
    kept = sorted(folder.glob(f"*/{CHECKPOINT}"))
    if not kept:
        raise SpecError(f"keeps no weights: no {CHECKPOINT} in {folder}", source=text)
    return next((path for path in kept if path.parent.name.startswith(SEARCHED)), kept[0])


def find_layout(run: Path, member: str) -> Path | None:
    """The spec of a layout that a run evaluated, by its digest or the number of its trial; None for another word.

    Raises:
        SpecError: the run has no such trial.
    """
    if re.fullmatch(r"\d{1,9}", member) or re.fullmatch(r"[0-9a-f]{4,16}", member):
        folder = _layout(run, member, member)
        return folder / "spec.yaml"
    return None


def _only(run: Path, text: str) -> Path:
    """The only layout of a run that kept weights."""
    kept = sorted({path.parent.parent for path in (run / ARTIFACTS).glob(f"*/*/{CHECKPOINT}")})
    if len(kept) == 1:
        return kept[0]
    if not kept:
        raise SpecError("is a run that keeps no weights", source=text)
    rule = f"is a run of {plural(len(kept), 'layout')}: name one by its trial or digest, such as {text}/{kept[0].name}"
    raise SpecError(rule, source=text)


def _layout(run: Path, member: str, text: str) -> Path:
    """The folder of a member's trainings."""
    if re.fullmatch(r"\d{1,9}", member):
        return run / ARTIFACTS / _digest_of(run, int(member), text)
    known = sorted(path.name for path in (run / ARTIFACTS).glob("*") if path.is_dir())
    found = [name for name in known if len(member) >= 4 and name.startswith(member)]
    if len(found) != 1:
        what = f"{len(found)} layouts begin with" if found else "has no layout"
        rule = f"{what} {member!r:.60}: a member is the number of a trial or the digest of a layout"
        raise SpecError(rule, source=text)
    return run / ARTIFACTS / found[0]


def _digest_of(run: Path, number: int, text: str) -> str:
    trials = _trials(run)
    trial = next((trial for trial in trials if trial.number == number), None)
    if trial is None:
        raise SpecError(f"no trial {number}: {run} has {plural(len(trials), 'trial')}, numbered from 0", source=text)
    digest = trial.user_attrs.get("digest")
    if not isinstance(digest, str):
        reason = str(trial.user_attrs.get("failure", "it has not begun"))
        raise SpecError(f"trial {number} trained nothing: {reason:.200}", source=text)
    return digest


def _trials(run: Path) -> list[FrozenTrial]:
    """The trials that are known by number."""
    import optuna

    from archspec.files.journal import open_journal

    storage = open_journal(run / JOURNAL)
    known = optuna.get_all_study_names(storage)
    found = next((name for name in STUDIES if name in known), None)
    return [] if found is None else optuna.load_study(study_name=found, storage=storage).get_trials(deepcopy=False)


def _named(folder: Path) -> str:
    kept = [path.parent.name for path in sorted(folder.glob(f"*/{CHECKPOINT}"))]
    return f": there are {', '.join(kept[:SHOWN])}" if kept else f": {folder} keeps no weights"
