"""The table of faults on a real SLURM of three nodes on this host, with real processes: `make engines`.

Not collected by `make test`: it takes minutes, root, and Debian's packages slurm-wlm and munge.
"""

import os
import re
import signal
import time

import yaml
from fault_runs import command, fill, is_alive, kill
from slurm_cluster import asked

SILENT_SECONDS = 62


def test_a_worker_that_is_killed_costs_an_attempt_and_goes_on(search, row):
    run = search(seconds=4, trials=4)
    folder, pid = next(iter(run.until(lambda: run.under_way(2)).items()))
    before = run.saved(folder)
    kill(pid)
    run.end().check(4)
    assert "the worker died with signal 9" in run.said
    assert run.saved(folder)[: len(before)] == before
    assert sorted(run.attempts().values()) == [1, 1, 1, 2]
    row("worker killed (-9)", f"attempt 2, from step {len(before)}; no step done twice")


def test_a_layout_that_kills_its_workers_fails_after_three(search, row):
    run = search(seconds=5, trials=1, workers=1)
    for attempt in range(1, 4):
        [(folder, pid)] = run.until(lambda count=attempt: begun(run) == count and run.under_way()).items()
        kill(pid)
    run.end()  # with another layout
    assert re.search(r"the worker died with signal 9 \(log: .*job-3.log\); given up after 3 workers", run.said)
    [failed] = [one for one in run.trials() if one.state.name == "FAIL" and not one.user_attrs.get("requeued")]
    assert folder == f"artifacts/{failed.user_attrs['digest']}/search-seed0"
    assert run.events()[folder, "started"] == 3
    row("three workers of a layout killed", "failed, the log named; another layout in its place")


def begun(run):
    return sum(count for (_, event), count in run.events().items() if event == "started")


def test_a_node_that_is_lost_costs_no_attempt(cluster, search, row):
    run = search(seconds=5, trials=4)
    node, victims = a_node(cluster, run)
    cluster.lose(node)
    run.end().check(4)
    assert set(run.attempts().values()) == {1}
    for folder in victims:
        places = re.findall(r"^job .* on (n\d)", (run.root / folder / "job-1.log").read_text(), re.MULTILINE)
        assert places[0] == node
        assert places[-1] != node
    row("node lost (slurmd and its steps)", f"{len(victims)} jobs queued again, elsewhere; no attempt")


def a_node(cluster, run):
    """A node with work under way, and its evaluations."""
    found = run.until(lambda: run.under_way(3))
    node = cluster.node_of(next(iter(found.values())))
    return node, {folder: pid for folder, pid in found.items() if cluster.node_of(pid) == node}


def test_a_job_that_is_cancelled_or_pre_empted_goes_on(cluster, search, row):
    run = search(seconds=6, trials=3, workers=3)
    node, victims = a_node(cluster, run)
    pid = next(pid for pid in run.under_way().values() if pid not in victims.values())
    asked("scancel", cluster.job_of(pid))
    urgent = ["--partition=urgent", f"--nodelist={node}", "--exclusive", "--time=1", "--output=/dev/null"]
    number = asked("sbatch", "--parsable", "--job-name=other", *urgent, "--wrap=sleep 2").strip()
    run.until(lambda: number not in asked("squeue", "--noheader", "-o", "%A").split())
    assert not any(is_alive(pid) for pid in victims.values())
    run.end().check(3)
    assert set(run.attempts().values()) == {1}
    assert re.search(r"lost: its job (ended|was ended from outside,) as CANCELLED", run.said)
    row("job pre-empted", "saved, goes on in the same job; no attempt")
    row("job cancelled by somebody", "saved, goes on in another job; no attempt")


def test_a_conductor_that_is_killed_takes_over_its_jobs(search, row):
    run = search(seconds=8, trials=4, finalists=1)
    run.until(lambda: run.under_way(3))
    run.kill()
    run.start().end().check(4, finalists=True)
    alive = re.search(r"([34]) jobs of this run are alive and are taken over", run.said)
    assert alive
    assert max(count for (_, event), count in run.events().items() if event == "started") == 1
    row("conductor killed (-9), started again", f"{alive[1]} live jobs taken over; each began once")


def test_workers_that_end_while_nobody_conducts_count_as_they_would(cluster, search, row):
    run = search(seconds=6, trials=3, workers=3)
    (dead, pid), (cancelled, other), _ = run.until(lambda: run.under_way(3)).items()
    number = cluster.job_of(other)
    run.kill()
    kill(pid)
    asked("scancel", number)
    run.until(lambda: not (is_alive(pid) or is_alive(other)))
    run.start().end().check(3)
    attempts = {f"artifacts/{digest}/search-seed0": attempt for digest, attempt in run.attempts().items()}
    assert attempts.pop(dead) == 2
    assert set(attempts.values()) == {1}
    assert run.events()[cancelled, "started"] == 2
    row("worker killed while nobody conducts", "attempt 2 when the run goes on; a cancelled job costs none")


def test_a_node_that_comes_back_writes_nothing(cluster, search, row):
    run = search(seconds=5, workers=3, trials=3)
    node, victims = a_node(cluster, run)
    slurmd, *others = frozen = cluster.processes(node)
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    run.end().check(3, steps=False)  # the frozen command will write its own file
    names = ("result.json", "attempt", "events.jsonl")
    before = {path: path.read_bytes() for path in run.root.glob("artifacts/*/*/*") if path.name in names}
    for folder in victims:
        assert (run.root / folder / "attempt").read_text() != "1.0\n"
        assert run.events()[folder, "started"] == 2
    for pid in others:  # not its slurmd, which would have them ended
        if command(pid):
            os.kill(pid, signal.SIGCONT)
    run.until(lambda: not any(map(is_alive, victims.values())), 30)
    assert before == {path: path.read_bytes() for path in before}
    assert set(run.attempts().values()) == {1}
    os.kill(slurmd, signal.SIGCONT)
    row("a node given up comes back", "its writer ends by itself; the current attempt's result stands")


def test_a_controller_that_is_silent_for_a_minute_is_waited_for(cluster, search, row):
    run = search(seconds=6)
    run.until(lambda: run.under_way(2))
    run.befall = lambda: None  # nobody else asks either
    os.kill(cluster.pid("slurmctld"), signal.SIGSTOP)
    until = time.monotonic() + SILENT_SECONDS
    run.until(lambda: "SLURM does not answer" in run.said, SILENT_SECONDS)
    run.until(lambda: time.monotonic() > until, SILENT_SECONDS + 1)
    assert run.process.poll() is None
    os.kill(cluster.pid("slurmctld"), signal.SIGCONT)
    run.until(lambda: "SLURM answers again" in run.said)
    run.befall = cluster.hasten
    run.end().check()
    assert set(run.attempts().values()) == {1}
    told = re.search(r"SLURM answers again after (\d+) s", run.said)
    row(f"controller silent for {SILENT_SECONDS} s (SIGSTOP)", f"said so, waited {told[1]} s; nothing lost")


def test_a_finalist_whose_worker_dies_is_queued_again(search, row):
    run = search(seconds=2, trials=3, finalists=1)
    folder, pid = next(iter(run.until(lambda: only_finals(run.under_way())).items()))
    kill(pid)
    run.end().check(3, finalists=True)
    assert "tried again (attempt 2 of 3)" in run.said
    assert run.events()[folder, "started"] == 2
    row("a finalist's worker killed", "queued again (attempt 2 of 3), recorded")


def only_finals(found):
    return {folder: pid for folder, pid in found.items() if "final-" in folder}


def test_ctrl_c_has_jobs_save_and_the_same_command_goes_on(search, row):
    run = search(seconds=5, trials=4)
    run.until(lambda: run.under_way(2))
    run.signal(signal.SIGINT)
    run.end(60, code=130)
    assert not run.working()
    run.start().end().check(4)
    assert set(run.attempts().values()) == {1}
    row("Ctrl-C", "jobs save and end; the same command goes on")


def test_a_time_limit_ends_a_job_which_goes_on_from_what_it_has_saved(search, row):
    """SLURM tells a job 15 to 45 s before its limit of a minute: it looks every 30 s."""
    run = search({"time": "1"}, seconds=48, trials=1, workers=1)
    run.end().check(1)
    assert "lost: its time limit came: interrupted while the command ran; queued again" in run.said
    assert set(run.attempts().values()) == {1}
    row("time limit", "told 15 to 45 s before it; saved, goes on in another job; no attempt")


def test_a_folder_that_is_full_is_waited_for(search, row, full_disk):
    run = search(runs=full_disk, seconds=4, trials=4, workers=2)
    run.until(lambda: run.under_way(2))
    fill(full_disk / "other")
    run.until(lambda: "No space left on device" in run.said)
    (full_disk / "other").unlink()
    run.end().check(4, steps=False)
    assert set(run.attempts().values()) == {1}
    row("run folder full", "one line; goes on after space is there; no attempt")


def test_a_wrong_option_is_refused_in_one_line(search, row):
    run = search({"sbatch": ["--partition=nowhere"]}).end(60, code=2)
    assert "archspec: engine: sbatch: invalid partition specified: nowhere" in run.said
    assert "Traceback" not in run.said
    row("an option that sbatch refuses", "one line, exit code 2")


def test_jobs_whose_python_is_missing_end_the_run_in_one_line(search, row):
    run = search({"python": "/nowhere/python"}, trials=3).end(60, code=2)
    assert "before archspec had started" in run.said
    assert "/nowhere/python: No such file" in run.said
    run.words[-1] = str(run.home / "engine.yaml")
    (run.home / "engine.yaml").write_text(yaml.safe_dump({"type": "slurm", "poll_seconds": 0.5}))
    run.start().end().check(3)  # what could not start counts as nothing
    assert set(run.attempts().values()) == {1}
    row("a job that cannot start Python", "one line with its last words; goes on once the engine is mended")
