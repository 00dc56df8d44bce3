"""The table of faults on a real Ray of a head and two nodes on this host: `make engines-ray`.

Not collected by `make test`: it takes minutes, root and the extra `ray`. Ray listens on all addresses of a host, unless
they are the loopback address alone; the cluster has a network of its own.
"""

import ctypes
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from fault_runs import TRAINING, FaultRun, command, fill, is_alive, kill
from ray_cluster import SCRIPT, RayCluster

from search.processes.tree import list_processes

NEW_NETWORK = 0x40000000
SILENT_SECONDS = 62
HEAD = "127.0.0.2"


@pytest.fixture(scope="module")
def started_ray(tmp_path_factory):
    """A Ray that is started once, in a network of its own."""
    ray = shutil.which("ray", path=str(Path(sys.executable).parent))
    if ray is None:
        pytest.skip("no Ray: pip install 'archspec-vision[ray]'")
    folder, before = tmp_path_factory.mktemp("ray"), dict(os.environ)
    home = os.open("/proc/self/ns/net", os.O_RDONLY) if os.path.exists("/proc/self/ns/net") else -1
    libc = ctypes.CDLL(None)
    if home < 0 or libc.unshare(NEW_NETWORK):
        pytest.skip("a network of its own, in which Ray may listen on all addresses, needs root and Linux")
    try:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        os.environ |= {"RAY": ray, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folder / "token")}
        os.environ |= {"PYTHONPATH": os.getcwd(), "RAY_ADDRESS": f"{HEAD}:6390"}
        started = subprocess.run([SCRIPT, "start", folder], capture_output=True, text=True, check=False)
        assert started.returncode == 0, started.stderr
        yield RayCluster(folder)
    finally:
        subprocess.run([SCRIPT, "stop", folder], check=False)
        os.environ.clear()
        os.environ.update(before)
        libc.setns(home, 0)
        os.close(home)


@pytest.fixture
def cluster(started_ray):
    """The cluster at rest, before and after a test."""
    yield started_ray
    started_ray.settle()


@pytest.fixture
def search(cluster, runs, tmp_path):
    """Begins a search on the cluster; changes of its engine, and of `FaultRun`."""

    def begin(engine=(), home=tmp_path, **changes):
        home.mkdir(exist_ok=True)
        runs.append(FaultRun(home, {"type": "ray"} | dict(engine), ask=cluster.ask, **changes))
        return runs[-1].start()

    return begin


def begun(run):
    return sum(count for (_, event), count in run.events().items() if event == "started")


def a_node(cluster, run):
    """A node with work under way, and its evaluations."""
    found = run.until(lambda: run.under_way(3))
    node = cluster.node_of(next(iter(found.values())))
    return node, {folder: pid for folder, pid in found.items() if cluster.node_of(pid) == node}


def places(run, folder):
    """The nodes on which an evaluation has been, one after the other."""
    logs = sorted((run.root / folder).glob("job-*.log"))
    return [re.search(r"^process \d+ on \S+, node (\w+)", log.read_text(), re.MULTILINE)[1] for log in logs]


def test_a_worker_that_is_killed_costs_an_attempt_and_goes_on(search, row):
    run = search(seconds=4, trials=4)
    folder, pid = next(iter(run.until(lambda: run.under_way(2)).items()))
    before = run.saved(folder)
    kill(pid)
    run.end().check(4)
    assert "the worker died" in run.said
    assert run.saved(folder)[: len(before)] == before
    assert sorted(run.attempts().values()) == [1, 1, 1, 2]
    row("worker killed (-9)", f"attempt 2, from step {len(before)}; no step done twice")


def test_a_layout_that_kills_its_workers_fails_after_three(search, row):
    run = search(seconds=5, trials=1, workers=1)
    for attempt in range(1, 4):
        [(folder, pid)] = run.until(lambda count=attempt: begun(run) == count and run.under_way()).items()
        kill(pid)
    run.end()  # with another layout
    assert re.search(r"the worker died \(log: .*job-3.log\); given up after 3 workers", run.said)
    [failed] = [one for one in run.trials() if one.state.name == "FAIL" and not one.user_attrs.get("requeued")]
    assert folder == f"artifacts/{failed.user_attrs['digest']}/search-seed0"
    row("three workers of a layout killed", "failed, the log named; another layout in its place")


@pytest.mark.parametrize("what", ["raylet", "node"])
def test_a_node_that_is_lost_costs_no_attempt(cluster, search, row, what):
    run = search(seconds=6, trials=4)
    node, victims = a_node(cluster, run)
    if what == "raylet":
        kill(cluster.raylets()[node])
    else:
        cluster.lose(node)
    run.end().check(4)
    assert set(run.attempts().values()) == {1}
    for folder in victims:
        first, *_, last = places(run, folder)
        assert first != last
    said = "raylet killed (-9)" if what == "raylet" else "node lost (raylet and all that it has started)"
    row(said, f"{len(victims)} tasks queued again, elsewhere; no attempt")


def test_a_conductor_that_is_killed_goes_on_from_checkpoints(cluster, search, row):
    run = search(seconds=8, trials=4, finalists=1)
    found = run.until(lambda: run.under_way(3))
    saved = {folder: len(run.saved(folder)) for folder in found}
    run.kill()
    run.until(lambda: not cluster.tasks(), 60, "the end of the tasks of a driver that is gone")
    run.start().end().check(4, finalists=True)
    assert set(run.attempts().values()) == {1}
    row("conductor killed (-9), started again", f"{len(saved)} tasks end with it, and go on from what they had saved")


def test_a_node_that_comes_back_writes_nothing(cluster, search, row):
    run = search(seconds=6, trials=3, workers=3)
    node, victims = a_node(cluster, run)
    raylet, *others = frozen = cluster.processes(node)
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    run.end().check(3, steps=False)  # the frozen command will write its own file
    names = ("result.json", "attempt", "events.jsonl")
    before = {path: path.read_bytes() for path in run.root.glob("artifacts/*/*/*") if path.name in names}
    for folder in victims:
        assert (run.root / folder / "attempt").read_text() != "1.0\n"
        assert run.events()[folder, "started"] == 2
    for pid in others:  # not its raylet, which would have them ended
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    run.until(lambda: not any(map(is_alive, victims.values())), 60)
    assert before == {path: path.read_bytes() for path in before}
    assert set(run.attempts().values()) == {1}
    with suppress(ProcessLookupError):
        os.kill(raylet, signal.SIGCONT)
    row("a node given up comes back", "its writer ends; the current attempt's result stands")


def test_a_head_that_is_silent_for_a_minute_is_waited_for(cluster, search, row):
    run = search(seconds=6)
    run.until(lambda: run.under_way(2))
    head = cluster.gcs()
    os.kill(head, signal.SIGSTOP)
    until = time.monotonic() + SILENT_SECONDS
    run.until(lambda: "the head of Ray does not answer" in run.said, SILENT_SECONDS)
    run.until(lambda: time.monotonic() > until, SILENT_SECONDS + 1)
    assert run.process.poll() is None
    os.kill(head, signal.SIGCONT)
    run.until(lambda: "the head of Ray answers again" in run.said)
    run.end().check()
    assert set(run.attempts().values()) == {1}
    told = re.search(r"Ray answers again after (\d+) s", run.said)
    row(f"head silent for {SILENT_SECONDS} s (SIGSTOP)", f"said so, waited {told[1]} s; nothing lost")


def test_a_driver_that_ray_ends_is_replaced(cluster, search, row):
    run = search(seconds=6, trials=4)
    run.until(lambda: run.under_way(2))
    kill(*(one.pid for one in list_processes() if one.parent == run.process.pid and "driver" in command(one.pid)))
    run.end().check(4)
    assert set(run.attempts().values()) == {1}
    assert "the driver on Ray ended" in run.said
    row("the driver's process killed (-9)", "another one is started; tasks go on from what they had saved; no attempt")


def test_a_finalist_whose_worker_dies_is_queued_again(search, row):
    run = search(seconds=2, trials=3, finalists=1)
    found = run.until(lambda: {one: pid for one, pid in run.under_way().items() if "final-" in one})
    folder, pid = next(iter(found.items()))
    kill(pid)
    run.end().check(3, finalists=True)
    assert "tried again (attempt 2 of 3)" in run.said
    assert run.events()[folder, "started"] == 2
    row("a finalist's worker killed", "queued again (attempt 2 of 3), recorded")


def test_ctrl_c_has_tasks_save_and_the_same_command_goes_on(cluster, search, row):
    run = search(seconds=5, trials=6)
    run.until(lambda: run.under_way(2))
    status = [sys.executable, "-m", "archspec", "status", str(run.root)]

    def placed():
        said = subprocess.run(status, capture_output=True, text=True, check=True).stdout
        return re.search(r"process \d+ on", " ".join(said.split()))

    run.until(placed, 20, "a status that says where trials are")
    run.signal(signal.SIGINT)
    run.end(60, code=130)
    assert not run.working()
    run.start().end().check(6)
    assert set(run.attempts().values()) == {1}
    assert not [one for one in run.trials() if one.state.name == "FAIL" and not one.user_attrs.get("requeued")]
    row("Ctrl-C", "tasks save and end; the same command goes on")


def test_a_folder_that_is_full_counts_as_no_attempt(search, row, full_disk):
    run = search(runs=full_disk, seconds=4, trials=4, workers=2)
    run.until(lambda: run.under_way(2))
    fill(full_disk / "other")
    run.until(lambda: "No space left on device" in run.said)
    (full_disk / "other").unlink()
    time.sleep(1)
    if run.process.poll() is not None:
        run.start()
    run.end().check(4, steps=False)
    assert set(run.attempts().values()) == {1}
    row("run folder full", "one line; goes on after space is there; no attempt")


def test_a_training_finds_the_front_of_one_machine(search, local, row):
    there = search(trials=3, workers=2, finalists=1, **TRAINING)
    there.end(900).check(3, finalists=True)
    here = local(trials=3, workers=1, finalists=1, **TRAINING).end(600).check(3, finalists=True)
    assert there.values("search") == here.values("search")
    assert there.values("final") == here.values("final")
    row("none: a study that trains", f"front and {len(here.values('final'))} finalists as with local")


@pytest.mark.parametrize("token", ["other", "none"])
def test_another_token_is_refused_in_one_line(search, row, monkeypatch, tmp_path, token):
    path = tmp_path / "other"
    if token == "other":
        path.write_text("0" * 64)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(path) if token == "other" else "")
    monkeypatch.setenv("HOME", str(tmp_path))
    run = search(trials=1).end(120, code=2)
    [line] = [line for line in run.said.splitlines() if line.startswith("archspec: ")]
    assert line.startswith(f"archspec: engine: {HEAD}:6390: Ray refuses the token of this process, or it has none")
    assert "Traceback" not in run.said
    row(f"token: {token}", "one line, exit code 2")


def test_a_cluster_that_is_not_there_is_refused_in_one_line(search, row):
    run = search({"address": "127.0.0.9:6399"}, trials=1).end(120, code=2)
    assert "archspec: engine: no cluster answers at 127.0.0.9:6399: Connection refused" in run.said
    row("no cluster at the address", "one line, exit code 2")


def test_a_cluster_of_its_own_keeps_to_this_machine_and_ends_with_the_run(cluster, search, row):
    before, raylets = listening(), len(cluster.all_raylets())
    run = search({"address": "local"}, seconds=2, trials=2, workers=2)
    run.until(lambda: run.under_way(1))
    own = listening() - before
    assert len(own) >= 3
    assert {address.rpartition(":")[0] for address in own} <= {"127.0.0.1", "[::ffff:127.0.0.1]"}
    run.end().check(2)
    assert len(cluster.all_raylets()) == raylets
    row("a cluster of its own", f"{len(own)} ports, all on the loopback address; ended with the run")


def listening():
    """Addresses and ports on which processes of this network listen."""
    said = subprocess.run(["ss", "-lntH"], capture_output=True, text=True, check=True).stdout
    return {line.split()[3] for line in said.splitlines()}


def test_random_kills(cluster, search, row):
    rng = random.Random(int(os.environ.get("SEED", "15")))
    run = search(seconds=12, trials=10, finalists=1)
    kinds = []
    while len(kinds) < 10:
        run.until(lambda: run.under_way() or run.process.poll() is not None, 180)
        assert run.process.poll() is None, f"{kinds}: {run.said}"
        time.sleep(rng.random() * 2)
        kind = rng.choice(("conductor", "worker", "node"))
        found = sorted(run.working().values())
        if kind == "conductor":
            run.kill()
            run.start()
        elif kind == "worker" and kinds.count("worker") < 2 and found:
            kill(rng.choice(found))
        elif kind == "node" and found:
            with suppress(KeyError):
                node = cluster.node_of(rng.choice(found))
                cluster.lose(node)
                cluster.start_node(node)
        else:
            continue
        kinds.append(kind)
    run.end(580).check(10, finalists=True)
    row("10 random kills", ", ".join(f"{kinds.count(kind)} {kind}s" for kind in sorted(set(kinds))) + ": nothing lost")
