"""Folders that receive files all at once: nothing of anybody's is lost, whenever it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from full_disk import FullDisk

from archspec.errors import ArchspecError, SpecError
from archspec.files.output_folder import fresh_folder
from archspec.files.ownership import OutputCommand

EDF = OutputCommand("edf")


def fill(folder: Path, texts: dict[str, str], command: OutputCommand = EDF, *, prune: bool = True) -> None:
    with fresh_folder(folder, command, prune=prune) as fresh:
        for name, text in texts.items():
            (fresh / name).parent.mkdir(exist_ok=True)
            (fresh / name).write_text(text)


def held(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".archspec.json")
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_own_files_are_replaced_and_removed_and_no_others(tmp_path: Path) -> None:
    fill(tmp_path, {"a.csv": "1", "front/b.csv": "1", "front/c.csv": "1", "d/e.csv": "1"})
    (tmp_path / "front" / "c.csv").write_text("edited")
    (tmp_path / "notes").write_text("mine")
    fill(tmp_path, {"a.csv": "2"})
    assert held(tmp_path) == {"a.csv": "2", "front/c.csv": "edited", "notes": "mine"}
    assert not (tmp_path / "d").exists()
    fill(tmp_path, {"f": "3"}, prune=False)
    assert held(tmp_path) == {"a.csv": "2", "f": "3", "front/c.csv": "edited", "notes": "mine"}


def test_a_file_that_would_be_lost_keeps_all_as_they_are(tmp_path: Path) -> None:
    fill(tmp_path, {"a.csv": "1", "b.csv": "1"})
    before = {"a.csv": "1", "b.csv": "edited", "c.csv": "mine"}
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(SpecError) as refused:
        fill(tmp_path, {"a.csv": "2", "b.csv": "2", "c.csv": "2"})
    rule = "was changed since archspec edf wrote it (and 1 more): kept as it is; name another place, or --force"
    assert str(refused.value) == f"{tmp_path / 'b.csv'}: {rule} replaces it"
    with pytest.raises(SpecError, match=r"a\.csv: was written by archspec edf, not by paper"):
        fill(tmp_path, {"a.csv": "2"}, OutputCommand("paper"))
    assert held(tmp_path) == before
    fill(tmp_path, {"b.csv": "edited", "c.csv": "mine"})  # what is there already is no loss
    fill(tmp_path, {"b.csv": "3"}, OutputCommand("edf", force=True))
    assert held(tmp_path) == {"b.csv": "3"}


def test_a_folder_that_only_a_failure_made_is_gone(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), fresh_folder(tmp_path / "new", EDF):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_any_write_may_fail_and_the_old_files_stay(tmp_path: Path) -> None:
    old, new = {"a": "1", "front/b": "1", "index.html": "1"}, {"a": "2", "figures/c": "2", "index.html": "2"}
    room = 0
    while True:
        folder = tmp_path / str(room)
        fill(folder, old)
        failure = None
        with pytest.MonkeyPatch.context() as patch:
            disk = FullDisk(tmp_path, room)
            disk.install(patch)
            try:
                fill(folder, new)
            except ArchspecError as error:
                failure = error
        assert held(folder) == (old if failure else new), room
        if not disk.failed:
            break
        if failure:  # the last write of all is of what stays true without it
            assert str(failure) == f"{folder}: cannot be written: No space left on device"
            assert failure.exit_code == 1
        fill(folder, new)
        assert held(folder) == new
        room += 1
    assert room > 8


@pytest.mark.parametrize("number", range(3))
def test_a_file_that_cannot_be_moved_brings_the_old_ones_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    old = {"a": "1", "b": "1", "index.html": "1"}
    fill(tmp_path, old)
    moved: list[Path] = []
    replace = os.replace

    def failing(source: Path, target: Path) -> None:
        if "/new/" in str(source):
            moved.append(target)
            if len(moved) == number + 1:
                raise OSError(5, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(ArchspecError, match="cannot be written: Input/output error"):
        fill(tmp_path, {"a": "2", "b": "2", "index.html": "2"})
    assert held(tmp_path) == old
    fill(tmp_path, {"a": "2", "b": "2", "index.html": "2"})
    assert set(held(tmp_path).values()) == {"2"}


SLOW = """
import sys, time
from pathlib import Path
from archspec.cli.app import _ended_by_signals
from archspec.files.output_folder import fresh_folder
from archspec.files.ownership import OutputCommand
with _ended_by_signals(), fresh_folder(Path(sys.argv[1]), OutputCommand("edf")) as fresh:
    (fresh / "a").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_an_interruption_leaves_nothing_or_the_next_one_clears_it(tmp_path: Path, number: int) -> None:
    fill(tmp_path, {"a": "1"})
    line = [sys.executable, "-c", SLOW, str(tmp_path)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        process.wait(10)
    left = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert bool(left) == (number == signal.SIGKILL)
    fill(tmp_path, {"a": "2"})
    assert held(tmp_path) == {"a": "2"}
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_old_files_of_a_killed_swap_are_put_back(tmp_path: Path) -> None:
    kept = tmp_path / ".archspec-new-0123456789ab" / "old" / "front" / "b"
    kept.parent.mkdir(parents=True)
    kept.write_text("old")
    (tmp_path / ".new-own_data").mkdir()  # somebody's, as far as this command knows
    fill(tmp_path, {"a": "2"}, prune=False)
    assert held(tmp_path) == {"a": "2", "front/b": "old"}
    assert (tmp_path / ".new-own_data").is_dir()


def test_two_writers_take_turns(tmp_path: Path) -> None:
    line = [sys.executable, "-c", SLOW.replace("60", "0.5"), str(tmp_path)]
    with subprocess.Popen(line, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        start = time.monotonic()
        fill(tmp_path, {"b": "2"}, prune=False)
        assert time.monotonic() - start > 0.2
    assert held(tmp_path) == {"a": "half", "b": "2"}
