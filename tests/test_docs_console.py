"""What the pages of docs/ show after a `$` is what the commands print."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ("explain/statistics", "papers/infer", "papers/paper", "reference/fix", "reference/parallel", "reference/space")
SHOWN = [
    (page, shown)
    for page in PAGES
    for shown in re.findall(
        r"^```console\n(.*?)^```", (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    if "$ archspec search" not in shown  # a training
]


@pytest.mark.parametrize(("page", "shown"), SHOWN, ids=lambda text: text.splitlines()[0][:40])
def test_the_output_shown_is_the_output(page, shown, run, monkeypatch, tmp_path):
    del page
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    commands = [line[2:] for line in shown.splitlines() if line.startswith("$ ")]
    expected = [line for line in shown.splitlines() if not line.startswith("$ ")]
    printed = ""
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "archspec"
        _, out, err = run(*arguments)
        printed += out + err
    assert [line.rstrip() for line in printed.splitlines()] == expected


def test_every_page_has_something_to_check():
    assert {page for page, _ in SHOWN} == set(PAGES)
    assert sum(page == "reference/space" for page, _ in SHOWN) >= 2
