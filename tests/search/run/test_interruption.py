"""Twenty interruptions of runs in real processes: nothing of them is alive after 5 s, and they go on to the end."""

import json
import os
import random
import re
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from interruptions import StartedRun
from journals import trained, trials_of

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="asks /proc who is alive")

WRAPPED = '(setsid sleep 778 &) ; sleep 777 & "$0" -S "$@"'
"""A shell that leaves two processes behind, one of them in a session of its own, and then evaluates."""

SUPERVISOR, WATCHDOG = "supervisor import", "watchdog import"


def under_way(run: StartedRun) -> bool:
    """Whether a layout is evaluated, its shell's processes included."""
    return bool(run.find("sleep 777") and run.find("sleep 778"))


def end_conductor(run: StartedRun, *numbers: int) -> None:
    for number in numbers:
        run.signal(run.process.pid, number)
        time.sleep(0.3)


def kill_group(run: StartedRun) -> None:
    os.killpg(run.process.pid, signal.SIGKILL)


def kill_conductor_and_workers(run: StartedRun) -> None:
    for pid in (run.process.pid, *run.workers()):
        run.signal(pid, signal.SIGKILL)


def kill_workers(run: StartedRun) -> None:
    """The run goes on by itself, beside nothing of what the workers had started; then it is ended."""
    before = {pid for pid, line in run.alive().items() if "sleep" in line}
    for pid in run.workers():
        run.signal(pid, signal.SIGKILL)
    run.wait(lambda: not before & set(run.alive()), 5)
    run.wait(lambda: under_way(run))
    end_conductor(run, signal.SIGINT)


def kill_supervisors(run: StartedRun) -> None:
    for pid in run.find(SUPERVISOR):
        run.signal(pid, signal.SIGKILL)
    time.sleep(0.3)
    end_conductor(run, signal.SIGINT)


def kill_watchdog_and_conductor(run: StartedRun) -> None:
    for pid in (*run.find(WATCHDOG), run.process.pid):
        run.signal(pid, signal.SIGKILL)


def stop_workers(run: StartedRun) -> None:
    for pid in run.workers():
        run.signal(pid, signal.SIGSTOP)


def stop_workers_and_interrupt(run: StartedRun) -> None:
    stop_workers(run)
    end_conductor(run, signal.SIGINT, signal.SIGINT)


def stop_workers_and_kill(run: StartedRun) -> None:
    stop_workers(run)
    end_conductor(run, signal.SIGKILL)


INTERRUPTIONS = {
    "TERM": (lambda run: end_conductor(run, signal.SIGTERM), 130),
    "INT": (lambda run: end_conductor(run, signal.SIGINT), 130),
    "INT twice": (lambda run: end_conductor(run, signal.SIGINT, signal.SIGINT), 130),
    "HUP": (lambda run: end_conductor(run, signal.SIGHUP), 130),
    "TERM to all": (lambda run: run.signal_all(signal.SIGTERM), 130),
    "9 to the conductor": (lambda run: end_conductor(run, signal.SIGKILL), -9),
    "9 to the group": (kill_group, -9),
    "9 to conductor and workers": (kill_conductor_and_workers, -9),
    "9 to the workers": (kill_workers, 130),
    "9 to the supervisors": (kill_supervisors, 130),
    "9 to watchdog and conductor": (kill_watchdog_and_conductor, -9),
    "stopped workers, INT twice": (stop_workers_and_interrupt, 130),
    "stopped workers, 9": (stop_workers_and_kill, -9),
}
NOISE = re.compile("Traceback|Error|Exception|Warning|resource_tracker")
STARTING = ("INT", "INT twice", "9 to the conductor", "9 to the group")
"""Those tried while the workers still import, too."""


def check(run: StartedRun, name: str) -> None:
    interrupt, wanted = INTERRUPTIONS[name]
    interrupt(run)
    code, said = run.end()
    assert (name, run.left()) == (name, {}), said
    assert code in (wanted, 0), said  # 0: the run had just come to its end
    assert not NOISE.search(said), said


def finished(run: Path) -> Counter[str]:
    """How often each layout came to its end."""
    events = Counter[str]()
    for path in run.glob("artifacts/*/*/events.jsonl"):
        events[path.parent.parent.name] += path.read_text().count('"finished"')
    return events


def test_a_search_with_a_command_in_a_shell_is_interrupted_seventeen_times(study_file, tmp_path):
    study = yaml.safe_load(study_file(seconds=0.5).read_text())
    program, _, *rest = study["evaluator"]["command"]
    study["evaluator"]["command"] = ["bash", "-c", WRAPPED, program, *rest]
    study |= {"trials": 24, "sampler": {"type": "random"}}
    path, runs = tmp_path / "wrapped.yaml", tmp_path / "runs"
    path.write_text(yaml.safe_dump(study))
    command = ("search", path, "--runs", runs, "--workers", 2)
    rng = random.Random(5)
    for name in INTERRUPTIONS:
        with StartedRun(*command) as run:
            run.wait(lambda: under_way(run))
            time.sleep(0.3 * rng.random())
            check(run, name)
    for name in STARTING:
        with StartedRun(*command) as run:
            run.wait(run.workers)
            time.sleep(0.2 * rng.random())
            check(run, name)
    with StartedRun(*command) as run:
        code, said = run.end(90)
        assert code == 0, said
        assert run.left() == {}
    done = trained(trials_of(runs / "toy"))
    assert len({trial.user_attrs["digest"] for trial in done}) == len(done) == 24
    assert set(finished(runs / "toy").values()) == {1}


@pytest.fixture
def training(tmp_path):
    """The command of a search that trains on images, which processes of their own decode."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for kind in ("a", "b"):
        (tmp_path / "images" / kind).mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / kind / f"{number}.png")
    layout = {"stem": "hr_stem", "head": {"type": "classifier", "classes": 2}, "resolution": 32}
    stages = [{"block": "HR", "depth": {"range": [1, 3]}, "width": 8}]
    data = {"type": "imagefolder", "path": str(tmp_path / "images"), "resolution": 32}
    recipe = {"epochs": 1, "batch_size": 24, "workers": 1}
    study = {
        "name": "toy",
        "space": {**layout, "stages": stages},
        "evaluator": {"type": "train", "data": data, "recipe": recipe},
        "trials": 1,
        "final": {"seeds": 0},
    }
    path = tmp_path / "training.yaml"
    path.write_text(json.dumps(study))
    return "search", path, "--runs", tmp_path / "runs"


def test_a_search_that_trains_is_interrupted_three_times(training, tmp_path):
    rng = random.Random(6)
    for name in ("INT twice", "9 to the conductor", "9 to conductor and workers"):
        with StartedRun(*training) as run:
            run.wait(lambda: len(run.workers()) > 1)  # its own, and one that decodes
            time.sleep(rng.random())
            check(run, name)
    with StartedRun(*training) as run:
        code, said = run.end(300)
        assert code == 0, said
        assert run.left() == {}
    assert len(trained(trials_of(tmp_path / "runs" / "toy"))) == 1
    assert set(finished(tmp_path / "runs" / "toy").values()) == {1}
