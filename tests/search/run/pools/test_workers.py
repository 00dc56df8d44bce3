"""Pools of worker processes: who is waited for, who is killed, and nothing of a worker left."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from archspec.loader import load
from search.evaluator import parse_evaluator
from search.evaluators.function import FunctionEvaluator
from search.processes.folder_lock import lock_output
from search.processes.tree import find_tree, list_processes
from search.run.pools.workers import ProcessPool
from search.run.worker import Order, Report

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="asks /proc who is alive")


def slow(spec, seed):
    time.sleep(7)
    return 0.5


def orphaning(spec, seed):
    os.system("(setsid sleep 773 &)")
    if seed:
        os.kill(os.getpid(), signal.SIGKILL)
    return 0.5


def forking(spec, seed):
    if not os.fork():
        os.setsid()
        time.sleep(60)
        os._exit(0)
    time.sleep(60)
    return 0.5


def order(seed: int = 0) -> Order:
    spec = load("tiny")
    return Order(spec.canonical(), spec.digest, seed, f"search-seed{seed}", "search")


def function(call) -> FunctionEvaluator:
    evaluator = parse_evaluator({"type": "function"})
    assert isinstance(evaluator, FunctionEvaluator)
    return evaluator.bind(call)


def command(line: str) -> dict[str, object]:
    return {"type": "command", "command": ["bash", "-c", line], "resolution": 32}


def answers(pool: ProcessPool, seconds: float = 30) -> list[Report]:
    """All that is reported until no order is under way."""
    deadline, heard = time.monotonic() + seconds, list[Report]()
    while pool.busy and time.monotonic() < deadline:
        heard += [report for _, report in pool.reports(0.1)]
    return heard


def begin(pool: ProcessPool, seed: int = 0) -> tuple[int, str]:
    """The number and the marker of a worker whose evaluator has begun with an order."""
    pool.submit(order(seed))
    while not any(report.kind == "progress" and "loading" not in report.text for _, report in pool.reports(0.1)):
        pass
    return pool._workers[0].pid, pool._workers[0].marker


def test_a_worker_that_is_stopped_is_killed_with_its_command_after_some_patience(tmp_path):
    with ProcessPool(1, {"search": command("sleep 777; echo hi")}, tmp_path, patience=1) as pool:
        pid, marker = begin(pool)
        os.kill(pid, signal.SIGSTOP)
        pool.stop()
        (report,) = answers(pool)
        assert report == Report("interrupted", "the worker did not stop within 1 s and was killed")
        assert find_tree([pid], [marker]) == set()


def test_a_function_that_cannot_be_interrupted_is_waited_for_and_a_stopped_one_is_not(tmp_path):
    with ProcessPool(1, {"search": function(slow)}, tmp_path, patience=6) as pool:
        begin(pool)
        pool.stop()
        *said, report = answers(pool)
        assert report.kind == "done"
        assert said[-1].text == "the run ends after this layout"
    with ProcessPool(1, {"search": function(slow)}, tmp_path, patience=1) as pool:
        pid, _ = begin(pool, seed=1)
        os.kill(pid, signal.SIGSTOP)
        pool.stop()
        assert answers(pool)[-1].text == "the worker did not stop within 1 s and was killed"


def test_what_a_function_leaves_behind_ends_with_its_worker(tmp_path):
    with ProcessPool(1, {"search": function(orphaning)}, tmp_path) as pool:
        pool.submit(order(1))
        assert answers(pool)[-1] == Report("died", "the worker died with signal 9")
        begin(pool)
        answers(pool)
        pid, marker = pool._workers[0].pid, pool._workers[0].marker
        assert len(find_tree([pid], [marker])) == 2
    assert find_tree([pid], [marker]) == set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_a_worker_interrupts_its_layout_and_is_no_attempt(number, tmp_path):
    with ProcessPool(1, {"search": command("sleep 777; echo hi")}, tmp_path) as pool:
        pid, _ = begin(pool)
        os.kill(pid, number)
        assert answers(pool)[-1] == Report("interrupted", "interrupted while the command ran")
        assert pool._workers[0].pid == pid  # it takes the next order


def test_a_command_that_a_batch_system_ends_with_the_run_has_not_failed(tmp_path):
    with ProcessPool(1, {"search": command("sleep 777; echo hi")}, tmp_path) as pool:
        pid, marker = begin(pool)
        for one in find_tree([pid], [marker]):
            os.kill(one, signal.SIGTERM)
        assert answers(pool)[-1].kind == "interrupted"


def test_a_folder_in_which_an_orphan_works_ends_the_run_in_one_line(tmp_path):
    folder = order().folder(tmp_path)
    folder.mkdir(parents=True)
    with (folder / "output.txt").open("ab") as file:
        lock_output(file, folder / "output.txt", lambda: False)
        orphan = subprocess.Popen(["sleep", "60"], stdout=file)  # as a killed run may have left one
    try:
        with ProcessPool(1, {"search": command("echo '{\"accuracy\": 1}'")}, tmp_path) as pool:
            pool.submit(order())
            report = answers(pool)[-1]
    finally:
        orphan.kill()
        orphan.wait()
    assert report.kind == "unready"
    assert report.text == f"{folder}: process {orphan.pid} (sleep) is at work in this folder; end it, and continue"


def test_a_worker_that_is_stopped_while_it_starts_a_command_leaves_nothing_behind(tmp_path):
    """Its fork is no supervisor yet: nobody's child, and in a session of its own, once its worker is dead."""
    with ProcessPool(1, {"search": function(forking)}, tmp_path) as pool:
        pid, _ = begin(pool)
        while not (forks := [e.pid for e in list_processes() if e.parent == pid and e.session == e.pid]):
            time.sleep(0.02)
        os.kill(pid, signal.SIGSTOP)
        os.kill(forks[0], signal.SIGSTOP)
    assert forks[0] not in {entry.pid for entry in list_processes()}
