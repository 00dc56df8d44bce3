"""The program of a job, in this process: what it answers, and when it writes nothing."""

import errno
import os
import signal
import sys
from dataclasses import replace

import pytest
from fake_slurm import toy_order

from archspec.files.fence import NAME, VARIABLE, current_attempt, next_attempt, take_folder
from search.evaluator import Epoch
from search.installation import describe_installation
from search.jobs.batch import Began, JobBatch
from search.processes.folder_lock import UNLOCKED_VARIABLE, has_locks, lock_output
from search.run.worker import Report
from search.slurm import job as program
from search.train.device import PLACE_VARIABLE

COMMAND = {"type": "command", "command": ["sh", "-c", "echo '{\"accuracy\": 0.5}'"], "resolution": 32}


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """A batch of one order, and the start of its job."""
    order, root = toy_order(), tmp_path / "run"
    batch = JobBatch(root / "jobs" / "0123")
    next_attempt(order.folder(root))

    def start(again=0, job="7", installation=None, evaluator=COMMAND):
        if not batch.folder.exists():
            setup = {"root": str(root), "installation": installation or describe_installation()}
            batch.write([replace(order, attempt=1)], root, setup | {"evaluators": {"search": evaluator}}, "")
        monkeypatch.setattr(sys, "argv", ["job", str(batch.folder), "0"])
        for name in (UNLOCKED_VARIABLE, PLACE_VARIABLE):  # which it sets, and are taken back
            monkeypatch.setenv(name, "")
            monkeypatch.delenv(name)
        monkeypatch.setenv("SLURM_RESTART_COUNT", str(again))
        monkeypatch.setenv("SLURM_ARRAY_JOB_ID", job)
        monkeypatch.setenv("SLURMD_NODENAME", "n1")
        before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGTERM)}
        try:
            program.main()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return batch.answer(0)

    return start, batch, order.folder(root)


def test_a_job_answers_and_tells_where_it_is(begin):
    start, batch, folder = begin
    report = start()
    assert (report.kind, report.metrics["accuracy"]) == ("done", 0.5)
    [began, *told], offset = batch.heard(0, 0)
    assert (began.node, began.again, began.job) == ("n1", 0, "7")
    assert {one.kind for one in told} == {"progress"}
    assert batch.heard(0, offset) == ([], offset)
    assert current_attempt(folder) == (1, 0)
    assert VARIABLE not in os.environ


def test_a_job_whose_folder_a_later_attempt_has_writes_nothing(begin):
    start, _, folder = begin
    take_folder(folder, (1, 2))  # as SLURM has started it again elsewhere
    assert start(again=1) is None
    assert [path.name for path in folder.iterdir()] == [NAME]


def test_of_two_jobs_of_one_order_the_first_has_it(begin):
    start, batch, folder = begin
    first = start(job="7")
    (batch.folder / "0.answer.json").unlink()
    assert first.kind == "done"
    assert start(job="8") is None
    assert (folder / "events.jsonl").read_text().count("started") == 1
    assert start(job="7", again=1).kind == "done"  # from its result


def test_what_a_node_that_was_given_up_has_open_keeps_no_job_waiting(begin):
    start, _, folder = begin
    with (folder / "output.txt").open("ab") as file:
        lock_output(file, folder / "output.txt", lambda: False)
        assert start().kind == "done"
        file.write(b'{"accuracy": 0.9}')
    assert (folder / "output.txt").read_text() == '{"accuracy": 0.5}\n'


def test_a_job_with_other_code_than_its_run_refuses(begin):
    start, _, folder = begin
    report = start(installation={"archspec": "0.0.1 0123"})
    own = describe_installation()["archspec"]
    text = f"node n1: archspec is {own} here, and 0.0.1 0123 where the run was started"
    assert report == Report("unready", text)
    assert [path.name for path in folder.iterdir()] == [NAME]


def test_a_job_waits_for_space_and_answers(begin, monkeypatch):
    start, *_ = begin
    monkeypatch.setattr(program, "SPACE_SECONDS", 0.01)
    tries = []

    def full(name, whole):
        def write(*arguments):
            tries.append(name)
            if tries.count(name) < 3:
                raise OSError(errno.ENOSPC, "No space left on device", name)
            return whole(*arguments)

        return write

    monkeypatch.setattr(JobBatch, "claim", full("claim", JobBatch.claim))
    monkeypatch.setattr(JobBatch, "give_answer", full("answer", JobBatch.give_answer))
    monkeypatch.setattr(program, "take_folder", full("folder", take_folder))
    assert start().kind == "done"
    assert tries == [name for name in ("claim", "folder", "answer") for _ in range(3)]


def test_a_claim_that_could_not_be_written_is_nobodys(begin, monkeypatch):
    _, batch, _ = begin
    batch.folder.mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdopen", lambda one, *_, **__: os.close(one) or open("/dev/full", "w"))  # noqa: SIM115
        with pytest.raises(OSError, match="No space"):
            batch.claim(0, "7")
    assert batch.claim(0, "8")


def test_an_answer_is_taken_once(begin):
    start, batch, _ = begin
    start()
    batch.close(0)
    assert not batch.folder.exists()


@pytest.mark.parametrize(
    ("number", "trained", "stopping", "kind"),
    [
        (signal.SIGUSR1, True, False, "lost"),
        (signal.SIGUSR1, False, False, "died"),
        (signal.SIGUSR1, "weights.pt", False, "lost"),
        (signal.SIGUSR1, True, True, "interrupted"),
        (signal.SIGTERM, True, False, None),
        (signal.SIGTERM, True, True, "interrupted"),
    ],
)
def test_a_job_that_is_told_to_end_says_why(begin, monkeypatch, number, trained, stopping, kind):
    start, batch, _ = begin

    def answer(order, evaluators, sessions, root, stop, send):
        assert not has_locks()
        if trained == "weights.pt":
            (root / "artifacts" / order.digest / order.run / trained).touch()
        elif trained:
            send(Report("progress", "epoch 1/2", epoch=Epoch(1, 2, {})))
        if stopping:
            batch.ask_to_stop()
        signal.raise_signal(number)
        assert stop()
        return Report("interrupted", "interrupted in epoch 2; epoch 1 is saved")

    monkeypatch.setattr(program, "answer", answer)
    report = start()
    assert (report and report.kind) == kind
    told = [one for one in batch.heard(0, 0)[0] if isinstance(one, Began)]
    assert [one.ended for one in told] == ([False] if kind else [False, True])
    if kind == "lost":
        assert report.text == "its time limit came: interrupted in epoch 2; epoch 1 is saved"


def test_lines_that_two_nodes_wrote_at_once_are_left_out(begin):
    start, batch, _ = begin
    start()
    before, _ = batch.heard(0, 0)
    with (batch.folder / "0.reports.jsonl").open("ab") as file:
        file.write(b'{"kind": "prog{"kind"\n')
    batch.tell(0, Began("n2", 1, 2.0, "7"))
    assert batch.heard(0, 0)[0] == [*before, Began("n2", 1, 2.0, "7")]
