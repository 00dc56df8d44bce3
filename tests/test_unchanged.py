"""What stays as it is: the digests of all presets, and what the main commands print.

`tests/unchanged/` was written by a run of the commands before the packages were given folders; a difference is a change
of behaviour that has to be meant.
"""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from archspec.loader import load, presets

HERE = Path(__file__).parent / "unchanged"
COMMANDS = (HERE / "commands.txt").read_text().splitlines()

Run = Callable[..., tuple[int, str, str]]


def printed(run: Run, command: str) -> str:
    code, out, err = run(*shlex.split(command))
    return f"$ archspec {command}\n{out}{err}exit code {code}\n"


def digests() -> dict[str, str]:
    return {name: load(name).digest for name in presets()}


def answer(number: int) -> Path:
    return HERE / f"{number:02}.txt"


@pytest.mark.parametrize("number", range(len(COMMANDS)), ids=lambda number: COMMANDS[number][:40])
def test_the_main_commands_print_what_they_printed(number, run, monkeypatch):
    monkeypatch.chdir(HERE.parents[1])
    assert printed(run, COMMANDS[number]) == answer(number).read_text(encoding="utf-8")


def test_the_digests_of_all_presets_are_those_they_had():
    assert digests() == json.loads((HERE / "digests.json").read_text())
