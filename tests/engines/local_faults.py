"""The table of faults on this machine, with real processes: `make engines`.

What befalls a node, a job or a controller of a cluster befalls here the process that conducts, or all processes.
"""

import os
import re
import signal
import time

from fault_runs import TRAINING, fill, kill
from random_kills import RandomKills

SILENT_SECONDS = 15


def test_a_worker_that_is_killed_costs_an_attempt_and_goes_on(local, row):
    run = local(seconds=2, trials=4)
    folder, pid = next(iter(run.until(lambda: run.under_way(2)).items()))
    before = run.saved(folder)
    kill(pid)
    run.end().check(4)
    assert "the worker died with signal 9" in run.said
    assert run.saved(folder)[: len(before)] == before
    assert sorted(run.attempts().values()) == [1, 1, 1, 2]
    row("worker killed (-9)", f"attempt 2, from step {len(before)}; no step done twice")


def test_a_layout_that_kills_its_workers_fails_after_three(local, row):
    run = local(seconds=3, trials=1, workers=1)
    for attempt in range(1, 4):
        [(folder, pid)] = run.until(lambda count=attempt: begun(run) == count and run.under_way()).items()
        kill(pid)
    run.end()  # with another layout
    assert "the worker died with signal 9; given up after 3 workers" in run.said
    [failed] = [one for one in run.trials() if one.state.name == "FAIL" and not one.user_attrs.get("requeued")]
    assert folder == f"artifacts/{failed.user_attrs['digest']}/search-seed0"
    row("three workers of a layout killed", "failed; another layout in its place")


def begun(run):
    return sum(count for (_, event), count in run.events().items() if event == "started")


def test_a_machine_that_is_lost_costs_no_attempt(local, row):
    run = local(seconds=3, trials=4)
    run.until(lambda: run.under_way(3))
    kill(*run.alive())
    run.process.wait()
    run.until(lambda: not run.alive())
    run.start().end().check(4)
    assert set(run.attempts().values()) == {1}
    row("node lost (all processes killed)", "the same command goes on from what was saved; no attempt")


def test_a_run_that_a_batch_system_ends_goes_on(local, row):
    """At a time limit, or when it is pre-empted: SIGTERM to all processes."""
    run = local(seconds=3, trials=4)
    run.until(lambda: run.under_way(3))
    for pid in run.alive():
        run.signal(signal.SIGTERM, pid)
    run.end(60, code=130)
    assert not run.alive()
    run.start().end().check(4)
    assert set(run.attempts().values()) == {1}
    row("time limit, pre-empted (SIGTERM to all)", "saved, the same command goes on; no attempt")


def test_a_conductor_that_is_killed_leaves_nothing_and_goes_on(local, row):
    run = local(seconds=3, trials=4, finalists=1)
    before = {folder: run.saved(folder) for folder in run.until(lambda: run.under_way(3))}
    run.kill()
    run.until(lambda: not run.alive(), 5)
    run.start().end().check(4, finalists=True)
    assert all(run.saved(folder)[: len(lines)] == lines for folder, lines in before.items())
    assert set(run.attempts().values()) == {1}
    row("conductor killed (-9), started again", "workers end within 5 s; from checkpoints, none trained twice")


def test_a_writer_that_comes_back_writes_nothing(local, row):
    """Frozen workers, which outlive their run and its watchdog."""
    run = local(seconds=3, trials=2, workers=2)
    run.until(lambda: run.under_way(2))
    frozen = {pid for pid, words in run.alive().items() if "watchdog" not in words and pid != run.process.pid}
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    kill(*(set(run.alive()) - frozen))
    run.process.wait()
    run.start().end(60, code=2)
    assert re.search(r"archspec: .*: process \d+ .*is at work in this folder; end it, and continue", run.said)
    for pid in frozen:
        run.signal(signal.SIGCONT, pid)
    run.until(lambda: not run.alive(), 15)
    run.start().end().check(2, steps=False)  # each frozen command has written its step
    assert set(run.attempts().values()) == {1}
    row("a writer given up comes back (SIGSTOP)", "refused in one line while it has the folder; it ends by itself")


def test_a_conductor_that_is_silent_loses_nothing(local, row):
    run = local(seconds=3, trials=6)
    run.until(lambda: run.under_way(3))
    run.signal(signal.SIGSTOP)
    until = time.monotonic() + SILENT_SECONDS
    run.until(lambda: time.monotonic() > until)
    run.signal(signal.SIGCONT)
    run.end().check()
    assert set(run.attempts().values()) == {1}
    row(f"conductor silent for {SILENT_SECONDS} s (SIGSTOP)", "workers end what they have and wait; nothing lost")


def test_a_folder_that_is_full_is_waited_for(local, row, full_disk):
    run = local(runs=full_disk, seconds=3, trials=4, workers=2)
    run.until(lambda: run.under_way(2))
    fill(full_disk / "other")
    run.until(lambda: "No space left on device" in run.said)
    (full_disk / "other").unlink()
    run.end().check(4, steps=False)
    assert set(run.attempts().values()) == {1}
    row("run folder full", "one line; goes on after space is there; no attempt")


def test_a_finalist_whose_worker_dies_is_queued_again(local, row):
    run = local(seconds=1, trials=3, finalists=1)
    found = run.until(lambda: {folder: pid for folder, pid in run.under_way().items() if "final-" in folder})
    folder, pid = next(iter(found.items()))
    kill(pid)
    run.end().check(3, finalists=True)
    assert "tried again (attempt 2 of 3)" in run.said
    assert run.events()[folder, "started"] == 2
    row("a finalist's worker killed", "queued again (attempt 2 of 3), recorded")


def test_twenty_random_kills(local, row):
    run = local(seconds=2, trials=14, workers=4, finalists=1)
    kills = RandomKills(run, os.environ.get("SEED", "15"), allowed=10)

    def all_processes():
        kill(*run.alive())
        return kills.conductor()

    kills.go(
        20,
        worker=kills.worker,
        conductor=kills.conductor,
        all_processes=all_processes,
        terminated=lambda: kills.interrupt(signal.SIGTERM),
        interrupted=lambda: kills.interrupt(signal.SIGINT),
    )
    run.end(400).check(14, finalists=True)
    kills.check()
    row("20 random kills", f"{kills}: lost 0, trained twice 0, {sum(kills.deaths.values())} attempts counted")


def test_a_study_that_trains_has_the_same_front_through_kills(local, row, tmp_path):
    whole = local(home=tmp_path / "whole", trials=4, workers=2, finalists=1, **TRAINING)
    run = local(trials=4, workers=1, finalists=1, **TRAINING)
    folder, pid = next(iter(run.until(run.under_way, 120).items()))
    before = run.saved(folder)
    kill(pid)
    run.until(lambda: "the worker died with signal 9" in run.said)
    run.until(run.under_way, 120)
    run.kill()
    run.start().end(400).check(4, finalists=True)
    whole.end(400).check(4, finalists=True)
    assert run.saved(folder)[: len(before)] == before  # seconds among them: no epoch that was saved is trained again
    for study in ("search", "final"):
        assert run.values(study) == whole.values(study) != set()
    row("study that trains, with finalists", "front and all metrics as without kills, bit for bit")
