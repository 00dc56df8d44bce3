"""Who may replace a file at a place that a user names, as functions; the commands are in tests/archspec/cli."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.errors import SpecError
from archspec.files.ownership import (
    OutputCommand,
    Signature,
    check_replaceable,
    mark,
    read_digests,
    read_mark,
    write_digests,
    write_marked,
)

BUILD = OutputCommand("build")


@pytest.mark.parametrize(
    ("held", "fault"),
    [
        ("mine", "is there already, and archspec build did not write it"),
        (mark("a: 1\n", "fix"), "was written by archspec fix, not by build"),
        (mark("a: 1\n", "build") + "# note\n", "was changed since archspec build wrote it"),
        (mark("a: 1\n", "build").replace("\n", "\r\n"), "was changed since archspec build wrote it"),
    ],
)
def test_what_a_command_did_not_write_is_kept(tmp_path: Path, held: str, fault: str) -> None:
    path = tmp_path / "net.yaml"
    path.write_bytes(held.encode())
    with pytest.raises(SpecError) as refused:
        write_marked(path, "a: 2\n", BUILD)
    assert str(refused.value) == f"{path}: {fault}: kept as it is; name another place, or --force replaces it"
    assert path.read_bytes() == held.encode()
    write_marked(path, "a: 2\n", OutputCommand("build", force=True))
    assert path.read_text() == mark("a: 2\n", "build")


@pytest.mark.parametrize("held", ["", "a: 2\n", mark("a: 2\n", "fix"), mark("a: 1\n", "build")])
def test_what_is_no_loss_is_replaced(tmp_path: Path, held: str) -> None:
    path = tmp_path / "new" / "net.yaml"
    path.parent.mkdir()
    path.write_text(held)
    write_marked(path, "a: 2\n", BUILD)
    assert read_mark(path) == Signature("build", intact=True)


def test_what_a_command_reads_is_no_place_to_write(tmp_path: Path) -> None:
    path, link = tmp_path / "net.yaml", tmp_path / "link.yaml"
    write_marked(path, "a: 1\n", BUILD)
    link.symlink_to(path)
    for place in (path, link):
        with pytest.raises(SpecError, match="is what the command reads: kept as it is"):
            check_replaceable(place, BUILD, text="a: 2\n", reads=["HR1x8" * 999, link])
    check_replaceable(path, BUILD, text="a: 1\n", reads=[path])


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="is a folder: name a file"):
        write_marked(tmp_path, "a: 1\n", OutputCommand("build", force=True))


@pytest.mark.parametrize("damage", [b"", b"[]", b"\xff", b'{"files": {"a": 1}}', b"[" * 100_000])
def test_a_damaged_list_names_nothing(tmp_path: Path, damage: bytes) -> None:
    write_digests(tmp_path, {"a.csv": ("edf", ["0" * 16])})
    assert read_digests(tmp_path) == {"a.csv": ("edf", ["0" * 16])}
    (tmp_path / ".archspec.json").write_bytes(damage)
    assert read_digests(tmp_path) == {}
