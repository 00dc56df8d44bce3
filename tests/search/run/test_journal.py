"""Studies as Optuna keeps them: names and directions of objectives, and the evaluator's own metrics."""

import optuna
from optuna.storages import InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection

from archspec.cost.metrics import Metric
from search.run.journal import open_study

OWN = (Metric("top5", "Top-5", "%", "maximize"), Metric("energy_j", "Energy", "J"))


def test_objectives_give_names_and_directions():
    study = open_study(InMemoryStorage(), "search", ["energy_j", "top5", "accuracy", "latency_ms"], {}, OWN)  # pyright: ignore
    assert study.metric_names == ["energy_j", "top5", "accuracy", "latency_ms"]
    up, down = StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE
    assert study.directions == [down, up, up, down]
    assert study.user_attrs["own_metrics"] == [
        {"name": "top5", "title": "Top-5", "unit": "%", "direction": "maximize"},
        {"name": "energy_j", "title": "Energy", "unit": "J", "direction": "minimize"},
    ]
    assert "own_metrics" not in open_study(InMemoryStorage(), "search", ["accuracy"], {}).user_attrs  # pyright: ignore


def test_opening_again_writes_nothing_and_a_study_without_names_gets_them(tmp_path):
    path = tmp_path / "journal.log"

    def storage() -> JournalStorage:
        return JournalStorage(JournalFileBackend(str(path)))

    optuna.create_study(storage=storage(), study_name="search", directions=["maximize", "minimize"])
    assert open_study(storage(), "search", ["accuracy", "macs"], {"seed": 1}).metric_names == ["accuracy", "macs"]
    written = path.read_bytes()
    open_study(storage(), "search", ["accuracy", "macs"], {"seed": 1})
    again = path.read_bytes()
    assert again.startswith(written)
    assert b"metric_names" not in again[len(written) :]
    assert b"user_attr" not in again[len(written) :]
