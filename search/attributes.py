"""Attributes of trials: which names the run itself gives, and how metrics stand among them.

Each metric is an attribute of its own, under its name, so that Optuna's tables and plots show it. Earlier versions kept
all metrics in one attribute, a mapping called `metrics`; what reads trials takes both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.study import Study

RESERVED = frozenset(
    {
        *("digest", "code", "seed", "run", "arm", "role", "anchor", "checked_estimate"),
        *("attempt", "queued", "requeued", "requeued_from", "failure"),
        *("duplicate_of", "copied_from", "repaired", "repaired_because", "placed", "moved", "surrogate"),
        *("repeat_of", "covariates"),
        *("audited", "curve", "metrics", "devices"),
        *("rung", "rung_epochs", "rung_order", "rung_values", "rung_metrics", "promoted_from"),
    }
)
"""Attributes that say other things of a trial; no metric is recorded under these names."""


def metric_attributes(metrics: Mapping[str, float | int]) -> dict[str, float | int]:
    """The attributes of a trial that record `metrics`: one each, without names that are reserved."""
    return {name: value for name, value in metrics.items() if name not in RESERVED}


def recorded_metrics(attributes: Mapping[str, Any]) -> dict[str, float | int]:
    """The metrics among the attributes of a trial, whichever version wrote them."""
    known: Mapping[str, Any] = attributes.get("metrics") or attributes
    return {
        name: value
        for name, value in known.items()
        if name not in RESERVED and isinstance(value, int | float) and not isinstance(value, bool)
    }


def set_changed(study: Study, name: str, value: Mapping[str, Any]) -> None:
    """Set an attribute of a study where it holds something else: a run that goes on writes nothing anew."""
    if study.user_attrs.get(name) != value:
        study.set_user_attr(name, dict(value))
