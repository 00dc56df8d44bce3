"""Entries of an Optuna journal, one by one against those before: operations, the types of their fields, attributes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, cast, final

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    check_distribution_compatibility,
    json_to_distribution,
)

from archspec.documents.wording import plural

NUMBERS = frozenset(
    {
        *("accuracy", "params", "macs", "activations", "saved_bytes", "latency_ms"),
        *("test_accuracy", "test_loss", "audited_macs", "train_seconds", "latency_noisy"),
    }
)
"""Attributes of trials that are metrics, beside those that a study states of its own."""
RUNNING, COMPLETE, PRUNED, FAIL, WAITING = range(5)
"""States of trials, as Optuna numbers them."""
FINISHED = (COMPLETE, PRUNED, FAIL)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return _is_integer(value) and cast("int", value) >= 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_truth(value: object) -> bool:
    return isinstance(value, bool)


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _is_mapping(value: object) -> bool:
    return isinstance(value, dict)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in cast("list[object]", value))


def _is_numbers(value: object) -> bool:
    return isinstance(value, dict) and all(
        one is None or _is_number(one) for one in cast("dict[str, Any]", value).values()
    )


def _is_curve(value: object) -> bool:
    return isinstance(value, list) and all(
        _is_numbers(row) and {"epoch", "val_accuracy", "train_loss"} <= row.keys() for row in cast("list[Any]", value)
    )


def _is_time(value: object) -> bool:
    try:
        datetime.fromisoformat(cast("str", value)).astimezone()
    except (TypeError, ValueError, OverflowError):
        return False
    return True


Kind = tuple[Callable[[object], bool], str]
TEXT, INTEGER, COUNT = (_is_text, "text"), (_is_integer, "an integer"), (_is_count, "an integer from 0")
NUMBER, TRUTH, LIST = (_is_number, "a number"), (_is_truth, "true or false"), (_is_list, "a list")
MAPPING, TEXTS, TIME = (_is_mapping, "a mapping"), (_is_texts, "a list of texts"), (_is_time, "a time")
METRICS, CURVE = (_is_numbers, "a mapping of numbers"), (_is_curve, "a list of epochs with their numbers")

TRIAL_ATTRIBUTES: Mapping[str, Kind] = {
    **dict.fromkeys(("digest", "code", "run", "arm", "role", "anchor", "failure", "repaired_because"), TEXT),
    **dict.fromkeys(("seed", "attempt", "requeued_from", "duplicate_of", "copied_from", "repeat_of"), COUNT),
    **dict.fromkeys(("requeued", "audited"), TRUTH),
    **dict.fromkeys(("queued", "placed", "surrogate", "covariates", "devices"), MAPPING),
    **dict.fromkeys(("repaired", "moved"), LIST),
    "metrics": METRICS,
    "curve": CURVE,
    **dict.fromkeys(NUMBERS, NUMBER),
}
"""The types of what this program records of a trial."""
STUDY_ATTRIBUTES: Mapping[str, Kind] = {
    **dict.fromkeys(("archspec", "score"), TEXT),
    **dict.fromkeys(("seed", "seeds"), COUNT),
    "paired": TRUTH,
    "objectives": TEXTS,
    **dict.fromkeys(("looks", "own_metrics"), LIST),
    **dict.fromkeys(("metric", "plan"), MAPPING),
}
"""The types of what this program records of a study."""
SYSTEM_ATTRIBUTES: Mapping[str, Kind] = {"fixed_params": MAPPING, "study:metric_names": TEXTS}
EARLIER = ("requeued_from", "duplicate_of", "repeat_of")
"""Attributes that name an earlier trial of the same study."""
NEEDED: Mapping[str, tuple[str, ...]] = {
    "search": ("digest",),
    "baseline": ("digest",),
    "final": ("digest", "seed"),
    "ablation": ("run", "seed"),
}
"""What a finished trial of each study says; one of an ablation says it from its beginning."""

OPERATIONS: tuple[Mapping[str, Kind], ...] = (
    {"study_name": TEXT, "directions": LIST},
    {"study_id": COUNT},
    {"study_id": COUNT, "user_attr": MAPPING},
    {"study_id": COUNT, "system_attr": MAPPING},
    {"study_id": COUNT},
    {"trial_id": COUNT, "param_name": TEXT, "param_value_internal": NUMBER, "distribution": TEXT},
    {"trial_id": COUNT, "state": COUNT},
    {"trial_id": COUNT, "step": INTEGER, "intermediate_value": NUMBER},
    {"trial_id": COUNT, "user_attr": MAPPING},
    {"trial_id": COUNT, "system_attr": MAPPING},
    {},
)
"""The fields of each operation, by its code."""
CREATE_STUDY, DELETE_STUDY, _, _, CREATE_TRIAL, SET_PARAM, SET_STATE, _, SET_ATTRIBUTE, _, _ = range(11)
OPTIONAL: Mapping[str, Kind] = {
    "state": COUNT,
    "value": NUMBER,
    "values": LIST,
    "datetime_start": TIME,
    "datetime_complete": TIME,
    **dict.fromkeys(("distributions", "params", "user_attrs", "system_attrs", "intermediate_values"), MAPPING),
}
"""Fields that may be missing or null."""


@final
@dataclass(slots=True)
class _Study:
    name: str
    directions: list[int]
    kinds: dict[str, BaseDistribution] = field(default_factory=dict[str, BaseDistribution])
    numbers: frozenset[str] = NUMBERS
    objectives: tuple[str, ...] = ()
    digests: set[str] = field(default_factory=set[str])
    trials: int = 0


@final
@dataclass(slots=True)
class _Trial:
    study: _Study
    number: int
    state: int
    attributes: dict[str, Any]

    @property
    def title(self) -> str:
        return f"trial {self.number} of {self.study.name}"


@final
class EntryCheck:
    """The state of a journal so far, as far as the next entry can contradict it."""

    def __init__(self) -> None:
        self._studies: list[_Study | None] = []
        self._trials: list[_Trial] = []
        self._times: set[tuple[int, str]] = set()
        self._last: dict[str, Any] = {}

    def check(self, entry: dict[str, Any], *, strict: bool = True) -> None:
        """Check an entry, and remember it.

        Args:
            entry: of the journal.
            strict: refuse fields that are unknown; without it they are passed over, as Optuna does.

        Raises:
            ValueError: the rule that it breaks.
        """
        code = entry["op_code"]
        if not _is_count(code) or code >= len(OPERATIONS):
            raise ValueError(f"op_code {code!r:.40} is no operation of an Optuna journal")
        fields = {"worker_id": TEXT, **OPERATIONS[code]}
        for name, kind in fields.items():
            if name not in entry:
                raise ValueError(f"{name} is missing")
            _demand(name, entry[name], kind)
        for name, value in entry.items():
            if strict and name not in fields and name not in OPTIONAL and name != "op_code":
                raise ValueError(f"unknown field {name!r:.40}")
            if value is not None and name in OPTIONAL and name not in fields:
                _demand(name, value, OPTIONAL[name])
        study = self._study(entry["study_id"]) if "study_id" in fields else None
        trial = self._trial(entry["trial_id"]) if "trial_id" in fields else None
        if code == CREATE_STUDY:
            self._create_study(entry)
        elif code == DELETE_STUDY:
            self._studies[entry["study_id"]] = None
        elif code == CREATE_TRIAL and study is not None:
            self._create_trial(entry, study)
        elif study is not None:
            _set_study_attribute(study, entry)
        elif trial is not None and not _is_final(trial, entry):
            _set_trial(trial, entry)
        self._last = entry

    def _study(self, number: int) -> _Study:
        found = self._studies[number] if number < len(self._studies) else None
        if found is None:
            raise ValueError(f"no study {number} before this line")
        return found

    def _trial(self, number: int) -> _Trial:
        if number >= len(self._trials):
            raise ValueError(f"no trial {number} before this line")
        return self._trials[number]

    def _create_study(self, entry: dict[str, Any]) -> None:
        """A study that there is already is opened again, which Optuna notes in the same way."""
        directions = entry["directions"]
        if not directions or any(not _is_integer(one) or one not in (1, 2) for one in directions):
            raise ValueError(f"directions must be 1 (minimize) or 2 (maximize), not {directions!r:.60}")
        named = [study for study in self._studies if study is not None and study.name == entry["study_name"]]
        if not named:
            self._studies.append(_Study(entry["study_name"], directions))
        elif named[0].directions != directions:
            raise ValueError(f"study {entry['study_name']!r:.60} had the directions {named[0].directions} before")

    def _create_trial(self, entry: dict[str, Any], study: _Study) -> None:
        begun = entry.get("datetime_start")
        if entry == self._last or (begun is not None and (entry["study_id"], begun) in self._times):
            raise ValueError("repeats the line that began an earlier trial")
        self._times.add((entry["study_id"], str(begun)))
        state = RUNNING if entry.get("state") is None else entry["state"]
        if state > WAITING:
            raise ValueError(f"state {state} is none of a trial")
        kinds = {name: read_distribution(text) for name, text in (entry.get("distributions") or {}).items()}
        for name, value in (entry.get("params") or {}).items():
            if name not in kinds:
                raise ValueError(f"parameter {name!r:.60} has no distribution")
            _check_param(study, name, value, kinds[name])
        for step, value in (entry.get("intermediate_values") or {}).items():
            if not step.lstrip("-").isdigit() or not _is_number(value):
                raise ValueError(f"intermediate value {step!r:.20}: {value!r:.40} is no number of a step")
        trial = _Trial(study, study.trials, state, {})
        for name, value in (entry.get("user_attrs") or {}).items():
            _set_attribute(trial, name, value)
        for name, value in (entry.get("system_attrs") or {}).items():
            _demand_attribute("system attribute", name, value, SYSTEM_ATTRIBUTES)
        if study.name == "ablation":
            _demand_names(trial)
        if state == COMPLETE:
            value = entry.get("value")
            _finish(trial, entry.get("values") if value is None else [value])
        study.trials += 1
        self._trials.append(trial)


def _is_final(trial: _Trial, entry: dict[str, Any]) -> bool:
    """Whether the trial is finished, so that Optuna passes over what is said of it.

    Raises:
        ValueError: it would finish, or begin, a second time.
    """
    if trial.state not in FINISHED:
        return False
    if entry["op_code"] == SET_STATE:
        raise ValueError(f"{trial.title} is finished already")
    return True


def _set_trial(trial: _Trial, entry: dict[str, Any]) -> None:
    code = entry["op_code"]
    if code == SET_PARAM:
        kind = read_distribution(entry["distribution"])
        _check_param(trial.study, entry["param_name"], entry["param_value_internal"], kind)
    elif code == SET_STATE:
        _set_state(trial, entry)
    elif code in (SET_ATTRIBUTE, SET_ATTRIBUTE + 1):
        ((name, value),) = _single(entry, "user_attr" if code == SET_ATTRIBUTE else "system_attr")
        if code == SET_ATTRIBUTE:
            _set_attribute(trial, name, value)
        else:
            _demand_attribute("system attribute", name, value, SYSTEM_ATTRIBUTES)


def _set_state(trial: _Trial, entry: dict[str, Any]) -> None:
    state = entry["state"]
    if state > WAITING:
        raise ValueError(f"state {state} is none of a trial")
    when = "datetime_start" if state == RUNNING else "datetime_complete" if state in FINISHED else ""
    if when:
        _demand(when, entry.get(when), TIME)
    if "values" not in entry:
        raise ValueError("values is missing")
    if state == COMPLETE:
        _finish(trial, entry["values"])
    trial.state = state


def _finish(trial: _Trial, values: object) -> None:
    """Check what a complete trial has: a finite value per objective, as its attributes record it, and a layout."""
    study, attributes = trial.study, trial.attributes
    numbers = cast("list[Any]", values) if isinstance(values, list) else []
    if len(numbers) != len(study.directions) or not all(_is_number(one) and math.isfinite(one) for one in numbers):
        raise ValueError(f"{trial.title} needs {plural(len(study.directions), 'finite value')}, not {values!r:.60}")
    _demand_names(trial)
    metrics = attributes.get("metrics") or attributes
    for name, value in zip(study.objectives, numbers, strict=False):
        known = metrics.get(name)
        if study.name in ("search", "baseline") and known is not None and not math.isclose(known, value, rel_tol=1e-9):
            raise ValueError(f"{trial.title} has {name} {value!r}, but recorded {known!r}")


def _demand_names(trial: _Trial) -> None:
    for name in NEEDED.get(trial.study.name, ()):
        if trial.attributes.get(name) is None:
            raise ValueError(f"{trial.title} names no {name}")


def _set_study_attribute(study: _Study, entry: dict[str, Any]) -> None:
    own = "user_attr" in entry
    ((name, value),) = _single(entry, "user_attr" if own else "system_attr")
    _demand_attribute("study attribute", name, value, STUDY_ATTRIBUTES if own else SYSTEM_ATTRIBUTES)
    if own and name == "objectives" and value:
        study.objectives = tuple(value)
    if own and name == "own_metrics" and value:
        names = [one.get("name") for one in value if isinstance(one, dict)]
        study.numbers = NUMBERS | {name for name in names if isinstance(name, str)}


def _set_attribute(trial: _Trial, name: str, value: object) -> None:
    kinds = TRIAL_ATTRIBUTES if name in TRIAL_ATTRIBUTES or name not in trial.study.numbers else {name: NUMBER}
    _demand_attribute("trial attribute", name, value, kinds)
    copied = trial.study.name == "baseline" and name == "requeued_from"  # earlier versions copied that of the search
    if name in EARLIER and not copied and value is not None and cast("int", value) >= trial.number:
        raise ValueError(f"{trial.title} names trial {value} as {name}, which is none before it")
    trial.attributes[name] = value


def _check_param(study: _Study, name: str, value: object, kind: BaseDistribution) -> None:
    try:
        if (known := study.kinds.setdefault(name, kind)) is not kind:
            check_distribution_compatibility(known, kind)
    except ValueError:
        raise ValueError(f"parameter {name!r:.60} has other options than in trials before") from None
    if isinstance(kind, CategoricalDistribution):
        fits = _is_number(value) and value in range(len(kind.choices))
    else:
        low, high = (kind.low, kind.high) if isinstance(kind, IntDistribution | FloatDistribution) else (0, 0)
        fits = _is_number(value) and low <= cast("float", value) <= high
    if not fits:
        raise ValueError(f"parameter {name!r:.60} has the value {value!r:.40}, which is none of its own")


@lru_cache(maxsize=4096)
def read_distribution(text: str) -> BaseDistribution:
    """The distribution that a text in Optuna's form is; the same object for the same text.

    Raises:
        ValueError: it is none.
    """
    try:
        return json_to_distribution(text)
    except Exception:
        raise ValueError(f"{text!r:.60} is no distribution of parameters") from None


def _single(entry: dict[str, Any], key: str) -> list[tuple[str, Any]]:
    items = list(cast("dict[str, Any]", entry[key]).items())
    if len(items) != 1:
        raise ValueError(f"{key} must hold one attribute, not {len(items)}")
    return items


def _demand_attribute(noun: str, name: str, value: object, kinds: Mapping[str, Kind]) -> None:
    if name in kinds and value is not None:
        _demand(f"{noun} {name}", value, kinds[name])


def _demand(name: str, value: object, kind: Kind) -> None:
    fits, words = kind
    if not fits(value):
        raise ValueError(f"{name} must be {words}, not {value!r:.40}")
