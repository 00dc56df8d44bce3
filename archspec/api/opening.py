"""Runs from their folders."""

from __future__ import annotations

import os
from pathlib import Path

from archspec.api.ablations import RecordedAblation
from archspec.api.runs import RecordedSearch
from archspec.errors import SpecError
from search.study.recorded import PLAN, STUDY


def open_run(path: str | Path) -> RecordedSearch | RecordedAblation:
    """The run in a folder, whoever started it.

    Args:
        path: `runs/NAME`.

    Raises:
        SpecError: the folder holds no run.
    """
    root = Path(path)
    if os.path.isfile(root / STUDY):
        return RecordedSearch(root)
    if os.path.isfile(root / PLAN):
        return RecordedAblation(root)
    rule = "holds no run" if os.path.isdir(root) else "no such folder"
    raise SpecError(f"{rule}: a run's folder has {STUDY} or {PLAN}", source=str(path))
