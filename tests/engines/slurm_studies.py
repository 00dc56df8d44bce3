"""Whole studies on a real SLURM: random kills, a front that is that of one machine, rungs, a supernet, GPUs."""

import json
import os
import signal
import subprocess
import sys
from fractions import Fraction

import pytest
import yaml
from fault_runs import ROOT, TRAINING, is_alive, kill
from promoted import check_promoted
from random_kills import RandomKills
from slurm_cluster import NODES, asked
from small_supernets import SPACE as SUPERNET_SPACE


def test_twenty_random_kills(cluster, search, row):
    run = search(seconds=2, trials=14, workers=5, finalists=1)
    kills = RandomKills(run, os.environ.get("SEED", "15"), allowed=10)

    def job(*options):
        one = kills.one(run.under_way())
        if one is not None:
            asked("scancel", *options, cluster.job_of(one[1]), check=False)
            run.until(lambda: not is_alive(one[1]))
        return one

    def node():
        """All processes of a node, whose slurmd then starts again."""
        one = kills.one(run.under_way())
        if one is not None:
            cluster.lose(name := cluster.node_of(one[1]))
            cluster.start_node(name)
        return one

    kills.go(
        20,
        worker=kills.worker,
        conductor=kills.conductor,
        conductor_and_worker=lambda: kills.worker(conducted=False),
        cancelled=job,
        terminated=lambda: job("--batch", "--signal=TERM"),
        node=node,
        interrupted=lambda: kills.interrupt(signal.SIGINT),
    )
    run.end(400).check(14, finalists=True)
    kills.check()
    row("20 random kills", f"{kills}: lost 0, trained twice 0, {sum(kills.deaths.values())} attempts counted")


def test_a_study_that_trains_has_the_front_of_one_machine_through_kills(cluster, search, local, row):
    here = local(trials=4, workers=2, finalists=1, **TRAINING)
    run = search({"cpus": 1}, trials=4, workers=2, finalists=1, **TRAINING)
    folder, pid = next(iter(run.until(run.under_way, 120).items()))
    before = run.saved(folder)
    kill(pid)
    run.until(lambda: "the worker died with signal 9" in run.said)
    one = next(iter(run.until(lambda: run.under_way() if run.working().get(folder) != pid else None, 120).values()))
    run.kill()
    asked("scancel", cluster.job_of(one), check=False)
    run.start().end(400).check(4, finalists=True)
    here.end(400).check(4, finalists=True)
    assert run.saved(folder)[: len(before)] == before  # seconds among them: no epoch that was saved is trained again
    for study in ("search", "final"):
        assert run.values(study) == here.values(study)
        assert run.values(study)
    row("study that trains, with finalists", "front and all metrics as on one machine, bit for bit")


def test_a_training_that_is_told_of_its_limit_saves_its_last_epoch(cluster, search, row):
    study = json.loads(json.dumps(TRAINING))
    study["evaluator"]["recipe"]["epochs"] = 30
    run = search(trials=1, workers=1, **study)
    [(folder, pid)] = run.until(run.under_way, 120).items()
    asked("scancel", "--batch", "--signal=USR1", cluster.job_of(pid))
    run.end(400).check(1)
    assert "lost: its time limit came: interrupted in epoch" in run.said
    assert len(run.saved(folder)) == 30
    row("training told of its time limit", "saves its last epoch, goes on from it")


def test_trainings_pause_at_rungs_and_the_best_go_on(search, row):
    study = TRAINING | {"rungs": {"epochs": [1, 2, 3], "keep": "1/2"}}
    run = search(trials=4, workers=2, **study).end(400)
    found = check_promoted(run.trials(), 4, 3, Fraction(1, 2))
    row("study with rungs", f"{len(found)} results at 3 rungs, promoted by the rule")


def test_a_supernet_whose_worker_is_killed_answers_for_every_trial(search, local, row):
    recipe = {"epochs": 4, "batch_size": 34, "warmup_epochs": 0.5}
    study = {
        "space": SUPERNET_SPACE,
        "evaluator": TRAINING["evaluator"]
        | {"type": "supernet", "recipe": recipe, "member": recipe | {"epochs": 1}, "images": 34},
        "objectives": ["validation_loss", "macs"],
        "check": {"layouts": 0},
        "final": {"seeds": 1, "members": 2, "from": "supernet"},
    }
    here = local(trials=4, workers=2, **study)
    run = search(trials=4, workers=2, **study)
    pid = run.until(lambda: run.under_way().get("supernet"), 120)
    before = run.saved("supernet")
    kill(pid)
    run.end(400).check(4, finalists=True, steps=False)
    here.end(400)
    assert "the worker died with signal 9" in run.said
    assert run.saved("supernet")[: len(before)] == before
    assert run.values("search") == here.values("search")
    assert run.values("final") == here.values("final")
    row("supernet, its worker killed", "goes on from its checkpoint; estimates and finalists as on one machine")


def test_jobs_see_the_gpus_that_they_asked_for(cluster, search, row):
    if not (cluster.folder / "gpu0").exists():
        pytest.skip("no device may be made here: SLURM has no numbers of GPUs to give")
    run = search({"gpus": 2, "cpus": 2}, seconds=2, trials=6, workers=6)
    found = run.until(lambda: run.under_way(6))
    places = {folder: cluster.node_of(pid) for folder, pid in found.items()}
    run.end().check(6)
    seen = {}
    for folder, node in places.items():
        told = json.loads((run.root / folder / "environment.json").read_text())
        assert (told["SLURM_CPUS_PER_TASK"], told["SLURM_GPUS_ON_NODE"]) == ("2", "2")
        seen.setdefault(node, []).append(told["CUDA_VISIBLE_DEVICES"])
    assert {node: sorted(devices) for node, devices in seen.items()} == {node: ["0,1", "2,3"] for node in NODES}
    row("6 jobs of 2 GPUs on 3 nodes of 4", "each job has two of its own (CUDA_VISIBLE_DEVICES)")


def test_an_ablation_runs_there_too(search, row, tmp_path):
    search(trials=1, seconds=0.5).end()  # for its command and its engine
    evaluator = yaml.safe_load((tmp_path / "study.yaml").read_text())["evaluator"] | {"resolution": 64}
    rows = [{"label": "base", "edits": []}, {"label": "deeper", "edits": ["deeper"]}]
    plan = {"name": "rows", "base": "tiny", "evaluator": evaluator, "seeds": 2}
    plan |= {"views": [{"name": "steps", "type": "enumerate", "rows": rows}]}
    plan |= {"edits": {"deeper": {"set": {"stages[0].depth": 2}}}}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    tables = {}
    for name, engine in (("jobs", ["--engine", tmp_path / "engine.yaml"]), ("here", [])):
        words = ["ablate", tmp_path / "plan.yaml", "--runs", tmp_path / name, "--workers", "4", *engine]
        done = subprocess.run(
            [sys.executable, "-m", "archspec", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        tables[name] = [line for line in done.stderr.splitlines() if "│" in line]
    assert tables["jobs"] == tables["here"] != []
    assert len(list((tmp_path / "jobs" / "rows").glob("artifacts/*/*/job-1.log"))) == 4
    row("ablate --engine", "the table of one machine")
