"""Fences: a writer that was given up and comes back writes nothing, and neither do the processes that it started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from archspec.errors import Interrupted
from archspec.files import fence
from archspec.files.fence import current_attempt, fenced, next_attempt, take_folder
from archspec.files.output import append_bytes, write_text, write_whole

ROOT = Path(__file__).parents[3]


def test_each_writer_gets_the_next_number(tmp_path):
    folder = tmp_path / "new"
    assert current_attempt(tmp_path) == (0, 0)
    assert [next_attempt(folder) for _ in range(3)] == [1, 2, 3]
    assert take_folder(folder, (3, 1))  # started again by the system that runs it
    assert not take_folder(folder, (3, 0))
    assert current_attempt(folder) == (3, 1)
    assert [path.name for path in folder.iterdir()] == [fence.NAME]


def test_a_writer_that_was_given_up_writes_nothing(tmp_path):
    number = next_attempt(tmp_path)
    with fenced(tmp_path, (number, 0)):
        write_text(tmp_path / "result.json", "mine")
        next_attempt(tmp_path)
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        with pytest.raises(Interrupted, match="attempt 1 was given up"):
            write_text(tmp_path / "result.json", "too late")
        with pytest.raises(Interrupted):
            append_bytes(tmp_path / "result.json", b"too late")
        write_text(tmp_path.parent / "other", "elsewhere")
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert fence.VARIABLE not in os.environ
    write_text(tmp_path / "result.json", "no fence here")


def test_a_writer_that_is_given_up_while_it_writes_replaces_nothing(tmp_path):
    write_text(tmp_path / "checkpoint.pt", "first")

    def write(partial: Path) -> None:
        partial.write_text("second")
        next_attempt(tmp_path)

    with fenced(tmp_path, (next_attempt(tmp_path), 0)), pytest.raises(Interrupted):
        write_whole(tmp_path / "checkpoint.pt", write)
    assert (tmp_path / "checkpoint.pt").read_text() == "first"
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.pt", fence.NAME}


def test_a_process_that_a_writer_starts_keeps_to_its_fence(tmp_path):
    target = str(tmp_path / "a")
    code = (
        f"from pathlib import Path; from archspec.files.output import write_text; write_text(Path({target!r}), str())"
    )
    with fenced(tmp_path, (next_attempt(tmp_path), 0)):
        next_attempt(tmp_path)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert "was given up" in done.stderr
    assert not (tmp_path / "a").exists()


def test_a_writer_sees_that_it_was_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(fence, "LOOK_SECONDS", 0)
    with fenced(tmp_path, (next_attempt(tmp_path), 0)) as own:
        assert not own.passed()
        next_attempt(tmp_path)
        assert own.passed()
    with fenced(tmp_path, (0, 0)) as own:  # nobody can give it up
        assert not own.passed()
