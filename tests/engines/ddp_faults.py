"""Trainings of two gloo processes that are killed, stopped and compared: `make engines`.

Not collected by `make test`: each training starts two processes that import torch.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from statistics import mean, stdev

import pytest
from ranked import leave_in_second, raise_in_second, train_all

from archspec.errors import DiedError, RunError, UnreadyError
from archspec.loader import load
from search.evaluator import Task
from search.evaluators.train import Train
from search.processes.elastic import RankGroup
from search.processes.tree import find_tree, list_processes
from search.run.pools.workers import ProcessPool
from search.run.worker import Order
from search.train.curve import read_curve

EPOCHS = 5


def evaluator(**fields):
    recipe = {"epochs": EPOCHS, "batch_size": 32, **fields.pop("recipe", {})}
    data = {"type": "digits"}
    return Train.model_validate({"device": "cpu", "processes": 2, "data": data, "recipe": recipe, **fields})


def order(config, seed=0):
    spec = config.prepare(load("tiny"))
    return Order(spec.canonical(), spec.digest, seed, f"search-seed{seed}", "search")


def ranks_of(pool):
    """Processes under the workers of a pool that are ranks: those that have one in their environment."""
    found = set()
    for pid in find_tree({worker.pid for worker in pool._workers}):
        with suppress(OSError):
            settings = Path(f"/proc/{pid}/environ").read_bytes()
            # The rank is set once it runs: what it was started with says that it is none of multiprocessing's helpers.
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes() and b"ARCHSPEC_WORKER=" in settings:
                found.add(pid)
    return sorted(found)


def hear(pool, until, patience=900):
    """The reports of a pool until one is of a kind, or of an epoch."""
    said, end = [], time.monotonic() + patience
    while time.monotonic() < end:
        for _, report in pool.reports(0.1):
            said.append(report)
            if report.kind == until or (report.epoch is not None and report.epoch.number == until):
                return said
            assert report.kind in ("progress", "note"), report
    raise AssertionError(f"{until} did not come: {said}")


def epochs(said):
    return [report.epoch.number for report in said if report.epoch is not None]


def test_the_death_of_one_process_resumes_both_from_the_checkpoint(tmp_path):
    config = evaluator()
    with ProcessPool(1, {"search": config.model_dump(mode="json")}, tmp_path) as pool:
        pool.submit(order(config))
        first = hear(pool, 2)
        ranks = ranks_of(pool)
        assert len(ranks) == 2
        began = time.monotonic()
        os.kill(ranks[1], signal.SIGKILL)
        first += hear(pool, "died", 20)
        assert time.monotonic() - began < 10
        assert "of 2 died with signal 9" in first[-1].text
        assert not ranks_of(pool)
        assert pool.idle == 1
        pool.submit(order(config))
        second = hear(pool, "done")
    told = epochs(first) + epochs(second)
    assert sorted(set(told)) == list(range(1, EPOCHS + 1))
    assert len(told) == EPOCHS  # none twice
    assert len(read_curve(order(config).folder(tmp_path) / "curve.csv")) == EPOCHS


def test_the_death_of_the_worker_leaves_no_process(tmp_path):
    config = evaluator()
    with ProcessPool(1, {"search": config.model_dump(mode="json")}, tmp_path) as pool:
        pool.submit(order(config))
        hear(pool, 1)
        ranks = ranks_of(pool)
        os.kill(pool._workers[0].pid, signal.SIGKILL)
        hear(pool, "died", 20)
        assert len(ranks) == 2
        assert not {one.pid for one in list_processes()}.intersection(ranks)


def test_to_stop_is_for_all_at_the_same_step(tmp_path):
    config = evaluator()
    folder = order(config).folder(tmp_path)
    with ProcessPool(1, {"search": config.model_dump(mode="json")}, tmp_path) as pool:
        pool.submit(order(config))
        first = hear(pool, 2)
        pool.stop()
        first += hear(pool, "interrupted", 30)
        saved = len(read_curve(folder / "curve.csv"))
        assert f"epoch {saved} is saved" in first[-1].text
    with ProcessPool(1, {"search": config.model_dump(mode="json")}, tmp_path) as pool:
        pool.submit(order(config))
        second = hear(pool, "done")
    assert epochs(first) + epochs(second) == list(range(1, EPOCHS + 1))


def test_trainings_side_by_side_do_not_meet(tmp_path):
    config = evaluator(recipe={"epochs": 1})
    with ProcessPool(2, {"search": config.model_dump(mode="json")}, tmp_path) as pool:
        for seed in range(2):
            pool.submit(order(config, seed))
        done = []
        while pool.busy:
            done += [(one.seed, report.kind) for one, report in pool.reports(0.1) if report.kind != "progress"]
    assert sorted(done) == [(0, "done"), (1, "done")]


def test_an_interrupted_training_ends_with_the_weights_of_one_that_was_not(tmp_path):
    names = ("normalised",)  # dropout has a stream in each process
    whole = RankGroup(train_all, (names, tmp_path / "whole", 4), 2).run(lambda: False, lambda said: None)
    RankGroup(train_all, (names, tmp_path / "parts", 2), 2).run(lambda: False, lambda said: None)
    parts = RankGroup(train_all, (names, tmp_path / "parts", 4), 2).run(lambda: False, lambda said: None)
    for first, second in zip(whole[0], parts[0], strict=True):
        assert all(bool((tensor == second["weights"][key]).all()) for key, tensor in first["weights"].items())


def test_two_processes_learn_as_one_does_within_the_noise_of_seeds(tmp_path):
    """With local batch norm, at the same effective batch."""
    found = {}
    for processes in (1, 2):
        session = evaluator(processes=processes, recipe={"epochs": 4}).open()
        spec = evaluator().prepare(load("tiny"))
        answers = [
            session.evaluate(
                Task(spec, seed, tmp_path / f"{processes}-{seed}", tmp_path), lambda: False, lambda said: None
            )
            for seed in range(4)
        ]
        found[processes] = [one["accuracy"] for one in answers]
    noise = max(stdev(found[1]), 0.005)
    print(found)  # noqa: T201
    assert abs(mean(found[1]) - mean(found[2])) < 3 * noise
    assert mean(found[2]) > 0.9


@pytest.mark.parametrize("error", [RunError("too large"), UnreadyError("no data"), OSError(28, "No space left")])
def test_what_one_process_meets_is_what_is_said(error):
    began = time.monotonic()
    with pytest.raises(type(error), match=str(error.args[-1])):
        RankGroup(raise_in_second, error, 2).run(lambda: False, lambda said: None)
    assert time.monotonic() - began < 60


def test_a_process_that_ends_by_itself_is_told_by_its_code():
    with pytest.raises(DiedError, match=r"process 1 of 2 died with exit code 7"):
        RankGroup(leave_in_second, None, 2).run(lambda: False, lambda said: None)


def test_several_gpus_are_refused_where_there_are_none():
    session = Train.model_validate({"gpus": 2, "data": {"type": "digits"}}).open()
    task = Task(evaluator().prepare(load("tiny")), 0, Path("nowhere"), Path("nowhere"))
    with pytest.raises(UnreadyError, match=r"gpus: 2 are needed: torch sees cpu alone"):
        session.evaluate(task, lambda: False, lambda said: None)
