"""The tables of an ablation: what is bold, grey, in parentheses; costs alone; the words around them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports.ablation_page.results import CostChange, ResultView, compute
from reports.ablation_page.table import (
    AblationTable,
    change_scales,
    change_text,
    cost_table,
    latex,
    markdown,
    write,
)
from reports.ablation_page.text import headline, probability, seeds_note, verdict
from reports.drawing.units import Unit
from reports.records.ablation import AblationRecord, read_ablation
from reports.sections.effects import effects_table, write_effects
from reports.sections.rows import table, write_numbers

BASE = [84.1, 83.6, 84.4, 83.9, 84.2]
SCORES = {
    "base": BASE,
    "+ a": [85.3, 84.9, 85.6, 85.2, 85.3],
    "+ b_1": [85.1, 84.1, 86.3, 85.3, None],
    "+ nothing": [],
}
SAME = {"+ nothing": "+ b_1"}
Make = Callable[..., Path]


def _view(make: Make, **options: Any) -> tuple[AblationRecord, ResultView]:
    scores = options.pop("scores", SCORES)
    info = compute(read_ablation(make(scores, **({"same": SAME} | options))))
    return info.record, info.views[0]


@pytest.fixture
def content(make_ablation: Make) -> AblationTable:
    return table(*_view(make_ablation), "1-progressive")


def test_cells(content: AblationTable) -> None:
    assert content.header == (
        "#",
        "Row",
        "Parameters (M)",
        "Δ (M)",
        "MACs (M)",
        "Δ (M)",
        "Test (%), mean ± sd (n)",
        "Δ [95 % interval]",
        "p (Holm)",
        "Mark",
    )
    cells = [row.cells for row in content.rows]
    assert cells[0] == ("1", "base", "2.00", "–", "300", "–", "84.04 ± 0.30 (5)", "–", "–", "reference")
    assert cells[1][:7] == ("2", "+ a", "2.10", "+0.10 (+5.0 %)", "320", "+20 (+6.7 %)", "85.26 ± 0.25 (5)")
    assert cells[1][7].startswith("+1.22 [+1.1")
    assert cells[1][9] == "better"
    assert cells[2][6] == "85.20 ± 0.90 (4 of 5)"
    assert cells[3][3:] == ("±0", "340", "±0", "85.20 ± 0.90 (4 of 5)", "–", "–", "same run as 3")
    assert cells[4][:4] == ("4–1", "last against first", "2.20", "+0.20 (+10.0 %)")
    assert [row.emphasis for row in content.rows] == ["plain", "bold", "grey", "grey", "grey"]
    assert content.rules == (4,)


def test_caption_and_notes_say_what_was_done(content: AblationTable) -> None:
    for part in (
        "top-1 accuracy on cluttered_digits, test split",
        "mean ± sample standard deviation over seeds (trainings finished of 5 planned)",
        "to the row before, paired by seed, with the 95 % interval of each alone (t)",
        "p of paired t, two-sided, Holm's correction over 3 comparisons, the last row against the first among them",
        "Bold: corrected p below 0.05; grey: within noise, or not tested.",
    ):
        assert part in content.caption
    assert content.notes == (
        "Row 3: 1 of 5 trainings failed: out of memory in epoch 1.",
        "Row 4: 1 of 5 trainings failed: out of memory in epoch 1.",
        "Row 4 is the same run as row 3: its edits change nothing here, so nothing is tested.",
    )


def test_markdown(content: AblationTable) -> None:
    text = markdown(content)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 7
    assert {line.count("|") for line in lines} == {11}
    assert lines[3].endswith("| **better** |")
    assert lines[4].endswith("| (within noise) |")
    assert "in parentheses: within noise, or not tested." in text
    assert "grey" not in text
    assert "- Row 3: 1 of 5 trainings failed" in text


def test_latex(content: AblationTable) -> None:
    text = latex(content)
    assert text.startswith("% needs \\usepackage{booktabs} and \\usepackage{xcolor}\n\\begin{table*}")
    assert r"\textbf{better} \\" in text
    assert r"\textcolor{gray}{within noise} \\" in text
    assert r"3 & + b\_1 & 2.20" in text
    assert text.count(r"\midrule") == 2
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.replace(r"\&", "").count("&") for line in rows} == {9}
    assert text.isascii()
    assert text.count("{") == text.count("}")


def test_validation_and_looks_are_named(make_ablation: Make) -> None:
    scores = {"base": BASE, "+ a": [85.3, 84.9, 85.6], "+ b": [84.6, 83.3, 84.9, 83.8]}
    options = {"scores": scores, "same": {}, "score": "validation", "looks": [[3, 0.01], [5, 0.02]]}
    content = table(*_view(make_ablation, views=("leave_one_in",), **options), "1")
    assert content.header[6:9] == ("Validation (%), mean ± sd (n)", "Δ [95 % interval]", "p (look)")
    assert content.rows[1].cells[9] == "better (stopped after 3 seeds)"
    assert content.rows[2].cells[9] == "open: needs more seeds"
    assert "3 seeds p ≤ 0.01, 5 seeds p ≤ 0.02. Bold: a look decided it" in content.caption
    assert "Holm" not in content.caption
    assert "Row 2 stopped after 3 seeds: decided." in content.notes
    assert "Row 3: 1 of 5 trainings not finished." in content.notes


def test_rows_that_change_more_than_the_layout(make_ablation: Make) -> None:
    rows = {"+ a": {"resolution": 96, "training": {"ema.alpha": 0.5}}}
    content = table(*_view(make_ablation, rows=rows), "1")
    assert (
        "Row 2 differs from row 1 also in resolution (64 → 96 px), ema.alpha (as in the base → 0.5)." in content.notes
    )
    assert (
        "Row 3 differs from row 2 also in resolution (96 → 64 px), ema.alpha (0.5 → as in the base)." in content.notes
    )


def test_references_that_differ_are_named(make_ablation: Make) -> None:
    content = table(*_view(make_ablation, rows={"+ b_1": {"against": 0}, "+ nothing": {"against": 1}}), "1")
    assert "to the row named in brackets" in content.caption
    assert content.rows[2].cells[7].endswith(" [1]")
    assert content.rows[3].cells[7].endswith(" [2]")
    assert "Row 4 is the same run as row 3: trained and compared once." in content.notes


def test_no_training_finished(make_ablation: Make) -> None:
    record, view = _view(make_ablation, scores={"base": [], "+ a": []}, same={})
    content = table(record, view, "1")
    assert content.rows[1].cells[6:] == ("– (0 of 5)", "–", "–", "untested")
    assert verdict(view) == [
        "Decided: nothing.",
        "Not decided: row 2 (+ a) has too few finished trainings to test.",
    ]
    assert seeds_note([view]) == ""


def test_verdict_says_what_would_decide(make_ablation: Make) -> None:
    info = compute(read_ablation(make_ablation(SCORES, same=SAME)))
    view = info.views[0]
    needed = view.lines[2].outcome.needed  # type: ignore[union-attr]
    decided, undecided = verdict(view)
    assert decided == "Decided: row 2 (+ a) is better by +1.22 points."
    assert f"row 3 (+ b_1) differs by −0.05 points over 4 seeds; {needed:,} seeds per row" in undecided
    assert "row 4 (+ nothing) against row 1 differs by +1.20 points over 4 seeds" in undecided
    assert headline(info) == "1 of 3 differences"
    assert "80 % probability" in seeds_note([view])


def test_cost_tables_need_no_journal() -> None:
    from_plan = {
        "name": "steps",
        "type": "progressive",
        "title": "Steps",
        "factors": [],
        "generators": [],
        "rows": [_row("base", "r0", 5_000_000, 4_000_000_000, None), _row("+ a", "r1", 5_000_200, 3_500_000_000, 0)],
    }
    from_plan["rows"].append(_row("+ none", "r1", 5_000_200, 3_500_000_000, 1) | {"training": {"epochs": 3}})
    found = cost_table(from_plan)
    assert found.title == "Steps"
    assert found.header == ("#", "Row", "Parameters (M)", "Δ", "MACs (G)", "Δ (G)")
    assert found.rows == (
        ("1", "base", "5.00", "–", "4.00", "–"),
        ("2", "+ a", "5.00", "+200 (+0.004 %)", "3.50", "−0.50 (−12.5 %)"),
        ("3", "+ none", "5.00", "±0", "3.50", "±0"),
    )
    assert found.notes == (
        "row 3 is the same run as row 2: it is trained once",
        "row 3 also changes epochs (as in the base → 3)",
    )
    with pytest.raises(ValueError, match="view: no type"):
        cost_table({"name": "x"})


FRACTION = {"base": [], "a c": ["a", "c"], "b c": ["b", "c"], "a b": ["a", "b"]}
ALIASES = "A 1/2 fraction with c = −a b; estimated as one up to two factors: a − b:c; b − a:c; c − a:b."


def test_cost_tables_have_the_alias_structure() -> None:
    rows = [_row(name, name, 10, 10, None) | {"edits": edits} for name, edits in FRACTION.items()]
    view = {"name": "f", "type": "factorial", "title": "F", "factors": ["a", "b", "c"], "generators": ["c = -a b"]}
    assert cost_table(view | {"rows": rows}).notes[-1] == ALIASES


def test_rows_that_are_not_paired_are_aliased_all_the_same(make_ablation: Make) -> None:
    options = {"factors": ("a", "b", "c"), "generators": ("c = -a b",), "views": ("factorial",), "edits": FRACTION}
    record, view = _view(make_ablation, scores=dict.fromkeys(FRACTION, BASE), same={}, paired=False, **options)
    assert not view.effects
    assert table(record, view, "1-factorial").notes[-1] == ALIASES


def _row(label: str, run: str, params: int, macs: int, against: int | None) -> dict[str, Any]:
    costs = {"params": params, "macs": macs, "activations": 1, "resolution": 64}
    return {
        "label": label,
        "edits": [],
        "run": run,
        "digest": run,
        "code": "x",
        "training": {},
        "against": against,
    } | costs


def test_effects(make_ablation: Make, tmp_path: Path) -> None:
    scores = {
        "base": BASE,
        "a c": [score + gain for score, gain in zip(BASE, (1.0, 1.1, 1.2, 0.9, 0.8), strict=True)],
        "b c": [score + gain for score, gain in zip(BASE, (0.3, -0.2, 0.1, -0.3, 0.1), strict=True)],
        "a b": [*(score + 1 for score in BASE[:4]), None],
    }
    options = {"factors": ("a", "b", "c"), "generators": ("c = -a b",), "views": ("factorial",), "edits": FRACTION}
    record, view = _view(make_ablation, scores=scores, same={}, **options)
    content = effects_table(record, view, "1-factorial")
    assert content
    assert content.name == "1-factorial-effects"
    assert [row.cells[0] for row in content.rows] == ["a − b:c", "b − a:c", "c − a:b"]
    assert content.rows[0].cells[1].startswith("+1.04 [+")
    assert content.rows[0].cells[2] == "4"
    assert content.rows[0].emphasis == "bold"
    assert content.notes == ("Left out, as not every row has finished them: seed 4.", ALIASES)
    assert "Holm's correction over 3 effects" in content.caption
    write(content, tmp_path)
    assert r"\textbf{+1.04 [" in (tmp_path / "1-factorial-effects.tex").read_text()
    write_effects(view, tmp_path / "effects.csv")
    first = (tmp_path / "effects.csv").read_text().splitlines()[1].split(",")
    assert first[0] == "a - b:c"
    assert float(first[1]) == pytest.approx(1.0375)
    assert first[-1] == "better"


def test_no_effects_without_a_factorial(make_ablation: Make) -> None:
    assert effects_table(*_view(make_ablation), "1") is None


def test_csv_has_plain_numbers(make_ablation: Make, tmp_path: Path) -> None:
    _, view = _view(make_ablation)
    write_numbers(view, tmp_path / "numbers.csv")
    with (tmp_path / "numbers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["mark"] for row in rows] == ["", "better", "within noise", "same run", "within noise"]
    assert [row["against"] for row in rows] == ["", "1", "2", "3", "1"]
    assert rows[1]["params_change"] == "100000"
    assert float(rows[1]["difference"]) == pytest.approx(1.22)
    assert (rows[2]["finished"], rows[2]["failed"], rows[2]["missing"]) == ("4", "1", "0")
    assert rows[3]["difference"] == ""


@pytest.mark.parametrize(("p", "text"), [(0.0498, "0.0498"), (0.00001, "<0.0001"), (1.0, "1"), (float("nan"), "–")])
def test_probability(p: float, text: str) -> None:
    assert probability(p) == text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (None, "–"),
        (CostChange(0, 0.0), "±0"),
        (CostChange(1_260_000, 4.2), "+1.26 (+4.2 %)"),
        (CostChange(-1_260_000, -4.2), "−1.26 (−4.2 %)"),
        (CostChange(-1_260_000_000, -0.002), "−1,260.00 (−0.002 %)"),
        (CostChange(5_000_000, float("nan")), "+5.00"),
    ],
)
def test_change(change: CostChange | None, text: str) -> None:
    assert change_text(change, Unit("Parameters", "M", 1e6, 2)) == text


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ((300_000, -900_000), ["+0.3", "−0.9"]),  # in the unit of the counts, where it shows them all
        ((16, -4_300), ["+0.016", "−4.300"]),  # parameters: neither 16 nor 4.3 k stands without its unit
        ((16, -4_300_000), ["+16", "−4,300,000"]),
    ],
)
def test_the_changes_of_a_column_have_one_unit(changes: tuple[int, ...], texts: list[str]) -> None:
    found = [(None, None), *((CostChange(value, float("nan")), CostChange(0, 0.0)) for value in changes)]
    scale, _ = change_scales(found, (Unit("Parameters", "M", 1e6, 1), Unit("MACs", "G", 1e9, 2)))
    assert [change_text(params, scale) for params, _ in found[1:]] == texts
    assert scale.label == {"+0.3": "Δ (M)", "+0.016": "Δ (k)", "+16": "Δ"}[texts[0]]
