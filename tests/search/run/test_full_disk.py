"""A disk that is full at any write of a run: one line, no layout blamed, and the same front when there is space."""

from __future__ import annotations

import errno
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from full_disk import FullDisk, telling
from journals import trained, trials_of
from optuna.trial import TrialState

from archspec.documents.reader import Document
from archspec.errors import ArchspecError, Interrupted, RunError
from archspec.files.os_errors import explain
from archspec.loader import load
from archspec.spec.schema import ArchSpec
from search.ablation.plan import parse_plan
from search.ablation.rows import Ablation
from search.ablation.run import conduct_plan
from search.evaluators.function import FunctionEvaluator
from search.processes import space_wait
from search.processes.space_wait import SpaceWait
from search.run import worker
from search.run.run import conduct
from search.study.config import StudyConfig
from search.study.reading import load_study, parse_study
from search.train.checkpoint import save_checkpoint

Run = Callable[..., tuple[int, str, str]]

SPACE: dict[str, Any] = {
    "name": "toy",
    "resolution": 16,
    "stem": {"type": "hr_stem", "width": 8},
    "stages": [{"block": "HR", "depth": {"range": [1, 3]}, "width": 8, "expansion": 2}],
    "head": {"type": "classifier", "classes": 10},
}
EVALUATOR = FunctionEvaluator().bind(
    lambda spec, seed: {"accuracy": 0.3 + int(spec.digest, 16) % 97 / 300, "test_accuracy": 0.5}
)
PLAN = {
    "name": "toy",
    "base": "tiny",
    "seeds": 2,
    "score": "validation",
    "edits": {"deeper": {"set": {"stages[0].depth": 2}}},
    "views": [
        {
            "name": "steps",
            "type": "enumerate",
            "rows": [{"label": "base", "edits": []}, {"label": "deeper", "edits": ["deeper"]}],
        }
    ],
}

Start = Callable[[Path], bool]


def search(runs: Path) -> bool:
    asked = {
        "name": "toy",
        "space": SPACE,
        "trials": 3,
        "sampler": {"type": "random"},
        "final": {"seeds": 1, "anchors": []},
    }
    return conduct(parse_study(Document({**asked, "evaluator": EVALUATOR}, "")), runs)


def ablation(runs: Path) -> bool:
    return conduct_plan(Ablation(parse_plan(Document({**PLAN, "evaluator": EVALUATOR}, ""))), runs)


def answers(run: Path, arms: tuple[str, ...]) -> dict[str, set[tuple[Any, ...]]]:
    """What was found, by study; whatever failed for good is part of it."""
    found: dict[str, set[tuple[Any, ...]]] = {}
    for arm in arms:
        trials = trials_of(run, arm)
        found[arm] = {
            (t.user_attrs["digest"], t.user_attrs["seed"], *t.values) for t in trials if t.state == TrialState.COMPLETE
        }
        found[arm] |= {
            ("failed", t.user_attrs["failure"])
            for t in trials
            if t.state == TrialState.FAIL and "digest" in t.user_attrs and "requeued" not in t.user_attrs
        }
    return found


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks again after milliseconds."""
    for name in ("RETRY_SECONDS", "LONGEST_SECONDS", "SLICE_SECONDS"):
        monkeypatch.setattr(space_wait, name, 0.01)


@pytest.mark.parametrize(("start", "arms"), [(search, ("search", "final")), (ablation, ("ablation",))])
def test_any_write_of_a_run_may_fail(tmp_path: Path, start: Start, arms: tuple[str, ...]) -> None:
    whole = FullDisk(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        whole.install(patch)
        assert start(tmp_path / "whole")
    wanted = answers(tmp_path / "whole" / "toy", arms)
    assert all(wanted.values())
    assert {"open journal.log", "sync journal.log", "open .spec.yaml.*.tmp", "open .result.json.*.tmp"} <= {
        *whole.writes
    }
    first = whole.writes.index("make artifacts")
    begun = max(number for number in range(first) if whole.writes[number] == "open journal.log")  # the first proposal
    for room in telling(whole.writes, 20):
        runs = tmp_path / f"room-{room}"
        with pytest.MonkeyPatch.context() as patch:
            disk = FullDisk(tmp_path, room, refusals=3 if room >= begun else 10**9)
            disk.install(patch)
            if room >= begun:  # the run waits, and goes on
                assert start(runs), (room, whole.writes[room])
            else:
                with pytest.raises((OSError, ArchspecError)) as failed:
                    start(runs)
                line = explain(failed.value) if isinstance(failed.value, OSError) else str(failed.value)
                assert line.startswith(str(runs)), (room, line)
                assert line.endswith("No space left on device"), (room, line)
                assert getattr(failed.value, "exit_code", 1) == 1
            assert disk.failed
        if room < begun:
            with pytest.MonkeyPatch.context() as patch:
                FullDisk(tmp_path).install(patch)
                assert start(runs), room
        assert answers(runs / "toy", arms) == wanted, (room, whole.writes[room])
        assert not list(runs.rglob("*.tmp")), room
        shutil.rmtree(runs)


def asked_of(accuracy: Callable[[ArchSpec, int], float]) -> StudyConfig:
    study = {"name": "toy", "space": SPACE, "trials": 3, "evaluator": FunctionEvaluator().bind(accuracy)}
    return parse_study(Document({**study, "final": {"seeds": 0}}, ""))


def test_a_function_that_cannot_write_blames_no_layout(tmp_path: Path) -> None:
    def accuracy(spec: ArchSpec, seed: int) -> float:
        raise OSError(errno.EROFS, "Read-only", "/a")

    with pytest.raises(RunError, match=r"Read-only$"):
        conduct(asked_of(accuracy), tmp_path)
    assert [trial.state for trial in trials_of(tmp_path / "toy")] == [TrialState.RUNNING]


def test_a_function_that_meets_a_full_disk_is_asked_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left = [OSError(errno.EDQUOT, "Disk quota exceeded", "/a")] * 4

    def accuracy(spec: ArchSpec, seed: int) -> float:
        if left:
            raise left.pop()
        return 0.5

    assert conduct(asked_of(accuracy), tmp_path)
    trials = trials_of(tmp_path / "toy")
    assert len(trained(trials)) == 3
    assert {trial.user_attrs.get("attempt", 1) for trial in trials} == {1}
    said = capsys.readouterr().err
    assert "/a: Disk quota exceeded: " in said
    assert "nothing is proposed until there is space (Ctrl-C ends the run)" in said
    assert said.count(f"there is space again in {tmp_path / 'toy'}: the run goes on") == 4


def test_ctrl_c_ends_a_run_that_waits_for_space(tmp_path: Path) -> None:
    wait = SpaceWait(tmp_path, lambda line: said.append(line) or stopping.append(True), lambda: bool(stopping))
    said, stopping = list[str](), list[bool]()

    def write() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "journal.log")

    with pytest.raises(Interrupted, match=r"journal.log: No space left on device"):
        wait.run(write)
    assert len(said) == 1


def test_a_program_that_fails_on_a_full_disk_blames_no_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: Path) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded", str(folder))

    monkeypatch.setattr(worker, "check_space", full)
    command = {"type": "command", "command": ["false"], "resolution": 16}
    order = worker.Order(load("tiny").canonical(), load("tiny").digest, 0, "search-seed0", "search")
    report = worker.answer(order, {"search": command}, {}, tmp_path, lambda: False, lambda report: None)
    assert (report.kind, report.text) == ("full", f"{order.folder(tmp_path)}: Disk quota exceeded")
    monkeypatch.undo()
    report = worker.answer(order, {"search": command}, {}, tmp_path, lambda: False, lambda report: None)
    assert report.kind == "failed"


def test_a_checkpoint_names_the_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"epoch": 1})
    before = path.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        FullDisk(tmp_path, 0).install(patch)
        with pytest.raises(OSError, match="No space left on device") as failed:
            save_checkpoint(path, {"weights": torch.zeros(100_000)})
    assert failed.value.filename == str(path)
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (before, [path])


def test_a_start_clears_what_killed_processes_left(tmp_path: Path) -> None:
    folder = tmp_path / "toy" / "artifacts" / "0123"
    folder.mkdir(parents=True)
    for name in (".result.json.0123456789ab.tmp", "checkpoint.pt.tmp", "mine.tmp", ".mine.tmp"):
        (folder / name).write_text("half")
    assert search(tmp_path)
    assert {path.name for path in folder.iterdir()} == {"mine.tmp", ".mine.tmp"}


@pytest.mark.parametrize("name", ["study.yaml", "journal.log", "lock", "artifacts"])
def test_what_cannot_be_a_file_is_one_line(
    run: Run, study_file: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    path = tmp_path / "runs" / "toy" / name
    path.mkdir(parents=True)
    if name == "artifacts":
        path.rmdir()
        path.write_text("a file")
    code, _, err = run("search", study_file(trials=1), "--runs", tmp_path / "runs")
    reason = "Not a directory" if name == "artifacts" else "Is a directory"
    assert code == (2 if name == "lock" else 1)
    *before, last = err.splitlines()
    assert last.startswith(f"archspec: {path.parent if name == 'lock' else path}")
    assert last.endswith(f": {reason}")
    assert len(before) == 3 * (name == "artifacts")  # the header of the search, its space and its budget


def test_a_study_of_the_users_in_the_folder_of_the_run_is_kept(
    run: Run, study_file: Callable[..., Path], tmp_path: Path
) -> None:
    asked = study_file(trials=1)
    mine = tmp_path / "runs" / "toy" / "study.yaml"
    mine.parent.mkdir(parents=True)
    text = "# mine\n" + load_study(str(asked), tmp_path, {}).dump()
    mine.write_text(text)
    code, _, err = run("search", asked, "--runs", tmp_path / "runs")
    rule = "is no run's, whose journal.log would stand beside it: kept as it is; give the run another --name"
    assert (code, err, mine.read_text()) == (2, f"archspec: {mine}: {rule}\n", text)


MOUNT = """
mount -t tmpfs -o size={size}k,nr_inodes={inodes} tmpfs {runs} || exit 77
{search} & search=$!
for _ in $(seq 200); do grep -q "until there is space" {said} && break; kill -0 $search || break; sleep 0.1; done
mount -o remount,size=9m,nr_inodes=9999 {runs}
wait $search; echo "code $?"
[ -e {runs}/toy/journal.log ] && cp -r {runs}/toy {kept}
"""
HURRIED = """
import search.processes.space_wait as wait
from archspec.cli.app import main

if __name__ == "__main__":
    wait.RETRY_SECONDS = 0.2
    main()
"""


@pytest.mark.parametrize(("size", "inodes"), [(16, 999), (400, 17)])
def test_a_real_disk_that_is_full(study_file: Callable[..., Path], tmp_path: Path, size: int, inodes: int) -> None:
    asked = study_file(trials=3, space=SPACE | {"resolution": 32}, sampler={"type": "random"})
    (tmp_path / "runs").mkdir()
    (tmp_path / "hurried.py").write_text(HURRIED)
    said = tmp_path / "said"
    search = f"{sys.executable} {tmp_path / 'hurried.py'} search {asked} --runs {tmp_path / 'runs'} 2> {said}"
    places = {"runs": tmp_path / "runs", "kept": tmp_path / "kept", "said": said}
    text = MOUNT.format(size=size, inodes=inodes, search=search, **places)
    try:
        done = subprocess.run(["unshare", "-rm", "sh", "-c", text], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("nothing may be mounted here")
    words = said.read_text()
    assert done.stdout == "code 0\n", words
    assert "Traceback" not in words
    full = re.escape(f"{tmp_path / 'runs' / 'toy'}/") + r"[^:]*: No space left on device"
    [line] = [line for line in words.splitlines() if "until there is space" in line]
    assert re.match(rf"{full}: [\d,]+ KiB free in \S+, at least 64 KiB needed; nothing is proposed", line)
    assert "there is space again" in words
    trials = trials_of(tmp_path / "kept")
    assert len(trained(trials)) == 3
    assert not [trial for trial in trials if trial.state == TrialState.FAIL and "requeued" not in trial.user_attrs]
