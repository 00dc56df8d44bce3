"""The gate of the accuracy at the first rung, which decided what was trained to the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from optuna.study import Study

from search.attributes import recorded_metrics, set_changed
from search.estimate.gate import COSTS, judge
from search.rungs.history import pairs

GATE = "rungs_gate"
"""Attribute of a search that holds the gate of its first rung."""


def note_gate(study: Study, objectives: Sequence[str], quality: str) -> None:
    """Note in a search what its first rung was worth, from the layouts that came to the last one.

    These are selected by the very estimate that is judged, so its rank correlation comes out too low: the note says so.
    Nothing is noted where fewer than two layouts came so far, or where accuracy is no objective.

    Args:
        study: the search.
        objectives: names, in the order of a trial's values.
        quality: name of accuracy for people.
    """
    if "accuracy" not in objectives:
        return
    index = list(objectives).index("accuracy")
    found = pairs(study.get_trials(deepcopy=False))
    if len(found) < 2:
        return
    early, full = (np.array([one.values[index] for one in side]) for side in zip(*found, strict=True))
    known = [recorded_metrics(whole.trial.user_attrs) for _, whole in found]
    costs = {name: np.array([float(one.get(name, np.nan)) for one in known]) for name in COSTS}
    estimate = f"{quality} after {found[0][0].epochs} of {max(whole.epochs for _, whole in found)} epochs"
    record = judge(early, full, costs, restricted=True).record()
    set_changed(study, GATE, {**record, "estimate": estimate, "quality": quality})
