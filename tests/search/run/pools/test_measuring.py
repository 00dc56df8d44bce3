"""Trainings here, inference times there: one pool of two, over pools that are told what to say, and a real search."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from small_layouts import blobs

from archspec.documents.reader import Document
from archspec.errors import FieldError, RunError, SpecError
from archspec.files.journal import open_journal
from search.engines.local import LocalEngine
from search.engines.slurm import SlurmEngine
from search.evaluator import parse_evaluator
from search.identity import identity
from search.latency.session import TimingSession
from search.run.pools.engine import load_engine, settle
from search.run.pools.in_process import InProcessPool
from search.run.pools.measuring import MeasuringPool
from search.run.pools.pool import Pool
from search.run.run import conduct
from search.run.worker import TIME, TRAIN, Order, Report
from search.study.reading import parse_study

TIMED = {"search": frozenset({"latency_ms"})}
SPACE: dict[str, Any] = {
    "name": "toy",
    "resolution": 64,
    "stem": {"type": "hr_stem", "width": 8},
    "stages": [{"block": "HR", "depth": {"range": [1, 2]}, "width": 8, "expansion": 2}],
    "head": {"type": "classifier", "classes": 10},
}
STUDY: dict[str, Any] = {
    "space": SPACE,
    "name": "toy",
    "evaluator": {
        "type": "train",
        "data": "digits",
        "recipe": {"epochs": 1},
        "latency_rounds": 5,
        "latency_on": "local",
    },
    "objectives": ["accuracy", "latency_ms"],
    "sampler": "random",
    "trials": 2,
    "final": {"seeds": 0},
}


class ToldPool(Pool):
    """Workers that say what they are told."""

    def __init__(self, size: int = 2) -> None:
        self.size, self.orders, self.said, self.stopped = size, list[Order](), list[tuple[Order, Report]](), False

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped = True

    @property
    def idle(self) -> int:
        return self.size - len(self.orders)

    @property
    def busy(self) -> int:
        return len(self.orders)

    def submit(self, order: Order) -> None:
        self.orders.append(order)

    def say(self, report: Report, index: int = 0) -> None:
        self.said.append((self.orders[index], report))

    def reports(self, timeout: float):
        said, self.said = self.said, []
        for order, report in said:
            if report.kind != "progress":
                self.orders.remove(order)
            yield order, report

    def place(self, order: Order) -> tuple[str, float | None]:
        return f"worker of {order.part or 'the whole'}", None

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def pools(tmp_path):
    first, second = ToldPool(), ToldPool(1)
    return first, second, MeasuringPool(first, second, TIMED, tmp_path)


def order(seed: int = 0, **changes: Any) -> Order:
    return replace(Order({}, f"layout{seed}", seed, "search-seed0", "search"), **changes)


def hear(pool: Pool) -> list[tuple[int, str, str]]:
    return [(one.seed, report.kind, report.text) for one, report in pool.reports(0)]


DONE = Report("done", metrics={"accuracy": 0.5})


def test_an_order_is_trained_by_the_one_and_measured_by_the_other(pools):
    first, second, pool = pools
    with pool:
        given = [order(0), order(1)]
        for one in given:
            pool.submit(one)
        assert [one.part for one in first.orders] == [TRAIN, TRAIN]
        assert {one.result for one in first.orders} == {"untimed-result.json"}
        assert (pool.idle, pool.busy) == (0, 2)
        first.say(Report("progress", "epoch 1/2"))
        first.say(DONE)
        first.say(DONE, 1)
        waits = "trained, waits for its latency to be measured"
        assert hear(pool) == [(0, "progress", "epoch 1/2"), (0, "progress", waits), (1, "progress", waits)]
        assert pool.idle == 0  # measurements are not to fall behind without an end
        assert hear(pool) == []
        assert [(one.part, one.result) for one in second.orders] == [(TIME, "result.json")]
        assert (pool.idle, pool.busy) == (1, 2)
        assert [pool.place(one)[0] for one in given] == ["latency: worker of time", waits]
        second.say(Report("done", metrics={"accuracy": 0.5, "latency_ms": 2.0}))
        ((found, report),) = list(pool.reports(0))
        assert found is given[0]
        assert report.metrics == {"accuracy": 0.5, "latency_ms": 2.0}
    assert first.stopped
    assert second.stopped


def test_what_asks_for_no_inference_times_is_answered_by_the_first_alone(pools):
    first, second, pool = pools
    first.size = 4
    for one in (order(0, evaluator="cost"), order(1, place="supernet"), order(2, epochs=3, wanted=("macs",))):
        pool.submit(one)
    assert [one.part for one in first.orders] == ["", "", ""]
    pool.submit(order(3, epochs=3, wanted=("latency_ms",)))
    assert first.orders[3].result == "untimed-paused-3.json"
    for index in range(3):
        first.say(DONE, index)
    assert [kind for _, kind, _ in hear(pool)] == ["done"] * 3
    assert second.orders == []


@pytest.mark.parametrize("kind", ["lost", "died", "failed", "interrupted", "unready"])
def test_another_end_of_a_measurement_is_that_of_its_order(pools, kind):
    first, second, pool = pools
    pool.submit(order())
    first.say(DONE)
    hear(pool)
    hear(pool)
    second.say(Report(kind, "n3 is gone"))
    assert hear(pool) == [(0, kind, "measuring its latency: n3 is gone")]
    assert pool.busy == 0


def test_what_is_trained_already_is_measured_alone(pools, tmp_path):
    first, second, pool = pools
    folder = order().folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / "untimed-result.json").touch()
    pool.submit(order())
    assert (first.busy, pool.busy) == (0, 1)
    assert hear(pool) == []
    assert [one.part for one in second.orders] == [TIME]


def test_no_measurement_begins_while_the_run_stops(pools):
    first, second, pool = pools
    pool.submit(order())
    first.say(DONE)
    hear(pool)
    pool.stop()
    assert first.stopped
    assert second.stopped
    assert hear(pool) == [(0, "interrupted", "the run stopped before its latency was measured")]
    assert pool.busy == 0


@pytest.fixture
def here(monkeypatch, tmp_path):
    """Both pools work in this process, on a handful of images; the reference network is a small one."""
    path = tmp_path / "small.yaml"
    path.write_text("resolution: 64\nstem: hr_stem\nstages: [{block: HR, depth: 1, width: 8}]\nhead: classifier\n")
    monkeypatch.setattr("search.latency.reference.REFERENCE", str(path))
    monkeypatch.setattr("search.evaluators.train.load_splits", lambda data: blobs(64))
    monkeypatch.setattr(LocalEngine, "open", lambda self, evaluators, root, workers: InProcessPool(evaluators, root))


def events(root: Path) -> Counter[str]:
    lines = [line for path in root.glob("artifacts/*/*/events.jsonl") for line in path.read_text().splitlines()]
    return Counter(json.loads(line)["event"] for line in lines)


def test_a_search_whose_run_is_killed_at_a_measurement_repeats_it_alone(here, tmp_path, monkeypatch, capsys):
    models, measure = ["AMD EPYC 7B13", "NVIDIA H200"], TimingSession.evaluate
    monkeypatch.setattr("search.latency.measurement.device_model", lambda device: models.pop())
    monkeypatch.setattr(TimingSession, "evaluate", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        conduct(parse_study(Document(STUDY, "")), tmp_path)
    trained = {path: path.stat().st_mtime_ns for path in tmp_path.glob("toy/artifacts/*/*/checkpoint.pt")}
    assert len(trained) == 1
    monkeypatch.setattr(TimingSession, "evaluate", measure)
    assert conduct(parse_study(Document(STUDY, "")), tmp_path)
    assert {path: path.stat().st_mtime_ns for path in trained} == trained
    said = capsys.readouterr().err
    assert said.count("on 2 models of devices, AMD EPYC 7B13 and NVIDIA H200: milliseconds of one do not compare") == 1
    trials = open_journal(tmp_path / "toy" / "journal.log").get_all_trials(0)
    done = [one for one in trials if one.state == optuna.trial.TrialState.COMPLETE and "audited" in one.user_attrs]
    assert {one.user_attrs["devices"]["latency_ms"] for one in done} == {"AMD EPYC 7B13", "NVIDIA H200"}
    assert all(one.user_attrs["latency_ms"] == one.values[1] for one in done)
    recorded = [json.loads(path.read_text()) for path in tmp_path.glob("toy/artifacts/*/*/result.json")]
    assert {one["devices"]["latency_ms"] for one in recorded} == {"AMD EPYC 7B13", "NVIDIA H200"}
    assert events(tmp_path / "toy")["finished"] == 4  # two trainings, two measurements


def place(raw: Any, **changes: Any):
    return parse_evaluator({"type": "train", "latency_on": raw, **changes})


def test_the_place_is_no_part_of_what_a_run_was_asked():
    assert place("local").record() == place(None).record()
    assert identity(place("local")) == identity(place(None))


@pytest.mark.parametrize(
    ("raw", "changes", "message"),
    [
        ("slrum", {}, r"^latency_on.engine: unknown engine 'slrum' \(did you mean slurm\?\)$"),
        ({"engine": {"workers": 2}}, {}, "must be an engine's name, a file, or a mapping with type"),
        ({}, {}, r"^latency_on: needs engine, constraint, or both: \{engine: slurm, constraint: h200\}$"),
        (3, {}, "must be an engine's name, a file, or a mapping of engine and constraint, not 3"),
        ("local", {"latency": []}, r"says where inference times are measured, and latency: \[\] measures none$"),
    ],
)
def test_a_place_that_cannot_be_is_refused(raw, changes, message):
    with pytest.raises(FieldError, match=message):
        place(raw, **changes)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            {"constraint": "h200"},
            r"^evaluator.latency_on.constraint: goes with an engine whose nodes have kinds, such as slurm, not local",
        ),
        ({"engine": {"type": "local", "worker": 2}}, r"^evaluator.latency_on.engine.worker: unknown field"),
        ("none.yaml", r"^none.yaml: no such file$"),
        ({"engine": "slurm", "constraint": "a b"}, r"constraint: must be what --constraint of sbatch takes"),
        ("slurm", r"^evaluator.latency_on.engine: slurm needs the program sbatch"),
    ],
)
def test_a_place_that_cannot_be_had_is_refused_before_anything_is_written(raw, message, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises((SpecError, RunError), match=message):
        settle(None, 1, {"search": place(raw)}, ())


def test_a_constraint_is_an_option_of_sbatch():
    engine = load_engine({"type": "slurm", "sbatch": ["--partition=a100"], "workers": 3})
    assert isinstance(engine, SlurmEngine)
    found = engine.for_latency("h200|h100")
    assert isinstance(found, SlurmEngine)
    assert found.sbatch == ("--partition=a100", "--constraint=h200|h100")
    assert found.workers == 3
    with pytest.raises(FieldError, match="is among the engine's `sbatch` options too: state it once"):
        found.for_latency("h200")
