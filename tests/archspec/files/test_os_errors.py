from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from archspec.files.os_errors import check_space, explain, is_of_disk, unwritable


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(28, "No space left on device", "a/b"), "a/b: No space left on device"),
        (OSError(28, "No space left on device", b"a\xff\x1b"), "a\\udcff\\x1b: No space left on device"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError(9, "Bad file descriptor", 3), "Bad file descriptor"),
        (OSError("odd\nwords"), "odd\\nwords"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_an_error_of_the_system_is_one_line(error: OSError, line: str) -> None:
    assert explain(error) == line


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, 1), (errno.EIO, 1), (errno.EACCES, 2), (errno.ENOTDIR, 2)])
def test_a_wrong_place_is_bad_input_and_a_full_disk_is_not(number: int, code: int) -> None:
    error = unwritable(OSError(number, os.strerror(number)), Path("a"))
    assert (error.exit_code, str(error)) == (code, f"a: cannot be written: {os.strerror(number)}")


def test_denials_count_inside_the_run_alone(tmp_path: Path) -> None:
    assert is_of_disk(OSError(errno.ENOSPC, "full", "/elsewhere"), tmp_path)
    assert is_of_disk(PermissionError(errno.EACCES, "denied", str(tmp_path / "a" / "b")), tmp_path)
    assert not is_of_disk(PermissionError(errno.EACCES, "denied", str(tmp_path.parent / "data")), tmp_path)
    assert not is_of_disk(FileNotFoundError(errno.ENOENT, "none", "data"), tmp_path)
    assert not is_of_disk(OSError("no number"), tmp_path)


def test_room_is_tried_and_nothing_is_left(tmp_path: Path) -> None:
    check_space(tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(OSError, match="No such file") as failed:
        check_space(tmp_path / "none")
    assert failed.value.filename == str(tmp_path / "none")
