"""Tables and text in the width that there is: no number is cut, and what is left out is said."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, Group

from archspec.printing.fitted_table import Column, FittedTable
from archspec.printing.fitted_text import FittedText, fold_yaml, shorten, wrap, wrap_pieces

CODE = "HR2x32e4-HR2x64e4-CFFN2x128e6-T9x320h5e5-T4x512h8e5"
NUMBERS = ("1,274,880", "12.3 %", "171.355 MB")


def printed(part, width=None):
    """What a terminal of that width shows; a pipe where None."""
    out = io.StringIO()
    console = Console(file=out, width=width or 10_000, force_terminal=width is not None, color_system=None)
    console.print(part)
    return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())


def table(name="stages.3.blocks.2.body.mix.low"):
    columns = (Column("part", "name"), *(Column(head, rank=rank) for head, rank in (("params", 0), ("share", 1))))
    made = FittedTable("title [/x]", (*columns, Column("memory", rank=2), Column("layout", "code", 3)), whole="--json")
    made.add_row(name, *NUMBERS, CODE)
    made.add_section()
    made.add_row("total", *NUMBERS, "", style="bold")
    return made


@pytest.mark.parametrize("width", [12, 20, 30, 40, 60, 80, 100, 120, 200])
def test_a_table_fits_and_its_numbers_are_whole(width):
    shown = printed(table(), width)
    assert max(map(cell_len, shown.splitlines())) <= width
    assert not re.search(r"\d…|…\d", shown)
    gone = re.search(r"left\s+out\s+at\s+\d+\s+characters:(.*)", shown, re.DOTALL)
    for head, number in zip(("params", "share", "memory"), NUMBERS, strict=True):
        assert (number in shown) is not (gone is not None and head in gone[1])
    if width >= 60:
        assert ("layout" in (gone[1] if gone else "")) is False or "--json" in gone[1]
    assert "title" in shown


def test_columns_leave_by_their_rank_and_names_give_way_before_them():
    shown = printed(table(), 40)
    assert "2 columns left out at 40 characters: memory, layout; --json" in " ".join(shown.split())
    assert "stages.…" in shown
    whole = printed(table(), 140)
    assert "left out" not in whole
    assert "…" not in whole


def test_elsewhere_than_on_a_terminal_every_column_is_whole():
    shown = printed(table("a" * 200))
    assert "a" * 200 in shown
    assert CODE in shown
    assert "left out" not in shown


def test_cells_are_text_and_steer_nothing():
    shown = printed(table("[/x] \x1b[31m 层层"), 100)
    assert "[/x] \\x1b[31m 层层" in shown
    assert "\x1b[31m" not in shown


def test_a_table_inside_a_group_is_as_wide_as_it_needs_to_be():
    assert CODE in printed(Group(FittedText("above"), table("a" * 300)))


@given(st.text(max_size=60), st.integers(1, 50))
def test_a_shortened_name_fits_and_keeps_its_numbers_whole(text, width):
    short = shorten(text, width)
    assert cell_len(short) <= width or short == text
    if short != text:
        kept = short.split("…")[0]
        assert text.startswith(kept)
        assert not (kept[-1:].isdigit() and text[len(kept)].isdigit())


def test_names_are_shortened_by_whole_pieces():
    assert shorten(CODE, 25) == "HR2x32e4-…T4x512h8e5"
    assert shorten("stages.3.blocks.2", 12) == "stages.3.…2"
    assert shorten("12345678901", 5) == "…"
    assert wrap_pieces(CODE, 20) == ["HR2x32e4-HR2x64e4-", "CFFN2x128e6-", "T9x320h5e5-", "T4x512h8e5"]


def test_a_code_is_broken_before_its_options_and_image_and_never_in_a_number():
    code = "HR2x32e0.25-classifier:classes=10@64"
    assert wrap_pieces(code, 12) == ["HR2x32e0.25-", "classifier", ":classes=10", "@64"]
    assert wrap(f"trial 3: {code}", 24, "  ") == ["trial 3:", "  HR2x32e0.25-classifier", "  :classes=10@64"]
    assert wrap_pieces("1,274,880", 4) == ["1,274,880"]


def test_a_number_stays_beside_its_unit():
    lines = wrap("it keeps 5.059 G MACs and 171.355 MB (12.3 %) at 448 px", 18)
    assert lines == ["it keeps 5.059 G", "MACs and", "171.355 MB", "(12.3 %) at 448 px"]


def test_a_command_is_broken_as_a_shell_reads_it():
    lines = wrap("  $ archspec search demo --name 'two words' --set 'a.b=c d'", 30)
    assert lines == ["  $ archspec search demo \\", "       --name 'two words' \\", "       --set 'a.b=c d'"]


def test_folded_yaml_is_the_same_document():
    text = "# a comment of several words\nstages:\n  - {block: HR, depth: 1, width: 16, downsample: irds_a}\n"
    folded = fold_yaml(text, 25)
    assert max(map(len, folded.splitlines())) <= 25
    assert folded.splitlines()[:2] == ["# a comment of several", "# words"]
    quoted = 'text: "two  spaces and more and more"\n'
    assert fold_yaml(quoted, 20) in (quoted, 'text: "two  spaces\n    and more and\n    more"\n')
