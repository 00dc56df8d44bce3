"""What docs/paper.md shows is what the command prints, and its counts are those of the families."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from archspec.cli import main
from reports.paper import paper

PAGE = (Path(__file__).parents[1] / "docs" / "paper.md").read_text(encoding="utf-8")


def test_the_output_shown_is_the_output(monkeypatch, capsys):
    command, *expected = re.findall(r"^```console\n\$ (.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0].splitlines()
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    with pytest.raises(SystemExit):
        main()
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == expected


@pytest.mark.parametrize("family", ["W", "V", "X", "U"])
def test_the_counts_of_the_families_are_theirs(family):
    row = re.search(rf"^\| {family} \|.*\| (\d+) \|$", PAGE, re.MULTILINE)
    assert row is not None
    assert paper("hiri-vit", family).count("off") == int(row[1])
