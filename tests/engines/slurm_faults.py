"""The table of faults on a real SLURM of three nodes on this host, with real processes: `make engines`.

Not collected by `make test`: it takes minutes, root, and Debian's packages slurm-wlm and munge.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
import yaml
from slurm_cluster import ROOT, SCRIPT, SPACE, Cluster, Search, asked, command, under_way, until


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slurm")
    started = subprocess.run([SCRIPT, "start", folder], capture_output=True, text=True, check=False)
    if started.returncode == 77:
        pytest.skip(started.stderr.strip())
    assert started.returncode == 0, started.stderr
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    yield Cluster(folder)
    subprocess.run([SCRIPT, "stop", folder], check=False)


def test_a_worker_that_is_killed_costs_an_attempt_and_goes_on(cluster, tmp_path):
    search = Search(tmp_path).start()
    victim = next(iter(until(lambda: under_way(search, 2))))
    os.kill(victim, signal.SIGKILL)
    search.end().check()
    assert "the worker died with signal 9" in search.said
    assert sorted(one.user_attrs.get("attempt", 1) for one in search.trials())[-1] == 2
    assert max(count for (_, event), count in search.events().items() if event == "started") == 2


def test_a_layout_that_kills_its_workers_fails_after_three(cluster, tmp_path):
    search = Search(tmp_path, trials=1, workers=1).start()
    for attempt in range(1, 4):
        until(lambda count=attempt: sum(search.events().values()) == count and under_way(search))
        os.kill(next(iter(search.workers())), signal.SIGKILL)
    search.end()  # with another layout
    assert re.search(r"the worker died with signal 9 \(log: .*job-3.log\); given up after 3 workers", search.said)
    [failed] = [one for one in search.trials() if one.state.name == "FAIL" and not one.user_attrs.get("requeued")]
    assert search.events()[f"artifacts/{failed.user_attrs['digest']}/search-seed0", "started"] == 3


def node_of(cluster, search):
    """A node that works for a run."""
    until(lambda: under_way(search, 2))
    return next(node for *_, node, _ in cluster.jobs())


def test_a_node_that_is_lost_costs_no_attempt(cluster, tmp_path):
    search = Search(tmp_path, seconds=10).start()
    node = node_of(cluster, search)
    for pid in cluster.of_node(node):
        os.kill(pid, signal.SIGKILL)
    search.end(400).check()
    assert {one.user_attrs.get("attempt", 1) for one in search.trials()} == {1}
    cluster.start_node(node)


def test_a_job_that_is_cancelled_or_pre_empted_goes_on(cluster, tmp_path):
    search = Search(tmp_path, seconds=15, workers=3).start()
    node = node_of(cluster, search)
    job, task, *_ = cluster.jobs()[0]
    asked("scancel", f"{job}_{task}")
    urgent = ["--partition=urgent", f"--nodelist={node}", "--exclusive", "--time=1", "--output=/dev/null"]
    number = asked("sbatch", "--parsable", "--job-name=other", *urgent, "--wrap=sleep 3").strip()
    until(lambda: number not in asked("squeue", "--noheader", "-o", "%A").split(), 120)

    def hasten():  # SLURM itself would wait two minutes
        for job, task, *_ in cluster.jobs("PENDING"):
            subprocess.run(["scontrol", "update", f"jobid={job}_{task}", "starttime=now"], check=False)
        return search.process.poll() is not None

    until(hasten, 400, every=2)
    search.end().check()
    assert {one.user_attrs.get("attempt", 1) for one in search.trials()} == {1}
    assert re.search(r"lost: its job (ended|was ended from outside,) as CANCELLED", search.said)


def test_a_conductor_that_is_killed_takes_over_its_jobs(cluster, tmp_path):
    search = Search(tmp_path, seconds=30, trials=4, finalists=1).start()
    until(lambda: under_way(search, 3))
    search.kill()
    search.start()
    search.end(300).check(4, finalists=1)
    assert re.search(r"[34] jobs of this run are alive and are taken over", search.said)
    assert max(count for (_, event), count in search.events().items() if event == "started") == 1


def test_a_node_that_comes_back_writes_nothing(cluster, tmp_path):
    search = Search(tmp_path, seconds=8, workers=2, trials=2).start()
    frozen = cluster.of_node(node_of(cluster, search))
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    search.end(400).check(2)
    names = ("result.json", "attempt", "events.jsonl")
    before = {path: path.read_bytes() for path in search.root.glob("artifacts/*/*/*") if path.name in names}
    assert {path.read_text() for path in before if path.name == "attempt"} - {"1.0\n"}
    for pid in frozen:
        if command(pid):
            os.kill(pid, signal.SIGCONT)
    until(lambda: not search.workers(), 60)
    assert before == {path: path.read_bytes() for path in before}


def test_a_controller_that_is_silent_for_a_minute_is_waited_for(cluster, tmp_path):
    search = Search(tmp_path, seconds=10).start()
    until(lambda: under_way(search, 2))
    os.kill(cluster.pid("slurmctld"), signal.SIGSTOP)
    time.sleep(60)
    os.kill(cluster.pid("slurmctld"), signal.SIGCONT)
    search.end(300).check()
    assert "SLURM does not answer" in search.said
    assert "SLURM answers again" in search.said
    assert {one.user_attrs.get("attempt", 1) for one in search.trials()} == {1}


def test_a_finalist_whose_worker_dies_is_queued_again(cluster, tmp_path):
    search = Search(tmp_path, seconds=4, finalists=1).start()
    until(lambda: list(search.root.glob("artifacts/*/final-seed1/steps.txt")))
    os.kill(next(iter(search.workers())), signal.SIGKILL)
    search.end().check(finalists=1)
    assert "tried again (attempt 2 of 3)" in search.said


def test_ctrl_c_has_jobs_save_and_the_same_command_goes_on(cluster, tmp_path):
    search = Search(tmp_path, seconds=10).start()
    until(lambda: under_way(search, 2))
    os.kill(search.process.pid, signal.SIGINT)
    assert search.process.wait(60) == 130, search.said
    assert not search.workers()
    search.start().end().check()


def test_a_time_limit_ends_a_job_which_goes_on_from_what_it_has_saved(cluster, tmp_path):
    """A command of 75 s with a checkpoint of its own under a limit of one minute."""
    search = Search(tmp_path, seconds=75, trials=1, workers=1)
    engine = yaml.safe_load((tmp_path / "engine.yaml").read_text()) | {"time": "1"}
    (tmp_path / "engine.yaml").write_text(yaml.safe_dump(engine))
    search.start().end(500).check(1)
    assert "lost: its time limit came: interrupted while the command ran; queued again" in search.said
    assert {one.user_attrs.get("attempt", 1) for one in search.trials()} == {1}


def test_a_training_that_is_told_of_its_limit_saves_its_last_epoch(cluster, tmp_path):
    pytest.importorskip("sklearn")
    evaluator = {"type": "train", "data": {"type": "digits"}, "recipe": {"epochs": 60, "batch_size": 256}}
    space = SPACE | {"resolution": 8}
    search = Search(tmp_path, trials=1, workers=1, evaluator=evaluator, space=space).start()
    until(lambda: list(search.root.glob("artifacts/*/*/curve.csv")), 300)
    [(job, task, *_)] = cluster.jobs()
    asked("scancel", "--batch", "--signal=USR1", f"{job}_{task}")
    search.end(500)
    assert "lost: its time limit came: interrupted in epoch" in search.said
    [curve] = search.root.glob("artifacts/*/*/curve.csv")
    epochs = [line.split(",")[0] for line in curve.read_text().splitlines()[1:]]
    assert epochs == [str(number + 1) for number in range(60)]


def fill(path):
    """Write to a file until nothing more can be written."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_a_folder_that_is_full_ends_the_run_in_one_line_and_it_goes_on(cluster, tmp_path):
    search = Search(tmp_path, seconds=8, trials=4, workers=2)
    search.root.parent.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", search.root.parent], check=False)
    if mounted.returncode:
        pytest.skip("nothing may be mounted here")
    try:
        search.start()
        until(lambda: under_way(search, 2))
        fill(search.root.parent / "other")
        assert search.process.wait(120) == 1, search.said
        [line] = [line for line in search.said.splitlines() if line.startswith("archspec: ")]
        assert line.endswith("No space left on device")
        (search.root.parent / "other").unlink()
        search.start().end().check(4)
        assert {one.user_attrs.get("attempt", 1) for one in search.trials()} == {1}
    finally:
        subprocess.run(["umount", search.root.parent], check=False)


def test_the_front_is_that_of_one_machine(cluster, tmp_path):
    search = Search(tmp_path, seconds=0.2, finalists=1).start().end().check(finalists=1)
    words = ["search", search.home / "study.yaml", "--runs", tmp_path / "local", "--workers", "2", "--quiet"]
    subprocess.run([sys.executable, "-m", "archspec", *words], cwd=ROOT, check=True)
    here = Search.__new__(Search)
    here.root = tmp_path / "local" / "toy"
    assert values(search, "search") == values(here, "search")
    assert values(search, "final") == values(here, "final")


def values(search, study):
    trials = [one for one in search.trials(study) if one.state.name == "COMPLETE"]
    return {(one.user_attrs["digest"], one.user_attrs["seed"], *one.values) for one in trials}


def test_a_wrong_option_is_refused_in_one_line(cluster, tmp_path):
    search = Search(tmp_path, sbatch=["--partition=nowhere"]).start()
    assert search.process.wait(60) == 2
    assert "archspec: engine: sbatch: invalid partition specified: nowhere" in search.said
    assert "Traceback" not in search.said


def test_jobs_whose_python_is_missing_end_the_run_in_one_line(cluster, tmp_path):
    search = Search(tmp_path)
    engine = yaml.safe_load((tmp_path / "engine.yaml").read_text()) | {"python": "/nowhere/python"}
    (tmp_path / "engine.yaml").write_text(yaml.safe_dump(engine))
    assert search.start().process.wait(60) == 2
    assert "before archspec had started" in search.said
    assert "/nowhere/python: No such file" in search.said


def test_twenty_random_kills(cluster, tmp_path):
    rng = random.Random(int(os.environ.get("SEED", "15")))
    search = Search(tmp_path, seconds=40, trials=18, workers=6, finalists=1).start()
    kinds = []
    while len(kinds) < 20:
        until(lambda: under_way(search) or search.process.poll() is not None, 180)
        assert search.process.poll() is None, f"{kinds}: {search.said}"
        time.sleep(rng.random() * 3)
        kind = rng.choice(("scancel", "conductor", "worker", "terminate"))
        running, workers = cluster.jobs(), sorted(search.workers())
        if kind == "conductor":
            search.kill()
            search.start()
        elif kind == "worker" and kinds.count("worker") <= 2 and workers:
            with suppress(ProcessLookupError):
                os.kill(rng.choice(workers), signal.SIGKILL)
        elif running:
            job, task, *_ = rng.choice(running)
            options = () if kind != "terminate" else ("--batch", "--signal=TERM")
            subprocess.run(["scancel", *options, f"{job}_{task}"], check=False)
        else:
            continue
        kinds.append(kind)
    search.end(580).check(18, finalists=1)
