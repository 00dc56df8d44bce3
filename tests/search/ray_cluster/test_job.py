"""The task of an order, in this process: what it answers, and when it writes nothing."""

import os
import signal
from dataclasses import replace
from types import SimpleNamespace

import pytest
from fake_slurm import toy_order

from archspec.files.fence import NAME, next_attempt, take_folder
from search.installation import describe_installation
from search.jobs.batch import JobBatch
from search.processes.folder_lock import has_locks
from search.ray_cluster import job as program
from search.run.worker import Report

COMMAND = {"type": "command", "command": ["sh", "-c", "echo '{\"accuracy\": 0.5}'"], "resolution": 32}


@pytest.fixture
def begin(tmp_path):
    """A batch of one order, and the start of its task."""
    order, root = toy_order(), tmp_path / "run"
    batch = JobBatch(root / "jobs" / "0123")
    next_attempt(order.folder(root))

    def start(installation=None):
        setup = {"root": str(root), "installation": installation or describe_installation()}
        batch.write([replace(order, attempt=1)], root, setup | {"evaluators": {"search": COMMAND}})
        assert program.answer_order(root, batch, 0, "gpu7, node a1") == ""
        return batch.answer(0)

    return start, batch, order.folder(root)


def test_a_task_answers_and_tells_where_it_is(begin):
    start, batch, folder = begin
    report = start()
    assert (report.kind, report.metrics["accuracy"]) == ("done", 0.5)
    [began, *_], _ = batch.heard(0, 0)
    assert (began.node, began.job) == ("gpu7, node a1", str(os.getpid()))
    assert (folder / "job-1.log").read_text().startswith(f"process {os.getpid()} on gpu7, node a1, ")
    assert has_locks()


@pytest.mark.parametrize(("given", "seen"), [([], ""), (["3"], "3")])
def test_a_task_that_asks_for_no_gpu_sees_none(tmp_path, monkeypatch, given, seen):
    context = SimpleNamespace(get_accelerator_ids=lambda: {"GPU": given}, get_node_id=lambda: "0123456789abcdef")
    monkeypatch.setattr(program, "import_module", lambda name: SimpleNamespace(get_runtime_context=lambda: context))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setattr(program, "answer_order", lambda *order: order[-1])
    assert program.run_order(str(tmp_path), "0123", 0).endswith(", node 0123456789ab")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == seen


def test_a_task_whose_folder_a_later_attempt_has_writes_nothing(begin):
    start, batch, folder = begin
    take_folder(folder, (2, 0))
    assert start() is None
    assert [path.name for path in folder.iterdir()] == [NAME]
    assert batch.heard(0, 0) == ([], 0)


def test_a_task_with_other_code_than_its_run_refuses(begin):
    start, _, _ = begin
    own = describe_installation()["archspec"]
    text = f"gpu7, node a1: archspec is {own} here, and 0.0.1 0123 where the run was started"
    assert start({"archspec": "0.0.1 0123"}) == Report("unready", text)


def test_an_order_that_was_given_up_is_not_begun(begin, tmp_path):
    _, batch, folder = begin
    assert program.answer_order(tmp_path / "run", batch, 0, "n") == ""
    assert [path.name for path in folder.iterdir()] == [NAME]


def test_a_node_that_does_not_see_the_folder_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(program, "SEEN_SECONDS", 0.0)
    said = program.answer_order(tmp_path / "other", JobBatch(tmp_path / "none"), 0, "gpu7, node a1")
    assert said == f"gpu7, node a1 does not see {tmp_path}/other: the folder of runs must be one that all nodes share"


@pytest.mark.parametrize(("how", "kind"), [("signal", "lost"), ("flag", "interrupted")])
def test_a_task_that_is_told_to_end_says_why(begin, monkeypatch, how, kind):
    start, batch, _ = begin

    def answer(order, evaluators, sessions, root, stop, send):
        assert not has_locks()
        assert not stop()
        if how == "signal":
            signal.raise_signal(signal.SIGTERM)
        batch.ask_to_stop() if how == "flag" else None
        assert stop()
        return Report("interrupted", "interrupted in epoch 2; epoch 1 is saved")

    monkeypatch.setattr(program, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(program, "answer", answer)
    before = signal.getsignal(signal.SIGTERM)
    report = start()
    assert report.kind == kind
    assert report.text.endswith("interrupted in epoch 2; epoch 1 is saved")
    assert signal.getsignal(signal.SIGTERM) == before
