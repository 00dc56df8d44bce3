"""Interruptions of runs in real processes: nothing of them is alive after 5 s, and they go on to the end."""

import json
import random
import sys
import time

import pytest
import yaml
from fault_runs import EVALUATE, SPACE
from interruptions import INTERRUPTIONS, WRAPPED, StartedRun, check, check_finished, finished, under_way
from journals import trained, trials_of

STARTING = ("INT", "INT twice", "9 to the conductor", "9 to the group", "TERM to all", "HUP", "TERM")
"""Those tried while the workers still import, too."""


def test_a_search_with_a_command_in_a_shell_is_interrupted_twenty_times(tmp_path, row):
    (tmp_path / "evaluate.py").write_text(EVALUATE)
    words = [sys.executable, "-S", str(tmp_path / "evaluate.py"), "{spec}", "{seed}", "{folder}", "0.5"]
    evaluator = {"type": "command", "command": ["bash", "-c", WRAPPED, *words], "resolution": 32}
    study = {"name": "toy", "space": SPACE, "evaluator": evaluator, "trials": 20, "sampler": "random"}
    path, runs = tmp_path / "study.yaml", tmp_path / "runs"
    path.write_text(yaml.safe_dump(study | {"final": {"seeds": 0}}))
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
    check_finished(command, runs / "toy", 20)
    row("20 interruptions of commands in shells", "nothing alive after 5 s; each layout once")


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


def test_a_search_that_trains_is_interrupted_three_times(training, tmp_path, row):
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
    row("3 interruptions of a training with loaders", "nothing alive after 5 s; trained once")
