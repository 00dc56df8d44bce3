"""Patterns of files: braces, wildcards, and what is not on a local disk."""

from pathlib import Path

import pytest

from archspec.errors import SpecError
from search.data.stored.paths import expand_braces, find_files, find_parts


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("a.tar", ["a.tar"]),
        ("{08..10}", ["08", "09", "10"]),
        ("{0000..0003..2}x", ["0000x", "0002x"]),
        ("{3..1}", ["3", "2", "1"]),
        ("{a,b}{1,2}", ["a1", "a2", "b1", "b2"]),
        ("x{a,b{1..2}}y", ["xay", "xb1y", "xb2y"]),
        ("{one}", ["{one}"]),
        ("{a", ["{a"]),
        ("{,b}c", ["c", "bc"]),
    ],
)
def test_braces_are_those_of_a_shell(text: str, expanded: list[str]):
    assert list(expand_braces(text)) == expanded


def test_files_stand_in_the_order_of_the_patterns_and_wildcards_in_that_of_their_names(tmp_path: Path):
    for name in ("b2", "b1", "a1", "a[0]"):
        (tmp_path / name).touch()
    (tmp_path / "b3").mkdir()
    found = find_files((f"{tmp_path}/b*", f"{tmp_path}/a{{1,[0]}}"), "train")
    assert [Path(path).name for path in found] == ["b1", "b2", "a1", "a[0]"]


@pytest.mark.parametrize(
    ("patterns", "rule"),
    [
        ("s3://bucket/a-{0..9}.tar", "s3://bucket/a-{0..9}.tar is not on a local disk (s3:), from which images are "),
        ("pipe:cat a.tar", "pipe:cat a.tar is not on a local disk (pipe:), "),
        ("{}/b-{{0..1}}.tar", "must be a file, {}/b-1.tar is not there"),
        ("{}/x*.tar", "no file matches {}/x*.tar"),
        ("{}", "must be a file, {} is a folder"),
        (("{}/b-0.tar", "{}/*.tar"), "a file is named twice: {}/b-0.tar"),
        ("{}/{{0..9999999}}", "{{0..9999999}} stands for more than 1,000,000 files"),
    ],
)
def test_what_is_no_local_file_is_refused(patterns: str | tuple[str, ...], rule: str, tmp_path: Path):
    (tmp_path / "b-0.tar").touch()
    root = str(tmp_path)
    local = "{}" in str(patterns)
    given = (patterns,) if isinstance(patterns, str) else patterns
    asked = [pattern.format(root) if local else pattern for pattern in given]
    with pytest.raises(SpecError) as caught:
        find_files(asked, "test")
    assert str(caught.value).startswith(f"test: {rule.format(root) if local else rule}")


def test_a_file_of_two_splits_is_refused_under_whichever_name(tmp_path: Path):
    (tmp_path / "a").touch()
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(SpecError, match=r"^validation: .*/b is in train as well$"):
        find_parts({"train": f"{tmp_path}/a", "validation": f"{tmp_path}/b"})
