"""The gate of the accuracy at the first rung, which decided what was trained to the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from optuna.study import Study
from optuna.trial import TrialState

from search.attributes import recorded_metrics
from search.estimate.gate import judge
from search.rungs.history import rung_trials

GATE = "rungs_gate"
"""Attribute of a search that holds the gate of its first rung."""
COSTS = ("macs", "params")


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
    found = [one for one in rung_trials(study.get_trials(deepcopy=False)) if one.values]
    first = {one.layout: one for one in found if one.rung == 0}
    whole = [one for one in found if one.trial.state == TrialState.COMPLETE and one.layout in first]
    if len(whole) < 2:
        return
    early = np.array([first[one.layout].values[index] for one in whole])
    full = np.array([one.values[index] for one in whole])
    known = [recorded_metrics(one.trial.user_attrs) for one in whole]
    costs = {name: np.array([float(one.get(name, np.nan)) for one in known]) for name in COSTS}
    epochs = first[whole[0].layout].epochs
    estimate = f"{quality} after {epochs} of {max(one.epochs for one in whole)} epochs"
    record = judge(early, full, costs, restricted=True).record()
    study.set_user_attr(GATE, {**record, "estimate": estimate, "quality": quality})
