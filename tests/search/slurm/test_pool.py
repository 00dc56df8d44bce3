"""The pool of SLURM's jobs over stand-ins of its programs: what becomes of orders, whatever befalls their jobs.

`make engines` tries the same on a real SLURM.
"""

import os
import signal
import subprocess
import time
from contextlib import suppress

import pytest
from fake_slurm import FakeSlurm, toy_order

from archspec.errors import SpecError
from search.evaluator import parse_evaluator
from search.run.worker import Report
from search.slurm import pool as module
from search.slurm.pool import SlurmPool
from search.slurm.script import JobSettings


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A pool whose workers do what is asked, and the stand-ins."""
    monkeypatch.setattr(module, "SETTLE_SECONDS", 0.2)

    def build(*acts, home="slurm"):
        fake = FakeSlurm(tmp_path / home, *acts) if acts else None
        if fake is not None:
            fake.install(monkeypatch)
        settings = JobSettings(python=str(tmp_path / home / "worker"))
        evaluators = {"search": parse_evaluator({"type": "cost"})}
        return SlurmPool(6, evaluators, tmp_path / "run", settings, 0.05), fake

    yield build
    for path in tmp_path.glob("*/*.pid"):  # jobs that the pool was made to believe lost
        with suppress(ProcessLookupError):
            os.killpg(int(path.read_text()), signal.SIGKILL)


def hear(pool, seconds=20, until=lambda heard: False):
    """Seeds and reports until no order is under way, or until enough was heard."""
    deadline, heard = time.monotonic() + seconds, []
    while pool.busy and time.monotonic() < deadline and not until(heard):
        heard += [(order.seed, report) for order, report in pool.reports(0.1)]
    return heard


def ends(heard):
    return {seed: report for seed, report in heard if report.kind not in ("progress", "note")}


def waits(heard):
    return any(report.epoch is not None for _, report in heard)


def test_orders_handed_over_together_are_one_array_whatever_becomes_of_them(make, tmp_path):
    pool, fake = make(["done"], ["failed"], ["die", "done"], ["wait"], ["wait"], ["ended"])
    with pool:
        for seed in range(6):
            pool.submit(toy_order(seed))
        assert (pool.idle, pool.busy) == (0, 6)
        heard = hear(pool, until=lambda heard: sum(report.epoch is not None for _, report in heard) == 6)
        subprocess.run([fake.home / "scancel", "1_3"], check=True)
        fake.set("1_4.forgotten")
        heard += hear(pool)
        assert fake.calls("sbatch") == ["sbatch 0-5"]
        pool.submit(toy_order(2))
        assert ends(hear(pool))[2].kind == "done"
    found, log = ends(heard), toy_order(1).folder(tmp_path / "run") / "job-1.log"
    assert found[0] == Report("done", metrics={"accuracy": 0.5})
    assert found[1] == Report("failed", f"no memory (log: {log})")
    assert (found[2].kind, found[2].text[:30]) == ("died", "the worker died with signal 9 ")
    assert found[3] == Report("lost", "its job ended as CANCELLED on n1")
    assert found[4] == Report("lost", "SLURM knows job 1_4 no more, and it left no answer")
    assert found[5] == Report("lost", "its job was ended from outside, as FAILED")
    assert [report.text for _, report in heard if report.epoch is not None] == ["epoch 1/2"] * 6
    assert log.read_text().startswith("job 1_1 on n1")
    assert fake.calls("worker 2") == ["worker 2 attempt 1 die", "worker 2 attempt 2 done"]
    assert not list((tmp_path / "run" / "jobs").glob("*/batch.json"))  # nothing is left of it


def kill(pool):
    """Leave a pool as a process that is killed would."""
    if pool._listing is not None:
        pool._listing.communicate()


@pytest.mark.parametrize("answered", [True, False])
def test_a_start_that_goes_on_takes_over_what_is_alive_and_what_has_answered(make, tmp_path, answered):
    first, fake = make(["wait"], ["wait"])
    first.__enter__()
    for seed in range(2):
        first.submit(toy_order(seed))
    hear(first, until=lambda heard: len(heard) == 2)
    kill(first)
    if answered:
        fake.set("go")
        while len(list((tmp_path / "run" / "jobs").glob("*/*.answer.json"))) < 2:
            time.sleep(0.02)
    second, _ = make()
    with second:
        for seed in (1, 0):
            second.submit(toy_order(seed))
        fake.set("go")
        heard = hear(second)
    assert {seed: report.kind for seed, report in ends(heard).items()} == {0: "done", 1: "done"}
    assert answered or any(report.text == "2 jobs of this run are alive and are taken over" for _, report in heard)
    assert fake.calls("sbatch") == ["sbatch 0-1"]
    assert len(fake.calls("worker")) == 2


def test_a_worker_that_dies_while_nobody_conducts_counts_and_one_that_never_began_does_not(make, tmp_path):
    first, fake = make(["die"], ["quit"], ["ended"])
    first.__enter__()
    for seed in range(3):
        first.submit(toy_order(seed))
    first._send()  # and is killed
    while len(list(fake.home.glob("*.code"))) < 3:
        time.sleep(0.02)
    second, _ = make()
    with second:
        for seed in range(3):
            second.submit(toy_order(seed))
        found = ends(hear(second))
    log = toy_order().folder(tmp_path / "run") / "job-1.log"
    assert found[0] == Report("died", f"the worker died with signal 9 (log: {log})")
    assert (found[1].kind, found[2].kind) == ("done", "done")
    assert fake.calls("sbatch") == ["sbatch 0-2", "sbatch 0-1"]


def test_where_an_order_is_can_be_asked(make):
    pool, _ = make(["wait"])
    with pool:
        pool.submit(order := toy_order())
        assert pool.place(order) == ("not submitted yet", None)
        begun = time.time()
        hear(pool, until=lambda heard: waits(heard) and "running" in pool.place(order)[0])
        place, since = pool.place(order)
    assert place == "job 1_0, running on n1"
    assert since == pytest.approx(begun, abs=10)


def test_jobs_save_when_the_run_stops(make):
    pool, fake = make(["wait"])
    with pool:
        pool.submit(toy_order())
        hear(pool, until=waits)
        pool.stop()
        assert ends(hear(pool))[0] == Report("interrupted", "saved")
    assert fake.calls("scancel") == ["scancel --state=PENDING", "scancel --batch --signal=USR1"]


def test_what_is_under_way_when_the_pool_closes_is_cancelled(make):
    pool, fake = make(["wait"])
    with pool:
        pool.submit(toy_order())
        hear(pool, until=waits)
    assert (fake.home / "1_0.state").read_text() == "CANCELLED"


def test_a_result_on_disk_needs_no_job(make, tmp_path):
    pool, fake = make(["done"])
    folder = toy_order().folder(tmp_path / "run")
    folder.mkdir(parents=True)
    (folder / "result.json").write_text("{")
    with pool:
        pool.submit(toy_order())
        found = ends(hear(pool))[0]
    assert found.kind == "failed"
    assert "damaged: not JSON" in found.text
    assert fake.calls("sbatch") == []


def test_what_sbatch_refuses_ends_the_run_in_its_words(make):
    pool, fake = make(["done"])
    fake.set("sbatch-refuses", "sbatch: error: invalid partition specified: a100")
    with pool:
        pool.submit(toy_order())
        with pytest.raises(SpecError) as refused:
            hear(pool)
    assert str(refused.value) == "engine: sbatch: invalid partition specified: a100"


@pytest.mark.parametrize("taken", [True, False])
def test_an_order_that_sbatch_did_not_confirm_is_sent_once(make, taken):
    pool, fake = make(["wait"])
    fake.set("sbatch-refuses", "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation")
    fake.set("squeue-fails", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
    if taken:
        fake.set("sbatch-takes")
    with pool:
        pool.submit(toy_order())
        heard = hear(pool, until=lambda heard: any(report.kind == "note" for _, report in heard))
        fake.unset("sbatch-refuses")
        fake.unset("squeue-fails")
        fake.set("go")
        heard += hear(pool)
    notes = [report.text for _, report in heard if report.kind == "note"]
    assert notes[0].startswith("SLURM does not answer since ")
    assert taken or notes[1].startswith("SLURM answers again after ")  # an answer needs no squeue
    assert ends(heard)[0].kind == "done"
    assert fake.calls("sbatch") == ["sbatch 0"]


def test_jobs_that_end_before_archspec_starts_are_no_layouts_fault(make, tmp_path):
    pool, _ = make(["quit"])
    with pool:
        pool.submit(toy_order())
        found = ends(hear(pool))[0]
    assert found.kind == "unready"
    log = toy_order().folder(tmp_path / "run") / "job-1.log"
    words = "the worker died with exit code 1 before archspec had started: no module named archspec"
    assert found.text == f"{words} (log: {log})"
