"""The pool of Ray's tasks over a stand-in of its driver: what becomes of orders, whatever befalls their tasks."""

import errno
import time

import pytest
from fake_ray import FakeLink
from fake_slurm import toy_order

from archspec.errors import SpecError
from archspec.files.fence import current_attempt
from search.evaluator import parse_evaluator
from search.jobs.batch import JobBatch
from search.ray_cluster import pool as module
from search.ray_cluster.pool import RayPool
from search.ray_cluster.settings import RaySettings
from search.run.worker import Report


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A pool whose tasks do what is asked, and the links to its drivers."""
    monkeypatch.setattr(module, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.0)

    def build(*acts, refusal=""):
        links = []

        def link(settings, address, log):
            assert (address, log) == ("head:6379", tmp_path / "run" / "jobs" / "ray.log")
            links.append(FakeLink(acts, refusal))
            return links[-1]

        monkeypatch.setattr(module, "DriverLink", link)
        evaluators = {"search": parse_evaluator({"type": "cost"})}
        return RayPool(6, evaluators, tmp_path / "run", RaySettings("head:6379")), links

    return build


def hear(pool, seconds=5, until=lambda heard: False):
    """Seeds and reports until no order is under way, or until enough was heard."""
    deadline, heard = time.monotonic() + seconds, []
    while pool.busy and time.monotonic() < deadline and not until(heard):
        heard += [(order.seed, report) for order, report in pool.reports(0.02)]
    return heard


def ends(heard):
    return {seed: report for seed, report in heard if report.kind not in ("progress", "note")}


def notes(heard):
    return [report.text for _, report in heard if report.kind == "note"]


def test_orders_end_as_ray_says_and_their_files_are_gone(make, tmp_path):
    pool, _ = make(["done"], ["failed"], ["crashed", "done"], ["lost"], ["silence"], ["memory"])
    with pool:
        for seed in range(6):
            pool.submit(toy_order(seed))
        assert (pool.idle, pool.busy) == (0, 6)
        heard = hear(pool)
        pool.submit(toy_order(2))
        assert ends(hear(pool))[2].kind == "done"
    found = ends(heard)
    assert found[0] == Report("done", metrics={"accuracy": 0.5})
    assert found[1] == Report("failed", "no memory")
    assert found[2] == Report("died", "the worker died")
    assert found[3] == Report("lost", "its node died")
    assert found[4] == Report("died", "the task ended without an answer")
    assert found[5].kind == "died"
    assert [report.text for _, report in heard if report.epoch is not None] == ["epoch 1/2"] * 6
    assert current_attempt(toy_order(2).folder(tmp_path / "run")) == (2, 0)
    assert not list((tmp_path / "run" / "jobs").glob("*/batch.json"))


def test_what_cannot_begin_at_all_is_no_layouts_fault(make):
    pool, _ = make(["error"])
    with pool:
        pool.submit(toy_order())
        assert ends(hear(pool))[0] == Report("unready", "No module named 'search'")


def test_people_see_where_a_task_is(make):
    pool, _ = make(["wait"], ["queued"])
    with pool:
        orders = [toy_order(0), toy_order(1)]
        for order in orders:
            pool.submit(order)
        assert pool.place(orders[0]) == ("not submitted yet", None)
        hear(pool, until=lambda heard: heard)
        assert pool.place(orders[0]) == ("process 4711 on gpu7, node a1", 1.0)
        assert pool.place(orders[1]) == ("waiting for a place in the Ray cluster", None)


def test_a_run_that_stops_has_tasks_save_and_the_rest_never_begin(make):
    pool, [] = make(["wait"], ["queued"])
    with pool:
        pool.submit(toy_order(0))
        pool.submit(toy_order(1))
        hear(pool, until=lambda heard: heard)
        pool.stop()
        found = ends(hear(pool))
    assert found == {0: Report("interrupted", "saved"), 1: Report("interrupted", "the run stopped before it began")}


def test_a_head_that_is_silent_is_waited_for(make, monkeypatch):
    pool, links = make(["wait"])
    with pool:
        pool.submit(toy_order())
        hear(pool, until=lambda heard: heard)
        monkeypatch.setattr(module, "SILENT_SECONDS", 0.0)
        links[0].silent = True
        heard = hear(pool, until=notes)
        links[0].silent = False
        monkeypatch.setattr(module, "SILENT_SECONDS", 15.0)
        links[0].plan[0].clear()
        heard += hear(pool, until=notes)
        assert pool.busy == 1
    first, second = notes(heard)
    assert first.startswith("the head of Ray does not answer since ")
    assert second == "the head of Ray answers again after 0 s"


def test_a_task_whose_node_the_head_has_given_up_is_lost_though_ray_waits_for_it(make):
    pool, links = make(["wait"], ["queued"])
    with pool:
        pool.submit(toy_order(0))
        pool.submit(toy_order(1))
        hear(pool, until=lambda heard: heard)
        links[0].nodes = ["b2"]
        assert ends(hear(pool, until=ends)) == {0: Report("lost", "its node died")}
        assert pool.busy == 1


def test_a_driver_that_is_gone_is_replaced_and_its_tasks_are_lost(make):
    pool, links = make(["wait", "done"])
    with pool:
        pool.submit(toy_order())
        hear(pool, until=lambda heard: heard)
        links[0].ended = True
        heard = hear(pool)
        assert ends(heard)[0] == Report("lost", "its driver on Ray ended")
        assert notes(heard) == ["the driver on Ray ended (the head is gone): another one is started"]
        pool.submit(toy_order())
        assert ends(hear(pool))[0].kind == "done"
    assert [link.closed for link in links] == [True, True]


def test_a_cluster_that_refuses_ends_the_run_in_one_line(make):
    pool, _ = make(["done"], refusal="no cluster answers at head:6379: Connection refused")
    with pool:
        pool.submit(toy_order())
        with pytest.raises(SpecError, match=r"^engine: no cluster answers at head:6379: Connection refused$"):
            hear(pool)


def test_a_token_that_ray_refuses_is_named_though_ray_says_that_nobody_answers(make):
    pool, _ = make(["done"], refusal="head:6379: Failed to connect (token)")
    with pool:
        pool.submit(toy_order())
        with pytest.raises(SpecError, match=r"^engine: head:6379: Ray refuses the token of this process, or it has"):
            hear(pool)


def test_orders_wait_for_space_where_the_disk_is_full(make, tmp_path, monkeypatch):
    pool, _ = make(["done"])
    write = JobBatch.write

    def refuse(*_):
        monkeypatch.setattr(JobBatch, "write", write)
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path))

    with pool:
        pool.submit(toy_order())
        monkeypatch.setattr(JobBatch, "write", refuse)
        heard = hear(pool)
    assert notes(heard) == [f"{tmp_path}: No space left on device: tasks are submitted when there is space"]
    assert ends(heard)[0].kind == "done"


def test_what_was_answered_while_nobody_conducted_is_taken(make, tmp_path):
    pool, _ = make(["done"], ["wait"])
    root = tmp_path / "run"
    with pool:
        pool.submit(toy_order(0))
        pool.submit(toy_order(1))
        pool._listen(0.01)
        pool._send()  # and the process ends before it has looked
    assert len([*root.glob("jobs/*/*.order.json")]) == 2
    again, _ = make(["wait"], ["wait", "wait"])
    with again:
        assert not list(root.glob("jobs/*/batch.json"))
        again.submit(toy_order(0))
        again.submit(toy_order(1))
        assert ends(hear(again, until=ends)) == {0: Report("done", metrics={"accuracy": 0.5})}
        assert again.busy == 1
    assert current_attempt(toy_order(1).folder(root)) == (2, 0)
    assert not JobBatch(root / "jobs" / "none").stopping
