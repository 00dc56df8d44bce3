"""The report of an ablation as a folder: complete, self-contained, repeatable, reached by `archspec report`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archspec.errors import SpecError
from archspec.files.ownership import digest, read_digests, write_digests
from reports.ablation_page.write import write_ablation
from reports.review.review import examine

BASE = [84.1, 83.6, 84.4, 83.9, 84.2]
SCORES = {"base": BASE, "+ a": [85.3, 84.9, 85.6, 85.2, 85.3]}
Make = Callable[..., Path]
Open = Callable[[Path], Any]


@pytest.fixture(scope="module")
def report(ablated_run: Path) -> Path:
    """The report of the default ablation, outside of it."""
    return write_ablation(ablated_run, ablated_run.parent / "written").parent


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_folder_is_complete_and_every_link_leads_somewhere(report: Path, open_page: Open) -> None:
    page = open_page(report / "index.html")
    views = ("1-progressive", "2-leave_one_out")
    expected = {f"tables/{view}.{suffix}" for view in views for suffix in ("md", "csv", "tex")}
    expected |= {f"figures/{view}.{suffix}" for view in views for suffix in ("png", "svg", "pdf", "csv")}
    expected |= {f"figures/{view}-column.{suffix}" for view in views for suffix in ("png", "svg", "pdf")}
    assert _names(report) == expected | {".archspec.json", "index.html"}
    assert page.pictures == 4
    assert page.headings == ["steps", "Progressive", "Leave one out", "Failures", "Reproduce"]


def test_page_states_what_is_decided(report: Path, open_page: Open) -> None:
    page = open_page(report / "index.html")
    for part in (
        "<b>3 of 5 differences</b><span>decided</span>",
        "<b>14</b><span>trainings finished</span>",
        "<b>1</b><span>trainings failed</span>",
        "3 trainings were stopped or killed, and queued again",
        "top-1 accuracy on cluttered_digits, test split; ablation steps, 5 seeds per row",
        "edits a and b both set stem",
        "seeds per row would mark a difference of the size seen",
        "out of memory in epoch 1",
        "archspec report runs/steps",
        "base: tiny",
    ):
        assert part in page.text
    assert "better" in page.cells["bold"]
    assert "within noise" in page.cells["grey"]
    assert "same run as 3" in page.cells["grey"]
    assert "better" not in page.cells["grey"]


def test_effects_have_a_section(make_ablation: Make, open_page: Open) -> None:
    edits = {"base": [], "+ a": ["a"], "+ b": ["b"], "+ a b": ["a", "b"]}
    options = {"views": ("factorial",), "factors": ("a", "b"), "edits": edits, "seeds": 2}
    index = write_ablation(make_ablation({name: [] for name in edits}, **options))
    page = open_page(index)
    assert "Effects" in page.headings
    assert "a:b" in page.cells["text"]
    assert "5 % again for a table of effects" in page.text
    assert (index.parent / "tables" / "1-factorial-effects.csv").is_file()


def test_nothing_finished_still_shows_costs(make_ablation: Make, open_page: Open) -> None:
    run = make_ablation({"base": [], "+ a": []})
    (run / "plan.yaml").unlink()
    text = open_page(write_ablation(run)).text
    assert "No training is finished: only costs are known." in text
    assert "+0.10 (+5.0 %)" in text
    assert "holds no plan.yaml" in text
    assert not (run / "report" / "figures").exists()


def test_same_run_same_report(report: Path, ablated_run: Path, tmp_path: Path) -> None:
    again = write_ablation(ablated_run, tmp_path / "again").parent
    assert _names(report) == _names(again)
    for name in _names(report):
        assert (report / name).read_bytes() == (again / name).read_bytes(), name


def test_report_is_replaced_as_a_whole_and_others_files_are_kept(make_ablation: Make, tmp_path: Path) -> None:
    run = make_ablation({"base": []})
    stale, own = run / "report" / "tables" / "9-stale.md", run / "report" / "notes.txt"
    write_ablation(run)
    stale.write_text("old")
    own.write_text("mine")
    known = read_digests(run / "report")
    write_digests(run / "report", known | {"tables/9-stale.md": ("report", [digest(b"old")])})
    write_ablation(run)
    assert not stale.exists()
    assert own.read_text() == "mine"
    assert not [path for path in (run / "report").iterdir() if "new-" in path.name]
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").write_text("mine")
    with pytest.raises(SpecError, match="holds files that are not a report"):
        write_ablation(run, tmp_path / "papers")


def test_names_from_a_plan_are_escaped(make_ablation: Make, open_page: Open) -> None:
    scores = {"base": [], "<script>alert(1)</script>": []}
    text = open_page(write_ablation(make_ablation(scores, name="a<b>&c"))).text
    assert "<script>" not in text
    assert "a&lt;b&gt;&amp;c" in text


def test_command_recognises_an_ablation(make_ablation: Make, run: Callable[..., tuple[int, str, str]]) -> None:
    folder = make_ablation({"base": [], "+ a": []})
    code, out, err = run("report", folder)
    assert (code, err) == (0, "")
    assert out.strip() == str(folder / "report" / "index.html")
    assert "ablation steps" in Path(out.strip()).read_text()


def test_report_needs_neither_torch_nor_search_nor_pyplot(
    make_ablation: Make, import_little: Callable[[str, Path], None]
) -> None:
    import_little("ablation_page.write.write_ablation", make_ablation(SCORES))


def test_an_ablation_that_measures_another_quality_says_so_everywhere(make_ablation: Make) -> None:
    metric = {"name": "accuracy", "label": "mIoU", "dataset": "digit_scenes", "benchmark": None}
    scores = {"base": BASE, "+ a": SCORES["+ a"], "+ b": BASE, "+ a + b": SCORES["+ a"]}
    edits = {"base": [], "+ a": ["a"], "+ b": ["b"], "+ a + b": ["a", "b"]}
    options = {"views": ("factorial",), "factors": ("a", "b"), "edits": edits, "attributes": {"metric": metric}}
    run = make_ablation(scores, score="validation", **options)
    page = write_ablation(run).read_text()
    text = re.sub(r"<[^>]+>|data:image[^\"]+", " ", page.split("<main>")[1].split("<pre")[0])
    assert "effects in points of validation mIoU over n seeds" in text
    written = [*(run / "report" / "tables").glob("*.md"), *(run / "report" / "tables").glob("*.tex")]
    drawn = [*(run / "report" / "figures").glob("*.svg")]
    assert len(written) == 4
    assert all("validation mIoU against" in path.read_text() for path in drawn)
    assert len(drawn) == 2
    for said in (text, *(path.read_text() for path in (*written, *drawn))):
        assert not re.search("accuracy|top-1", said, re.IGNORECASE)
    assert "the tables state mIoU on the validation split" in " ".join(one.text for one in examine(run).objections)
