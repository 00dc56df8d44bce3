"""The run's only store: Optuna studies in one journal file, written by one process at a time."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from archspec.cost.metrics import Direction, Metric, find_metric
from archspec.errors import RunError, SpecError
from archspec.files.journal import RunStorage, open_journal
from archspec.files.os_errors import unwritable
from archspec.files.output import append_bytes
from search.run.worker import Report

QUEUE = frozenset({"attempt", "queued", "requeued", "requeued_from"})
"""Attributes of a trial that say how it came to be tried again."""
MAX_ATTEMPTS = 3
"""Workers that one layout may kill."""
BLOCK = 1 << 16
"""Bytes that are read at a time from the end of a journal."""
REMEDY = "moved away, the same command begins a new one from the results in artifacts/"
"""What to do with a journal that cannot be read."""


def lock_run(root: Path) -> FileLock:
    """The lock of a run, held; the system drops it when the process ends, however it ends.

    Raises:
        SpecError: another process holds it, or the folder cannot be written.
        RunError: the disk is full.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(root / "lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise SpecError("another archspec process is at work on this run", source=str(root)) from None
    except OSError as error:
        raise unwritable(error, root) from None
    return lock


def open_storage(root: Path) -> RunStorage:
    """The journal of a run whose lock is held; a line that a killed process left unfinished is moved aside.

    Raises:
        RunError: the journal is damaged; it is left as it is.
        OSError: it cannot be read or written.
    """
    path = root / "journal.log"
    if path.exists():
        _cut_torn_line(path)
    # A killed process may have left a lock of Optuna's own; the run's lock says that nobody holds it.
    Path(f"{path}.lock").unlink(missing_ok=True)
    try:
        return open_journal(path)
    except RunError as error:
        raise RunError(f"{error} ({REMEDY})" if "damaged" in str(error) else str(error)) from None


def open_study(
    storage: RunStorage, name: str, objectives: list[str], attrs: dict[str, Any], own: Sequence[Metric] = ()
) -> Study:
    """The study called `name`, created if it does not exist.

    Args:
        storage: of the run.
        name: of the study.
        objectives: names of metrics, which say the directions; Optuna's own tables and plots show them.
        attrs: attributes of the study.
        own: metrics of the evaluator beside those of the catalog, kept as the attribute `own_metrics`.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    directions: list[Direction] = [find_metric(objective, own).direction for objective in objectives]
    study = optuna.create_study(storage=storage, study_name=name, directions=directions, load_if_exists=True)
    if study.metric_names != objectives:  # so in studies of earlier versions, too
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna marks it as experimental
            study.set_metric_names(objectives)
    fields = ("name", "title", "unit", "direction")
    stated = [{field: getattr(metric, field) for field in fields} for metric in own]
    for key, value in (attrs | ({"own_metrics": stated} if stated else {})).items():
        if study.user_attrs.get(key) != value:
            study.set_user_attr(key, value)
    return study


def unfinished(study: Study) -> list[FrozenTrial]:
    """Trials that a stopped or killed process left running."""
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def queued_again(study: Study) -> frozenset[int]:
    """Numbers of the trials whose place another one took; a finished trial itself cannot say so in its attributes."""
    trials = study.get_trials(deepcopy=False)
    own = (trial.user_attrs for trial in trials if "copied_from" not in trial.user_attrs)
    return frozenset(attrs["requeued_from"] for attrs in own if "requeued_from" in attrs)


def failed_for_good(study: Study) -> list[FrozenTrial]:
    """Trials that failed, that are not tried again, and whose evaluation no other trial completed."""
    again = queued_again(study)
    trials = study.get_trials(deepcopy=False)
    done = {_evaluation(trial) for trial in trials if trial.state == TrialState.COMPLETE}
    failed = [trial for trial in trials if trial.state == TrialState.FAIL and not trial.user_attrs.get("requeued")]
    return [trial for trial in failed if trial.number not in again and _evaluation(trial) not in done]


def _evaluation(trial: FrozenTrial) -> tuple[object, ...]:
    """What is evaluated once; a trial that was given up before it had a layout is alone."""
    attrs = trial.user_attrs
    return (attrs["digest"], attrs.get("run"), attrs.get("seed")) if "digest" in attrs else (trial.number,)


def waiting(study: Study) -> list[FrozenTrial]:
    """Trials that are queued: the study answers with them before it asks its sampler."""
    return study.get_trials(deepcopy=False, states=(TrialState.WAITING,))


def find_trial(study: Study, number: int) -> FrozenTrial:
    """A trial as it is recorded."""
    storage, own = study._storage, study._study_id  # pyright: ignore[reportPrivateUsage]  # without a list of all
    return storage.get_trial(storage.get_trial_id_from_study_id_trial_number(own, number))


def first_number(study: Study, number: int) -> int:
    """Number of the trial that a trial, queued again perhaps more than once, takes the place of; or its own."""
    while (before := find_trial(study, number).user_attrs.get("requeued_from")) is not None:
        number = before
    return number


def held(storage: BaseStorage) -> AbstractContextManager[None]:
    """A context in which the storage of a run holds back what is written; see `RunStorage`."""
    return storage.held() if isinstance(storage, RunStorage) else nullcontext()


def note(trial: Trial, attrs: Mapping[str, Any]) -> None:
    """Set user attributes of a trial that was asked for by this process, those that it does not have so already."""
    known = trial.user_attrs
    for key, value in attrs.items():
        if key not in known or known[key] != value or type(known[key]) is not type(value):
            trial.set_user_attr(key, value)


def annotate(storage: BaseStorage, study: Study, number: int, attrs: dict[str, Any]) -> None:
    """Set user attributes of an unfinished trial by its number."""
    study_id = storage.get_study_id_from_name(study.study_name)
    trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, number)
    for key, value in attrs.items():
        storage.set_trial_user_attr(trial_id, key, value)


def requeue(
    storage: BaseStorage,
    study: Study,
    number: int,
    queued: dict[str, Any],
    attrs: dict[str, Any],
    kept: dict[str, Any],
    report: Report,
) -> bool:
    """Record a running trial as failed, and queue it again unless it keeps killing its worker; whether it is queued.

    Args:
        storage: of the study; a trial of a process that is gone has no Trial object here.
        study: that the trial belongs to.
        number: of the trial.
        queued: the parameters to queue again; nothing is queued where there are none.
        attrs: the trial's attributes.
        kept: attributes that the new trial takes over.
        report: on its end; a worker that ended by itself counts as one of `MAX_ATTEMPTS`.
    """
    attempt = int(attrs.get("attempt", 1)) + (report.kind == "died")
    again = bool(queued) and attempt <= MAX_ATTEMPTS
    annotate(storage, study, number, {"failure": report.text} | ({"requeued": True} if again else {}))
    if again:  # before the trial is closed: a kill in between queues it twice, which the record answers
        study.enqueue_trial(queued, user_attrs={"attempt": attempt, "requeued_from": number, **kept})
    study.tell(number, state=TrialState.FAIL)
    return again


def copy_start_up(source: Study, target: Study, count: int) -> None:
    """Give a new baseline the trials that the search itself drew uniformly at random, up to `count`."""
    if target.get_trials(deepcopy=False):
        return
    drawn = [
        trial
        for trial in source.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if trial.user_attrs.get("arm") == "random" and "duplicate_of" not in trial.user_attrs
    ]
    for trial in drawn[:count]:
        # The way of the trial into the search says nothing of the baseline, whose numbers are others.
        attrs = {key: value for key, value in trial.user_attrs.items() if key not in QUEUE}
        attrs["copied_from"] = trial.number
        target.add_trial(
            create_trial(
                params=trial.params,
                distributions=trial.distributions,
                values=trial.values,
                user_attrs=attrs,
                intermediate_values=trial.intermediate_values,
            )
        )


def _cut_torn_line(path: Path) -> None:
    with path.open("r+b") as file:
        place = end = file.seek(0, os.SEEK_END)
        tail = b""
        while place and b"\n" not in tail:
            place = max(0, place - BLOCK)
            file.seek(place)
            tail = file.read(end - place)
        whole = place + tail.rfind(b"\n") + 1
        if whole == end:
            return
        append_bytes(path.with_suffix(".torn"), tail[whole - place :] + b"\n")
        file.truncate(whole)
