from __future__ import annotations

import pytest

from archspec.documents.reader import parse_document
from archspec.documents.safe_text import (
    check_line,
    check_text,
    csv_cell,
    escape_markdown,
    escape_paragraph,
    escape_tex,
    file_stem,
    multiline,
    printable,
)
from archspec.errors import FieldError, SpecError
from archspec.loader import parse


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("HR×4 · 日本 é", "HR×4 · 日本 é"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc\x00", "a\\nb\\tc\\x00"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("file\udcff", "file\\udcff"),
        ("👩\u200d💻 می\u200cشود", "👩\u200d💻 می\u200cشود"),
        ("[/x] [link=http://a]", "[/x] [link=http://a]"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_text_of_several_lines_keeps_them() -> None:
    assert multiline("a\n\tb\x1b\u2028") == "a\n\tb\\x1b\\u2028"


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"), ("+ CFFN", "'+ CFFN"), ("-x", "'-x"), ("@SUM(A1)", "'@SUM(A1)"), ("\ta", "'\\ta"),
        ("-0.25", "-0.25"), ("+1e-3", "+1e-3"), (-0.25, -0.25), (0, 0), (None, ""), (float("nan"), ""), ("–", "–"),
    ],
)  # fmt: skip
def test_csv_cells_are_no_formulas(cell: object, written: object) -> None:
    assert csv_cell(cell) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a|b `c` *d* $e$ ~f~ \\g", "a\\|b \\`c\\` \\*d\\* \\$e\\$ \\~f\\~ \\\\g"),
        ("snake_case _emphasis_", "snake_case \\_emphasis\\_"),
        ("p <0.0001 <b> &amp; a & b", "p <0.0001 \\<b> \\&amp; a & b"),
        ("+1.2 [−0.3, +2.7] [t](http://x) [a]: b", "+1.2 [−0.3, +2.7] [t\\](http://x) [a\\]: b"),
        ("# no heading in a cell", "# no heading in a cell"),
    ],
)
def test_markdown(text: str, written: str) -> None:
    assert escape_markdown(text) == written


@pytest.mark.parametrize("text", ["# a", "1. a", "- a", "+ a", "> a", "==="])
def test_a_paragraph_is_no_heading_list_or_rule(text: str) -> None:
    assert escape_paragraph(text).replace("\\", "") == text
    assert "\\" in escape_paragraph(text)[:3]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("\\foo{} $5 50 % a_b #1 ~^ <|>", "\\textbackslash{}foo\\{\\} \\$5 50 \\% a\\_b \\#1 \\textasciitilde{}"
         "\\textasciicircum{} \\textless{}\\textbar{}\\textgreater{}"),
        ("--set \"a\" `b`", "-{}-set ''a'' \\`{}b\\`{}"),
        ("é e\u0301 ï ß Δ α ×", "\\'{e} \\'{e} \\\"{\\i} \\ss{} $\\Delta$ $\\alpha$ $\\times$"),
        ("中文", "{\\ifdefined\\Umathchar 中文\\else [U+4E2D U+6587]\\fi}"),
        ("a\nb", "a\\textbackslash{}nb"),
    ],
)  # fmt: skip
def test_latex(text: str, written: str) -> None:
    assert escape_tex(text) == written


@pytest.mark.parametrize(
    ("text", "stem"),
    [("../../etc", "_._.._etc"), ("-rf", "_rf"), (".hidden", "_hidden"), ("con", "_con"), ("NUL.txt", "_NUL.txt"),
     ("", "_"), ("HR2x32-T9x320h5", "HR2x32-T9x320h5"), ("中", "_"), ("a.", "a"), ("x" * 300, "x" * 80)],
)  # fmt: skip
def test_names_of_files(text: str, stem: str) -> None:
    assert file_stem(text) == stem


@pytest.mark.parametrize("text", ["\x1b[31m", "a\x00", "\u202ea", "\u2066a", "\ufeffa", "\u2028", "\ud800", "\x9b31m"])
def test_what_steers_is_refused(text: str) -> None:
    for check in (check_line, check_text):
        with pytest.raises(FieldError, match="must be plain text"):
            check(text)


def test_lines_have_no_ends_and_descriptions_may() -> None:
    assert check_text("one\n\ttwo\r\n") == "one\n\ttwo\r\n"
    assert check_line("👩\u200d💻 שלום [/x] $a$") == "👩\u200d💻 שלום [/x] $a$"
    with pytest.raises(FieldError, match=r"'one\\ntwo' holds \\n, a control character"):
        check_line("one\ntwo")


def test_a_name_is_refused_with_its_line() -> None:
    text = b'# a spec\nname: "a\\e[31m"\nstem: conv_stem\nstages: [{block: T, width: 16, depth: 1}]\n'
    with pytest.raises(SpecError) as error:
        parse(parse_document(text, "spec.yaml"))
    assert str(error.value) == r"spec.yaml:2: name: must be plain text: 'a\x1b[31m' holds \x1b, a control character"
