"""What README and the pages of docs/ show after a `$` is what the commands print."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "docs/explain/statistics.md",
    "docs/papers/infer.md",
    "docs/papers/paper.md",
    "docs/papers/systems.md",
    "docs/reference/fix.md",
    "docs/reference/parallel.md",
    "docs/reference/space.md",
    "docs/start/export.md",
    "docs/start/first_hour.md",
)


def blocks(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


SHOWN = [(page, shown) for page in PAGES for shown in blocks(page) if "$ archspec search" not in shown]  # a training
OUTSIDE = {
    "docs/reference/cli.md": "tests/test_docs.py",
    "docs/reference/review.md": "tests/archspec/cli/commands/test_review.py",
}
"""Pages that another test checks: one is generated, and one needs a search."""


def holds(printed: list[str], shown: list[str]) -> bool:
    """Whether the lines shown are those printed, where a line `...` stands for any number of them."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(holds(printed[skipped:], shown[1:]) for skipped in range(len(printed) + 1))
    return bool(printed) and printed[0] == shown[0] and holds(printed[1:], shown[1:])


@pytest.mark.parametrize(("page", "shown"), SHOWN, ids=lambda text: text.splitlines()[0][:40])
def test_the_output_shown_is_the_output(page, shown, run, write_examples, monkeypatch, tmp_path):
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    write_examples(ROOT / page, tmp_path)
    monkeypatch.chdir(tmp_path)
    commands = [line[2:] for line in shown.splitlines() if line.startswith("$ ")]
    expected = [line for line in shown.splitlines() if not line.startswith("$ ")]
    output = ""
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "archspec"
        _, out, err = run(*arguments)
        output += out + err
    printed = [line.rstrip() for line in output.splitlines()]
    if "..." in expected:
        assert holds(printed, expected), output
    else:
        assert printed == expected


def test_a_line_of_dots_stands_for_lines():
    assert holds(["a", "b", "c"], ["a", "...", "c"])
    assert holds(["a"], ["a", "..."])
    assert not holds(["a", "b", "c"], ["a", "...", "b"])
    assert not holds(["a", "b"], ["a"])
    assert not holds(["a"], ["...", "b"])


def test_every_page_with_a_console_is_checked():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    console = {name for name in (page.relative_to(ROOT).as_posix() for page in pages) if blocks(name)}
    assert console == {*PAGES, *OUTSIDE}
    assert {page for page, _ in SHOWN} == set(PAGES)
    for page, test in OUTSIDE.items():
        assert f'"{Path(page).name}"' in (ROOT / test).read_text(encoding="utf-8")
