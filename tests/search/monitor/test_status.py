"""The state of a run at work: written by its process, read from anywhere."""

import json
import os

import pytest

from search.evaluator import Epoch
from search.monitor import status
from search.monitor.status import STATUS, StatusBoard, read_status

KEY = ("0123", "search-seed0")


@pytest.fixture
def board(tmp_path, monkeypatch):
    monkeypatch.setattr(status, "EVERY_SECONDS", 0)
    (tmp_path / "study.yaml").write_text("name: toy\n")
    return StatusBoard(tmp_path, "slurm")


def write(board):
    places = {KEY: ("job 7_3, running on n2", 1000.0)}
    board.write("search", (3, 12), 90.0, places, lambda key: 30.0)


def test_what_is_under_way_is_told_with_its_place_and_its_end(board, tmp_path):
    assert board.due
    board.begin(KEY, "trial 3", tmp_path / "artifacts" / "0123" / "search-seed0")
    board.note(KEY, Epoch(4, 10, {}))
    write(board)
    found = read_status(tmp_path)
    assert (found.part, found.done, found.wanted, found.left) == ("search", 3, 12, 90.0)
    assert (found.engine, found.pid) == ("slurm", os.getpid())
    [task] = found.tasks
    assert (task.name, task.folder) == ("trial 3", "artifacts/0123/search-seed0")
    assert (task.place, task.since, task.epoch, task.total) == ("job 7_3, running on n2", 1000.0, 4, 10)
    assert task.ends == pytest.approx(found.written + 30)
    board.end(KEY)
    write(board)
    assert read_status(tmp_path).tasks == ()


def test_nothing_is_written_at_first_and_nothing_left_at_the_end(tmp_path):
    with StatusBoard(tmp_path, "local") as board:
        assert not board.due
        write(board)
        assert (tmp_path / STATUS).exists()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_ends_no_run(board, tmp_path):
    (tmp_path / "study.yaml").unlink()
    tmp_path.rmdir()
    write(board)
    assert read_status(tmp_path) is None


def test_the_command_tells_it_from_any_node(board, tmp_path, run):
    board.begin(KEY, "trial 3", tmp_path / "artifacts")
    write(board)
    code, out, _ = run("status", tmp_path)
    assert code == 0
    line = f"{tmp_path}: search 3 of 12, about 90 s left; process {os.getpid()} on "
    assert out.replace("\n", "").startswith(line)
    assert "job 7_3, running on n2" in out
    path = tmp_path / STATUS
    path.write_text(json.dumps(json.loads(path.read_text()) | {"written": 1000.0}))
    assert "the same command continues it" in run("status", tmp_path)[1]
    assert json.loads(run("status", tmp_path, "--json")[1])["now"]["tasks"][0]["name"] == "trial 3"


def test_what_is_no_run_is_refused(run, tmp_path):
    code, _, err = run("status", "nowhere", "--runs", tmp_path)
    rule = f"'nowhere' is no run: no folder of that name, nor in {tmp_path}, holds study.yaml or plan.yaml"
    assert (code, err) == (2, f"archspec: {rule}\n")
