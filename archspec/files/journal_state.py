"""Studies and trials in memory, as the entries of an Optuna journal leave them.

A trial is never changed but replaced, so that what was handed out stays as it was. What is asked at every proposal
costs nothing that grows with the trials: one trial, those that wait, those under way, and a list of all, copied whole.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, final

from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from archspec.files.journal_entries import read_distribution

OPEN = (TrialState.RUNNING, TrialState.WAITING)
"""States of trials of which there are few."""
Entry = Mapping[str, Any]


@final
@dataclass(slots=True)
class StudyState:
    """A study: its directions, its attributes, and its trials by number.

    Attributes:
        name, directions, user_attrs, system_attrs: as Optuna has them.
        trials: by number.
        open: numbers of the trials that run, and of those that wait.
        kinds: the distribution that each parameter had first.
    """

    name: str
    directions: list[StudyDirection]
    user_attrs: dict[str, Any] = field(default_factory=dict[str, Any])
    system_attrs: dict[str, Any] = field(default_factory=dict[str, Any])
    trials: list[FrozenTrial] = field(default_factory=list[FrozenTrial])
    open: dict[TrialState, set[int]] = field(default_factory=lambda: {state: set[int]() for state in OPEN})
    kinds: dict[str, BaseDistribution] = field(default_factory=dict[str, BaseDistribution])

    def select(self, states: Container[TrialState] | None) -> list[FrozenTrial]:
        """The trials in some states, by number; all where there are none."""
        if states is None:
            return self.trials.copy()
        if any(state in states for state in TrialState if state not in OPEN):
            return [trial for trial in self.trials if trial.state in states]
        found = set[int]().union(*(self.open[state] for state in OPEN if state in states))
        return [self.trials[number] for number in sorted(found)]

    def put(self, trial: FrozenTrial) -> None:
        """Put a trial in the place of its number, which may be the next one."""
        if trial.number == len(self.trials):
            self.trials.append(trial)
        else:
            before = self.trials[trial.number].state
            if before in OPEN:
                self.open[before].discard(trial.number)
            self.trials[trial.number] = trial
        if trial.state in OPEN:
            self.open[trial.state].add(trial.number)


@final
class JournalState:
    """Studies and trials of a journal so far.

    Attributes:
        studies: by their number; None for one that was deleted.
        places: of each trial of the journal, its study and its number there.
    """

    def __init__(self) -> None:
        self.studies: list[StudyState | None] = []
        self.places: list[tuple[StudyState, int]] = []
        self._operations: tuple[Callable[[Entry], None], ...] = (
            self._create_study,
            self._delete_study,
            *[self._set_study_attribute] * 2,
            self._create_trial,
            self._set_param,
            self._set_state,
            self._set_intermediate,
            *[self._set_attribute] * 2,
            self._pass,
        )

    def study(self, number: int) -> StudyState:
        """The study with a number.

        Raises:
            KeyError: there is none.
        """
        found = self.studies[number] if 0 <= number < len(self.studies) else None
        if found is None:
            raise KeyError("Record does not exist.")
        return found

    def trial(self, identity: int) -> FrozenTrial:
        """The trial with a number in the journal.

        Raises:
            KeyError: there is none.
        """
        if not 0 <= identity < len(self.places):
            raise KeyError("Record does not exist.")
        study, number = self.places[identity]
        return study.trials[number]

    def apply(self, entry: Entry, *, own: bool) -> None:
        """Take one more entry.

        Args:
            entry: with the fields of its operation.
            own: raise for what breaks a rule; of another program's, Optuna passes it over.

        Raises:
            KeyError: it is of a study or a trial that does not exist.
            DuplicatedStudyError: it begins a study that exists.
            UpdateFinishedTrialError: it changes a trial that is finished.
            ValueError: it gives a parameter other options than it had.
        """
        try:
            self._operations[entry["op_code"]](entry)
        except (KeyError, DuplicatedStudyError, UpdateFinishedTrialError, ValueError):
            if own:
                raise

    def check_open(self, identity: int) -> FrozenTrial:
        """A trial that may be changed.

        Raises:
            KeyError: there is none.
            UpdateFinishedTrialError: it is finished.
        """
        trial = self.trial(identity)
        if trial.state.is_finished():
            raise UpdateFinishedTrialError(f"Trial#{trial.number} has already finished and can not be updated.")
        return trial

    def _create_study(self, entry: Entry) -> None:
        name = entry["study_name"]
        if any(study is not None and study.name == name for study in self.studies):
            raise DuplicatedStudyError
        self.studies.append(StudyState(name, [StudyDirection(one) for one in entry["directions"]]))

    def _delete_study(self, entry: Entry) -> None:
        self.study(entry["study_id"])
        self.studies[entry["study_id"]] = None

    def _set_study_attribute(self, entry: Entry) -> None:
        study = self.study(entry["study_id"])
        if "user_attr" in entry:
            study.user_attrs = {**study.user_attrs, **entry["user_attr"]}
        else:
            study.system_attrs = {**study.system_attrs, **entry["system_attr"]}

    def _create_trial(self, entry: Entry) -> None:
        study = self.study(entry["study_id"])
        kinds = {name: read_distribution(text) for name, text in (entry.get("distributions") or {}).items()}
        for name, kind in kinds.items():
            study.kinds.setdefault(name, kind)
        number, state = len(study.trials), TrialState(entry.get("state") or 0)
        study.put(
            FrozenTrial(
                number=number,
                state=state,
                value=entry.get("value"),
                values=entry.get("values"),
                datetime_start=_time(entry.get("datetime_start")),
                datetime_complete=_time(entry.get("datetime_complete")),
                params={name: kinds[name].to_external_repr(one) for name, one in (entry.get("params") or {}).items()},
                distributions=kinds,
                user_attrs=dict(entry.get("user_attrs") or {}),
                system_attrs=dict(entry.get("system_attrs") or {}),
                intermediate_values={int(step): one for step, one in (entry.get("intermediate_values") or {}).items()},
                trial_id=len(self.places),
            )
        )
        self.places.append((study, number))

    def _set_param(self, entry: Entry) -> None:
        trial, name, kind = self._copy(entry), entry["param_name"], read_distribution(entry["distribution"])
        study, _ = self.places[entry["trial_id"]]
        known = study.kinds.setdefault(name, kind)
        if known is not kind:
            check_distribution_compatibility(known, kind)
        trial.params = {**trial.params, name: kind.to_external_repr(entry["param_value_internal"])}
        trial.distributions = {**trial.distributions, name: kind}
        self._replace(entry, trial)

    def _set_state(self, entry: Entry) -> None:
        trial, state = self._copy(entry), TrialState(entry["state"])
        if state == trial.state == TrialState.RUNNING:
            return  # another process has it
        if state == TrialState.RUNNING:
            trial.datetime_start = _time(entry["datetime_start"])
        if state.is_finished():
            trial.datetime_complete = _time(entry["datetime_complete"])
        trial.state = state
        if entry["values"] is not None:
            trial.values = entry["values"]
        self._replace(entry, trial)

    def _set_intermediate(self, entry: Entry) -> None:
        trial = self._copy(entry)
        trial.intermediate_values = {**trial.intermediate_values, entry["step"]: entry["intermediate_value"]}
        self._replace(entry, trial)

    def _set_attribute(self, entry: Entry) -> None:
        trial = self._copy(entry)
        if "user_attr" in entry:
            trial.user_attrs = {**trial.user_attrs, **entry["user_attr"]}
        else:
            trial.system_attrs = {**trial.system_attrs, **entry["system_attr"]}
        self._replace(entry, trial)

    def _pass(self, entry: Entry) -> None:
        del entry  # of another implementation of Optuna's storage

    def _copy(self, entry: Entry) -> FrozenTrial:
        return copy.copy(self.check_open(entry["trial_id"]))

    def _replace(self, entry: Entry, trial: FrozenTrial) -> None:
        study, _ = self.places[entry["trial_id"]]
        study.put(trial)


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone().replace(tzinfo=None)
