"""The record of a gate: what a cheap estimate that guided a search was worth against full trainings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

KINDS = {"gate": "check", "rungs_gate": "rungs"}
"""Attributes of the study `search`, and what the full trainings were made for."""
VERDICTS = ("front", "covariate", "refused")


@dataclass(frozen=True)
class Estimated:
    """A rank correlation, or a difference of two, with its 95 % interval; NaN where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]" if self.low == self.low else f"{self.value:.2f}"


@dataclass(frozen=True)
class GateRecord:
    """A gate as a run notes it.

    Attributes:
        kind: `check`: layouts drawn at random; `rungs`: those that the estimate itself had promoted.
        estimate: its name for people.
        quality: that of the full trainings.
        skipped: whether no check was asked for; then nothing else is known.
        verdict: one of `VERDICTS`.
        layouts, seeds: that were trained in full.
        tau, partial: Kendall's tau b with the full trainings, and the partial one given MACs.
        costs: by metric, tau of cost alone and the difference of the estimate's to it.
        ceiling: tau of a perfect estimate, NaN where not known.
    """

    kind: str
    estimate: str
    quality: str = "accuracy"
    skipped: bool = False
    verdict: str = "refused"
    layouts: int = 0
    seeds: int = 0
    tau: Estimated = Estimated(math.nan)
    partial: Estimated = Estimated(math.nan)
    costs: Mapping[str, tuple[Estimated, Estimated]] = field(default_factory=dict[str, tuple[Estimated, Estimated]])
    ceiling: float = math.nan

    @property
    def passed(self) -> bool:
        """Whether the estimate may stand for full trainings where a front is chosen."""
        return self.verdict == "front" and not self.skipped


def read_gates(attributes: Mapping[str, Any]) -> tuple[GateRecord, ...]:
    """The gates among the attributes of a study.

    Raises:
        ValueError, LookupError, TypeError: one is damaged.
    """
    return tuple(_gate(kind, attributes[name]) for name, kind in KINDS.items() if name in attributes)


def _gate(kind: str, stated: Any) -> GateRecord:
    said = _mapping(stated)
    estimate = str(said["estimate"])[:200]
    if said.get("skipped") is True:
        return GateRecord(kind, estimate, skipped=True)
    verdict = said["verdict"]
    if verdict not in VERDICTS:
        raise ValueError(f"gate: the verdict is {verdict!r:.40}: known are {', '.join(VERDICTS)}")
    costs = {
        str(name): (_estimated(_mapping(one)["tau"]), _estimated(_mapping(one)["difference"]))
        for name, one in _mapping(said["costs"]).items()
    }
    return GateRecord(
        kind=kind,
        estimate=estimate,
        quality=str(said.get("quality", "accuracy"))[:200],
        verdict=str(verdict),
        layouts=int(said["layouts"]),
        seeds=int(said["seeds"]),
        tau=_estimated(said["tau"]),
        partial=_estimated(said["partial"]),
        costs=costs,
        ceiling=_number(said.get("ceiling")),
    )


def _estimated(stated: Any) -> Estimated:
    said = _mapping(stated)
    return Estimated(*(_number(said.get(name)) for name in ("value", "low", "high")))


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"gate: {value!r:.60} where a mapping belongs")
    return cast("Mapping[str, Any]", value)
