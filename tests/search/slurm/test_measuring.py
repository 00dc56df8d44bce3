"""Jobs that measure inference times beside those that train: of a kind of their own, whoever starts the run again."""

import json

from fake_slurm import FakeSlurm, toy_order

from search.engines.slurm import SlurmEngine
from search.evaluator import parse_evaluator
from search.run.pools.engine import load_engine, open_pool
from search.run.pools.measuring import MeasuringPool


def hear(pool, until):
    heard = []
    for _ in range(2000):
        heard += [(order.seed, report) for order, report in pool.reports(0.02)]
        if until(heard) or not pool.busy:
            return heard
    raise AssertionError(heard)


def test_measurements_are_jobs_of_their_own_kind_and_are_taken_over_as_such(tmp_path, monkeypatch):
    fake = FakeSlurm(tmp_path / "slurm", ["done", "wait"])  # the measurement is the second attempt in its folder
    fake.install(monkeypatch)
    root, python = tmp_path / "run", str(tmp_path / "slurm" / "worker")
    root.mkdir()
    engine = load_engine({"type": "slurm", "python": python, "poll_seconds": 0.1})
    evaluators = {"search": parse_evaluator({"type": "train", "latency_on": {"constraint": "h200"}})}
    assert isinstance(engine, SlurmEngine)
    first = open_pool(engine, evaluators, root, 2)
    assert isinstance(first, MeasuringPool)
    assert [pool._settings.options for pool in (first._trainings, first._measurements)] == [(), ("--constraint=h200",)]
    first.__enter__()
    first.submit(toy_order())
    hear(first, lambda _: len(fake.calls("worker")) == 2)
    assert first.idle == 2
    for pool in (first._trainings, first._measurements):  # as a process that is killed would leave them
        if pool._listing is not None:
            pool._listing.communicate()
    (toy_order().folder(root) / "untimed-result.json").write_text(json.dumps({}))
    with open_pool(engine, evaluators, root, 2) as second:
        second.submit(toy_order())
        assert second.place(toy_order())[0] == "trained, waits for its latency to be measured"
        fake.set("go")
        heard = hear(second, lambda heard: False)
    assert [report.kind for _, report in heard if report.kind not in ("progress", "note")] == ["done"]
    names = [path.read_text() for path in sorted((tmp_path / "slurm").glob("*.name"))]
    assert [".latency-" in name for name in names] == [False, True]
    assert len(fake.calls("worker")) == 2
