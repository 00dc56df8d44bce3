"""The folder of a report: what a user changed in it is kept, and no interruption costs the old one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from archspec.errors import SpecError
from reports.drawing.publish import GENERATOR, publish

PAGE = f"<html><head>{GENERATOR}</head></html>"


def write(text: str = "1", *names: str):
    def fill(folder: Path) -> None:
        for name in names or ("front.md",):
            (folder / name).write_text(text)
        (folder / "index.html").write_text(PAGE + text)

    return fill


def test_a_file_that_the_user_changed_or_put_there_keeps_the_report_as_it_is(tmp_path: Path) -> None:
    page = publish(tmp_path, None, write("1"))
    changed, own = page.parent / "front.md", page.parent / "front.tex"
    own.write_text("mine")
    with pytest.raises(SpecError, match=r"front\.tex: is there already, and archspec report did not write it"):
        publish(tmp_path, None, write("2", "front.md", "front.tex"))
    changed.write_text("edited")
    with pytest.raises(SpecError, match=r"front\.md: was changed since archspec report wrote it") as refused:
        publish(tmp_path, None, write("2"))
    assert refused.value.exit_code == 2
    assert (page.read_text(), changed.read_text(), own.read_text()) == (PAGE + "1", "edited", "mine")
    publish(tmp_path, None, write("2"), force=True)
    assert (page.read_text(), changed.read_text(), own.read_text()) == (PAGE + "2", "2", "mine")


def test_a_report_of_an_earlier_version_is_replaced_but_for_what_was_changed_since(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "front.md").write_text("old")
    (folder / "index.html").write_text(PAGE)
    (folder / ".new-ab_cd012").mkdir()
    (folder / ".new-ab_cd012" / "half").write_text("half")
    publish(tmp_path, None, write("2"))
    assert (folder / "front.md").read_text() == "2"
    assert sorted(path.name for path in folder.iterdir()) == [".archspec.json", "front.md", "index.html"]
    (folder / ".archspec.json").unlink()
    (folder / "front.md").write_text("edited")
    later = (folder / "index.html").stat().st_mtime + 60
    os.utime(folder / "front.md", (later, later))
    with pytest.raises(SpecError, match=r"front\.md: is there already, and archspec report did not write it"):
        publish(tmp_path, None, write("3"))


def test_only_what_a_killed_report_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "out" / ".new-abcdefgh").mkdir(parents=True)
    publish(tmp_path, tmp_path / "out", write())
    assert not (tmp_path / "out" / ".new-abcdefgh").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_report_leaves_nothing(
    tmp_path: Path, run, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    from reports.figure6 import write as figure6

    def interrupted(*_: object) -> None:
        os.kill(os.getpid(), number)

    monkeypatch.setattr(figure6, "save", interrupted)
    code, _, err = run("report", "--paper", "--out", tmp_path / "figure6")
    assert code in (1, 130, 143)
    assert err.count("\n") <= 2
    assert not list(tmp_path.iterdir())
