"""Trials of a run, read from its journal."""

from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState


def trials_of(run: Path, name: str = "search") -> list[FrozenTrial]:
    storage = JournalStorage(JournalFileBackend(str(run / "journal.log")))
    return optuna.load_study(study_name=name, storage=storage).get_trials()


def trained(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    return [t for t in trials if t.state == TrialState.COMPLETE and "duplicate_of" not in t.user_attrs]
