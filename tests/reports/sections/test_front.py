"""The front as Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from reports.drawing.tables import escape_tex
from reports.records.front import Anchor, FrontMember, FrontRecord
from reports.search_page.neighbours import Neighbours
from reports.search_page.table import latex, markdown
from reports.sections.front import table, write
from reports.statistics.comparison import Comparison
from reports.statistics.summary import Summary

COSTS = {"macs": 2e6, "params": 5e5, "activations": 7e4, "saved_bytes": 1e6, "latency_ms": math.nan}
FRONT = FrontRecord(
    ("accuracy", "macs"),
    (
        FrontMember(1, "a" * 16, "HR1x8", 4, 0.561, COSTS, Summary(0.5894, 0.0236, 3)),
        FrontMember(2, "b" * 16, "HR|2x8_&", 7, 0.66, COSTS | {"macs": 3.456e6}, Summary(math.nan, math.nan, 0)),
    ),
    (Anchor("tiny", "c" * 16, "HR1x16", COSTS, Summary(0.7, math.nan, 1)),),
    (),
)
CONTENT = table(FRONT, "Front of a_b: 100 % real, mean ± sd.")


def test_rows() -> None:
    assert CONTENT.header == (
        "#",
        "Layout",
        "Parameters (k)",
        "MACs (M)",
        "Validation (%)",
        "Test (%)",
        "Seeds",
    )
    assert CONTENT.rows == (
        ("1", "HR1x8", "500", "2.00", "56.1", "58.9 ± 2.4", "3"),
        ("2", "HR|2x8_&", "500", "3.46", "66.0", "–", "–"),
        ("", "tiny (HR1x16)", "500", "2.00", "–", "70.0", "1"),
    )
    assert CONTENT.members == 2


def test_what_was_an_objective_is_shown() -> None:
    objectives = ("accuracy", "activations")
    assert "Activations (k)" in table(FrontRecord(objectives, FRONT.members, (), ()), "").header


def test_markdown_escapes_bars_and_has_equal_columns() -> None:
    lines = [line for line in markdown(CONTENT).splitlines() if line.startswith("|")]
    assert len(lines) == 5
    assert {line.replace("\\|", "").count("|") for line in lines} == {8}
    assert "HR\\|2x8\\_&" in lines[3]


def test_latex_is_booktabs_and_escaped() -> None:
    text = latex(CONTENT)
    assert text.count(r"\midrule") == 2
    assert r"\caption{Front of a\_b: 100 \% real, mean $\pm$ sd.}" in text
    assert r"2 & HR\textbar{}2x8\_\& & 500 & 3.46 & 66.0 & -- & -- \\" in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.replace(r"\&", "").count("&") for line in rows} == {6}


@pytest.mark.parametrize(
    ("raw", "escaped"),
    [
        ("a_b", r"a\_b"),
        ("50 % & #1 $", r"50 \% \& \#1 \$"),
        ("\\{x}~^", r"\textbackslash{}\{x\}\textasciitilde{}\textasciicircum{}"),
        ("3×64", r"3$\times$64"),
    ],
)
def test_escape(raw: str, escaped: str) -> None:
    assert escape_tex(raw) == escaped


def compared(mark: str, difference: float) -> Neighbours:
    found = Comparison(
        "b" * 16,
        "a" * 16,
        5,
        difference,
        0.01,
        difference - 0.02,
        difference + 0.02,
        "t",
        "paired t",
        *(0.01, 0.02),
        mark,
    )  # type: ignore[arg-type]
    return Neighbours({found.row: found}, "macs")


def test_a_difference_within_noise_is_grey_and_has_no_sign() -> None:
    content = table(FRONT, "", compared("within noise", -0.0123))
    assert content.header[-1] == "Δ to the cheaper"
    assert [row[-1] for row in content.rows] == ["–", "−1.2 [−3.2, +0.8]", "–"]
    assert [content.faint(index) for index in range(3)] == [False, True, False]
    text = latex(content)
    assert r" & \textcolor{gray}{$-$1.2 [$-$3.2, +0.8]} \\" in text
    assert text.startswith(r"% needs \usepackage{booktabs} and \usepackage{xcolor}")
    assert r"\begin{tabular}{rlrrrrrr}" in text


def test_a_supported_difference_has_a_sign_and_is_not_grey() -> None:
    content = table(FRONT, "", compared("better", 0.0323))
    assert content.rows[1][-1] == "+3.2 [+1.2, +5.2]†"
    assert not any(content.faint(index) for index in range(3))
    assert r"+3.2 [+1.2, +5.2]$^\dagger$ \\" in latex(content)
    assert "textcolor" not in latex(content)


def test_the_differences_are_in_the_csv_in_full(tmp_path: Path) -> None:
    write(table(FRONT, "", compared("better", 0.0323)), FRONT, tmp_path)
    with (tmp_path / "front.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["mark"] for row in rows] == ["", "better", ""]
    assert (float(rows[1]["difference"]), float(rows[1]["p_holm"])) == (0.0323, 0.02)


def test_csv_has_plain_numbers(tmp_path: Path) -> None:
    write(CONTENT, FRONT, tmp_path)
    with (tmp_path / "front.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2", ""]
    assert rows[0]["macs"] == "2000000"
    assert rows[0]["latency_ms"] == ""
    assert float(rows[0]["test_accuracy_mean"]) == 0.5894
    assert rows[1]["test_accuracy_mean"] == ""
    assert rows[2]["name"] == "tiny"
    assert (tmp_path / "front.md").read_text().startswith("| # |")
    assert r"\begin{tabular}{rlrrrrr}" in (tmp_path / "front.tex").read_text()
