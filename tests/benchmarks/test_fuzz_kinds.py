"""Mutated files of every kind and command lines in real processes; `make fuzz` runs the same at length."""

import pytest
from fuzz_commands import OPTIONS, command_line
from fuzz_commands import fault_of as fault_of_line
from fuzz_commands import run as run_lines
from fuzz_kinds import KINDS, Kind, fault_of, run

from archspec.errors import SpecError


def test_files_of_every_kind_are_read_or_refused_in_a_line(tmp_path):
    answers, wrong = run(9 * len(KINDS), 11, tmp_path)
    assert not wrong
    for name in KINDS:
        assert answers[f"{name} read"] + answers[f"{name} refused"] == 9
        assert answers[f"{name} refused"]


def test_command_lines_end_with_one_line_where_they_are_refused(tmp_path):
    answers, wrong = run_lines(5, 3, tmp_path)
    assert not wrong
    assert sum(answers.values()) == 5
    assert command_line.__module__ == "fuzz_commands"
    assert set(OPTIONS) >= {"fix", "space", "infer", "flops"}


def test_command_lines_with_known_answers_are_judged_right(tmp_path):
    assert fault_of_line(["flops", "none.yaml"], tmp_path) == ("", "2")
    assert fault_of_line(["flops", "tiny", "--json"], tmp_path) == ("", "0")


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (SpecError("has no place"), "no place"),
        (SpecError("\x1b[31m", source="@"), "not one printable line"),
        (SpecError("x" * 3000, source="@"), "too long"),
        (KeyError("width"), "KeyError"),
    ],
)
def test_wrong_answers_are_found(tmp_path, error, fault):
    path = tmp_path / "x.yaml"

    def read(path):
        if isinstance(error, SpecError) and error.source:
            raise SpecError(error.rule, source=str(path))
        raise error

    found, _ = fault_of(Kind(lambda _: [], read, ()), path)
    assert found.startswith(fault)
