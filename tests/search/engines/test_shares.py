"""The share of GPUs and cores that each worker of one machine has, and as many workers as there are shares for."""

import os
from types import SimpleNamespace

import pytest

from archspec.errors import SpecError
from archspec.loader import load
from search.engines import local
from search.engines.local import LocalEngine
from search.engines.slurm import SlurmEngine
from search.evaluators.command import Command
from search.evaluators.train import Train
from search.processes import cores, gpus
from search.processes.cores import CORES_VARIABLE, SHARE_VARIABLE, count_cores, share_of_cores, with_cores
from search.processes.gpus import NUMBER_VARIABLE, VISIBLE, gpu_settings, visible_gpus
from search.run.pools.engine import load_engine, settle
from search.run.pools.workers import ProcessPool
from search.run.worker import Order
from search.train.device import sharing_note


def train(**fields):
    return Train.model_validate({"data": {"type": "digits"}, **fields})


@pytest.fixture
def machine(monkeypatch):
    """Sets the GPUs of this machine, and its cores."""

    def call(count=0, numbers=range(4)):
        monkeypatch.delenv(VISIBLE, raising=False)
        monkeypatch.setattr(gpus, "count_installed", lambda: count)
        monkeypatch.setattr(cores, "usable_cores", lambda: list(numbers))
        monkeypatch.setattr(local, "count_cores", lambda: len(numbers))

    return call


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, ["0", "1", "2"]),
        ("", []),
        ("-1", []),
        ("2,5", ["2", "5"]),
        ("GPU-8932f937, MIG-7", ["GPU-8932f937", "MIG-7"]),
        ("1,-1,0", ["1"]),
        ("1,1", ["1"]),
    ],
)
def test_what_the_user_shows_of_the_gpus_counts(machine, monkeypatch, given, found):
    machine(3)
    if given is not None:
        monkeypatch.setenv(VISIBLE, given)
    assert visible_gpus() == found


def test_workers_have_gpus_of_their_own():
    shown = ["4", "5", "GPU-a", "GPU-b", "7"]
    assert [gpu_settings(place, 2, shown)[0] for place in range(3)] == [
        f"{VISIBLE}=4,5",
        f"{VISIBLE}=GPU-a,GPU-b",
        f"{VISIBLE}=4,5",  # no more of them
    ]
    assert gpu_settings(1, 1, shown) == [f"{VISIBLE}=5", f"{NUMBER_VARIABLE}=5"]
    assert gpu_settings(0, 1, []) == []


def test_a_worker_that_sees_one_gpu_says_when_it_is_shared(monkeypatch):
    monkeypatch.setattr("search.train.device.device_count", lambda kind: 1)
    cuda = SimpleNamespace(type="cuda", index=0)
    monkeypatch.setenv(NUMBER_VARIABLE, "2")
    assert not sharing_note(cuda, "auto", 1)  # pyright: ignore
    assert "they share 2 devices of type cuda" in sharing_note(cuda, "auto", 2)  # pyright: ignore


def test_cores_are_shared_out(machine):
    machine(0, [1, 3, 5, 7, 9])
    assert [share_of_cores(place, 2) for place in range(2)] == [[1, 3], [5, 7, 9]]
    assert share_of_cores(0, 1) == []  # all there are
    assert [share_of_cores(place, 6) for place in range(6)] == [[]] * 6


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system keeps no process to cores")
def test_a_worker_has_its_share_of_both(tmp_path, monkeypatch):
    monkeypatch.setenv(VISIBLE, "3,GPU-a")
    line = f'echo "${VISIBLE} ${SHARE_VARIABLE} $(nproc)" > {{folder}}/seen; echo 0.5'
    evaluator = Command.model_validate({"type": "command", "command": ["bash", "-c", line], "resolution": 32})
    spec = load("tiny")
    orders = [Order(spec.canonical(), spec.digest, seed, f"search-seed{seed}", "search") for seed in range(2)]
    with LocalEngine().open({"search": evaluator}, tmp_path, 2) as pool:
        for order in orders:
            pool.submit(order)
        while pool.busy:
            list(pool.reports(0.1))
    seen = sorted((order.folder(tmp_path) / "seen").read_text().split() for order in orders)
    assert [one[0] for one in seen] == ["3", "GPU-a"]
    if len(os.sched_getaffinity(0)) >= 2:
        shares = [one[1].split(",") for one in seen]
        assert {int(core) for share in shares for core in share} == os.sched_getaffinity(0)
        assert [int(one[2]) for one in seen] == [len(share) for share in shares]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system keeps no process to cores")
def test_latency_on_more_threads_than_a_worker_has_cores_has_those_of_all(monkeypatch):
    every = sorted(os.sched_getaffinity(0))
    monkeypatch.setenv(CORES_VARIABLE, ",".join(map(str, every)))
    try:
        os.sched_setaffinity(0, every[:1])
        with with_cores(1):
            assert len(os.sched_getaffinity(0)) == 1
        with with_cores(len(every)):
            assert sorted(os.sched_getaffinity(0)) == every
        assert sorted(os.sched_getaffinity(0)) == every[:1]
    finally:
        os.sched_setaffinity(0, every)


def test_cores_are_those_of_the_container(machine, tmp_path):
    machine(0, range(8))
    assert count_cores(tmp_path) == 8
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert count_cores(tmp_path) == 8
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    assert count_cores(tmp_path) == 2
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert count_cores(tmp_path) == 1
    (tmp_path / "cpu.max").unlink()
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("300000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert count_cores(tmp_path) == 3


@pytest.mark.parametrize(
    ("count", "fields", "workers"),
    [
        (0, {}, 4),
        (8, {}, 8),
        (8, {"gpus": 2}, 4),
        (5, {"gpus": 2}, 2),
        (8, {"device": "cpu"}, 4),
    ],
)
def test_auto_is_a_worker_for_each_share(machine, count, fields, workers):
    machine(count)
    asked = {"search": train(**fields), "final": train(**fields)}
    assert settle(None, "auto", asked, ())[1] == workers
    assert settle(load_engine({"type": "local", "workers": "auto"}), None, asked, ())[1] == workers
    assert settle(load_engine({"type": "local", "workers": "auto"}), 1, asked, ())[1] == 1


def test_auto_is_refused_where_nobody_here_can_say():
    for engine, workers in ((SlurmEngine(), "auto"), (SlurmEngine(workers="auto"), None)):
        with pytest.raises(SpecError, match=r"^workers: must be a number, not auto: how many orders slurm may work on"):
            settle(engine, workers, {}, ())  # pyright: ignore
    with pytest.raises(SpecError, match=r"^workers: must be a number from 1 to 10000, or auto, not 'two'"):
        settle(None, "two", {}, ())  # pyright: ignore


def test_the_command_line_takes_auto_and_refuses_other_words(run, tmp_path):
    code, _, err = run("search", "demo", "--workers", "many", "--runs", tmp_path)
    assert (code, err) == (2, "archspec: --workers: must be a number from 1 to 1024, or auto, not 'many'\n")
    path = tmp_path / "engine.yaml"
    path.write_text("type: slurm\n")
    code, _, err = run("search", "demo", "--workers", "auto", "--engine", path, "--runs", tmp_path)
    assert code == 2
    assert err.startswith("archspec: workers: must be a number, not auto: how many orders slurm may work on at a time")


@pytest.mark.parametrize(
    ("count", "workers", "rule"),
    [
        (0, 1, "evaluator.gpus: must be at most what there is, not 2: this machine shows none; device: cpu with proc"),
        (1, 1, "evaluator.gpus: must be at most what there is, not 2: this machine shows 1"),
        (3, 2, "evaluator.gpus: 2 workers of 2 GPUs each need 4, and this machine shows 3: --workers 1"),
    ],
)
def test_trainings_on_several_gpus_need_them(machine, count, workers, rule):
    machine(count)
    with pytest.raises(SpecError) as refused:
        settle(None, workers, {"search": train(gpus=2)}, ())
    assert str(refused.value).startswith(rule)


def test_jobs_need_the_gpus_of_the_evaluator(monkeypatch):
    monkeypatch.setattr(SlurmEngine, "check_ready", lambda self, evaluators: None)
    rule = (
        r"^engine.gpus: must be at least the 4 of evaluator.gpus, not 2: a layout is trained within one order of slurm"
    )
    with pytest.raises(SpecError, match=rule):
        settle(SlurmEngine(gpus=2), 8, {"search": train(gpus=4)}, ())
    assert settle(SlurmEngine(gpus=4), 8, {"search": train(gpus=4)}, ())[1] == 8
    assert settle(SlurmEngine(), 8, {"search": train()}, ())[1] == 8


def test_workers_see_all_gpus_where_they_are_alone_or_one_is_named_by_its_number(machine, tmp_path):
    machine(8)

    def each(workers=3, **fields):
        pool = LocalEngine().open({"search": train(**fields)}, tmp_path, workers)
        assert isinstance(pool, ProcessPool)
        return pool._gpus

    assert each() == 2
    assert each(9) == 1
    assert each(1) == 0
    assert each(2, gpus=2) == 2
    assert each(device="cuda:1") == 0
    assert each(latency={"device": "cuda:0"}) == 0
