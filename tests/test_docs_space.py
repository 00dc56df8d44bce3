"""What docs/space.md shows is what the commands print."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from archspec.cli import main

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "space.md"
SHOWN = re.findall(r"^```console\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("shown", SHOWN, ids=lambda text: text.splitlines()[-1][:20])
def test_the_output_shown_is_the_output(shown, monkeypatch, capsys, tmp_path):
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    commands = [line[2:] for line in shown.splitlines() if line.startswith("$ ")]
    expected = [line for line in shown.splitlines() if not line.startswith("$ ")]
    for command in commands:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", shlex.split(command))
        with pytest.raises(SystemExit):
            main()
    out = capsys.readouterr()
    assert [line.rstrip() for line in (out.out + out.err).splitlines()] == expected


def test_there_is_something_to_check():
    assert len(SHOWN) >= 3
