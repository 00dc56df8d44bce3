"""A run's journal as a storage of Optuna's that writes what belongs together in one step.

The lines are entries of Optuna's own journal storage, which reads them. What is said within `held` takes one write
and one wait for the disk, at the next `flush`, and a trial that begins there is one line, with the parameters and
attributes that it is given. Outside, each operation is written at once, as Optuna does it.
"""

from __future__ import annotations

import copy
import json
import threading
import uuid
from collections.abc import Container, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, final

from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from archspec.errors import RunError
from archspec.files.journal_lines import JournalFile
from archspec.files.journal_state import JournalState, StudyState

(
    CREATE_STUDY,
    DELETE_STUDY,
    SET_STUDY_USER_ATTR,
    SET_STUDY_SYSTEM_ATTR,
    CREATE_TRIAL,
    SET_PARAM,
    SET_STATE,
    SET_INTERMEDIATE,
    SET_USER_ATTR,
    SET_SYSTEM_ATTR,
) = range(10)
"""Operations, as Optuna's journal numbers them."""
FOUNDING = (CREATE_STUDY, DELETE_STUDY, CREATE_TRIAL)
"""Operations by whose order others are numbered."""


@final
class RunStorage(BaseStorage):
    """The storage of a run whose one writer is this process; other programs may append attributes.

    Args:
        lines: of the journal, none of them read yet.

    Raises:
        RunError: a line is damaged.
        OSError: the file cannot be read.
    """

    def __init__(self, lines: JournalFile) -> None:
        self._lines, self._state = lines, JournalState()
        self._guard = threading.RLock()
        self._worker = f"{uuid.uuid4()}-{threading.get_ident()}"
        self._depth = 0
        self._pending: list[dict[str, Any]] = []
        self._fresh: dict[int, dict[str, Any]] = {}
        self._began = datetime.fromtimestamp(0, UTC)
        self._sync()

    @contextmanager
    def held(self) -> Generator[None]:
        """Hold back what is written within until the next `flush`, or the next operation outside."""
        with self._guard:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1

    def flush(self) -> None:
        """Write what was held back.

        Raises:
            OSError: as the system has it; nothing is lost, and another call tries again.
            RunError: another program added a study or a trial meanwhile.
        """
        with self._guard:
            if not self._pending:
                return
            if self._lines.grown:
                ours = any(entry["op_code"] in FOUNDING for entry in self._pending)
                for entry in self._lines.read():
                    if ours and entry["op_code"] in FOUNDING:
                        rule = "another program added a trial while this run did: start the run again"
                        raise RunError(f"{self._lines.path}: {rule}")
                    self._state.apply(entry, own=False)
            self._lines.append(self._pending)
            self._pending, self._fresh = [], {}

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        name = study_name or f"no-name-{uuid.uuid4()}"
        self._write(CREATE_STUDY, {"study_name": name, "directions": [int(one) for one in directions]})
        return len(self._state.studies) - 1

    def delete_study(self, study_id: int) -> None:
        self._write(DELETE_STUDY, {"study_id": study_id})

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self._write(SET_STUDY_USER_ATTR, {"study_id": study_id, "user_attr": {key: value}})

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._write(SET_STUDY_SYSTEM_ATTR, {"study_id": study_id, "system_attr": {key: value}})

    def get_study_id_from_name(self, study_name: str) -> int:
        self._sync()
        for number, study in enumerate(self._state.studies):
            if study is not None and study.name == study_name:
                return number
        raise KeyError("Record does not exist.")

    def get_study_name_from_id(self, study_id: int) -> str:
        return self._study(study_id).name

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._study(study_id).directions

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self._study(study_id).user_attrs

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self._study(study_id).system_attrs

    def get_all_studies(self) -> list[FrozenStudy]:
        self._sync()
        found = [(number, study) for number, study in enumerate(self._state.studies) if study is not None]
        return [
            FrozenStudy(
                study_name=study.name,
                direction=None,
                directions=list(study.directions),
                user_attrs=copy.deepcopy(study.user_attrs),
                system_attrs=copy.deepcopy(study.system_attrs),
                study_id=number,
            )
            for number, study in found
        ]

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        fields: dict[str, Any] = {"study_id": study_id, "datetime_start": self._begin()}
        if template_trial is not None:
            one, values = template_trial, template_trial.values
            fields |= {"state": int(one.state)} | _as_result(values)
            fields["datetime_start"] = None if one.datetime_start is None else _text_of(one.datetime_start)
            if one.datetime_complete is not None:
                fields["datetime_complete"] = _text_of(one.datetime_complete)
            kinds = one.distributions
            fields["distributions"] = {name: distribution_to_json(kind) for name, kind in kinds.items()}
            fields["params"] = {name: kinds[name].to_internal_repr(value) for name, value in one.params.items()}
            fields |= {"user_attrs": one.user_attrs, "system_attrs": one.system_attrs}
            fields["intermediate_values"] = one.intermediate_values
        self._write(CREATE_TRIAL, fields)
        return len(self._state.places) - 1

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        fields = {"param_name": param_name, "param_value_internal": param_value_internal}
        self._write(SET_PARAM, {"trial_id": trial_id, **fields, "distribution": distribution_to_json(distribution)})

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        fields: dict[str, Any] = {"trial_id": trial_id, "state": int(state), "values": values}
        if state == TrialState.RUNNING:
            self._sync()
            if self._state.check_open(trial_id).state != TrialState.WAITING:
                return False
            fields["datetime_start"] = self._begin()
        elif state.is_finished():
            fields["datetime_complete"] = _text_of(datetime.now(UTC))
        self._write(SET_STATE, fields)
        return True

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        self._write(SET_INTERMEDIATE, {"trial_id": trial_id, "step": step, "intermediate_value": intermediate_value})

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._write(SET_USER_ATTR, {"trial_id": trial_id, "user_attr": {key: value}})

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._write(SET_SYSTEM_ATTR, {"trial_id": trial_id, "system_attr": {key: value}})

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        trials = self._study(study_id).trials
        if not 0 <= trial_number < len(trials):
            raise KeyError(f"No trial with {trial_number=} exists in study with {study_id=}.")
        return trials[trial_number]._trial_id  # pyright: ignore[reportPrivateUsage]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        self._sync()
        return self._state.trial(trial_id)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        found = self._study(study_id).select(states)
        return copy.deepcopy(found) if deepcopy else found

    def _study(self, number: int) -> StudyState:
        self._sync()
        return self._state.study(number)

    def _sync(self) -> None:
        """Take what other programs have written, unless something is held back, which would then be numbered anew."""
        with self._guard:
            if not self._pending and self._lines.grown:
                for entry in self._lines.read():
                    self._state.apply(entry, own=False)

    def _write(self, code: int, fields: dict[str, Any]) -> None:
        with self._guard:
            self._sync()
            asked = {"op_code": code, "worker_id": self._worker, **fields}
            entry: dict[str, Any] = json.loads(json.dumps(asked))  # as it will be read
            self._state.apply(entry, own=True)
            if entry.get("trial_id") in self._fresh:
                _merge(self._fresh[entry["trial_id"]], entry)
            else:
                self._pending.append(entry)
            if code == CREATE_TRIAL:
                self._fresh[len(self._state.places) - 1] = entry
            if not self._depth:
                self.flush()

    def _begin(self) -> str:
        """The time, later than that of any trial that began before: an entry is known by it."""
        self._began = max(datetime.now(UTC), self._began + timedelta(microseconds=1))
        return _text_of(self._began)


def open_journal(path: Path) -> RunStorage:
    """The storage in the journal at `path`, read to its end.

    Raises:
        RunError: it cannot be read, or is damaged; the message has the line, and the file is left as it is.
    """
    lines = JournalFile(path)
    try:
        return RunStorage(lines)
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError, ArithmeticError, OptunaError) as error:
        raise lines.refuse(error) from None


def _merge(begun: dict[str, Any], entry: dict[str, Any]) -> None:
    """Put what an entry says of a trial into the one that begins it."""
    code = entry["op_code"]
    if code == SET_STATE:
        begun |= {name: entry[name] for name in ("state", "datetime_start", "datetime_complete") if name in entry}
        if entry["values"] is not None:
            begun |= _as_result(entry["values"])
        return
    names = ("user_attrs", "system_attrs", "intermediate_values", "params", "distributions")
    for name in names:
        begun[name] = begun.get(name) or {}
    if code == SET_PARAM:
        begun["params"][entry["param_name"]] = entry["param_value_internal"]
        begun["distributions"][entry["param_name"]] = entry["distribution"]
    elif code == SET_INTERMEDIATE:
        begun["intermediate_values"][str(entry["step"])] = entry["intermediate_value"]
    elif code == SET_USER_ATTR:
        begun["user_attrs"] |= entry["user_attr"]
    else:
        begun["system_attrs"] |= entry["system_attr"]


def _as_result(values: Sequence[float] | None) -> dict[str, Any]:
    """The objectives of a trial as the entry that begins it has them: one alone, several as a list."""
    if values is not None and len(values) == 1:
        return {"value": values[0], "values": None}
    return {"value": None, "values": values}


def _text_of(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")
