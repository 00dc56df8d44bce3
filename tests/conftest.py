"""What tests of every package share: the command line, run in this process, and the journal of an ablation."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from archspec.cli import main


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs `archspec` with arguments: (exit code, stdout, stderr); a traceback is a failure whatever the test asks."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["archspec", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            main()
        out = capsys.readouterr()
        assert "Traceback" not in out.err
        return int(done.value.code or 0), out.out, out.err

    return call


@pytest.fixture(scope="session")
def write_journal() -> Callable[..., Path]:
    """Writes the journal of an ablation as the engine leaves it, without any training; see `_write_journal`."""
    return _write_journal


def _write_journal(
    run: Path,
    views: Iterable[Mapping[str, Any]],
    scores: Mapping[str, Mapping[int, float]],
    failures: Iterable[tuple[str, int, Mapping[str, Any]]] = (),
    *,
    name: str = "ablation",
    **attributes: Any,
) -> Path:
    """Write `run`/journal.log and return `run`.

    Args:
        run: the folder, which must not exist.
        views: as plans keep them; what is left out of a view or of its rows is made up. A row needs `run`.
        scores: run to seed to score, a fraction; it is recorded as validation and as test accuracy.
        failures: run, seed and attributes of trainings that failed, all before those of `scores`.
        name: of the study.
        attributes: of the study, in place of those made up.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage
    from optuna.trial import TrialState, create_trial

    run.mkdir(parents=True)
    storage = JournalStorage(JournalFileBackend(str(run / "journal.log")))
    study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
    shown = [_view(view) for view in views]
    plan = {"name": run.name, "description": "", "base": "tiny", "base_digest": "0" * 16, "notes": [], "views": shown}
    metric = {"name": "accuracy", "label": "top-1 accuracy", "dataset": "cluttered_digits", "benchmark": None}
    said = {"metric": metric, "objectives": ["accuracy"], "score": "test", "seed": 0, "seeds": 5, "archspec": "0.1.0"}
    for key, value in (said | {"paired": True, "looks": None, "plan": plan} | attributes).items():
        study.set_user_attr(key, value)
    rows = {row["run"]: row for view in shown for row in view["rows"]}
    for key, seed, lost in failures:
        study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={**_key(rows[key], seed), **lost}))
    for key, known in scores.items():
        for seed, score in known.items():
            metrics = {"accuracy": score, "test_accuracy": score, "train_seconds": 10.0}
            study.add_trial(create_trial(value=score, user_attrs={**_key(rows[key], seed), "metrics": metrics}))
    return run


def _view(view: Mapping[str, Any]) -> dict[str, Any]:
    made = {"type": "enumerate", "title": view["name"], "factors": [], "generators": []}
    return {**made, **view, "rows": [_row(row) for row in view["rows"]]}


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    made = {"label": row["run"], "edits": [], "digest": row["run"], "code": "HR1x8", "resolution": 64, "against": None}
    costs = {"params": 2_000_000, "macs": 300_000_000, "activations": 1_000_000}
    return {**made, **costs, "training": {}, **row}


def _key(row: Mapping[str, Any], seed: int) -> dict[str, Any]:
    return {"run": row["run"], "digest": row["digest"], "code": row["code"], "seed": seed}
