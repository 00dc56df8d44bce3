"""Sections: found by being there, each in its place, and a new one in the folder and on the page of a report."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from reports import sections as folder
from reports.ablation_page.results import ViewResults
from reports.ablation_page.write import write_ablation
from reports.run_comparison.comparison import RunComparison
from reports.search_page.results import SearchResults
from reports.search_page.write import write_report
from reports.section import sections

NEW = '''
"""Seconds of training of each trial."""

from pathlib import Path

from matplotlib.figure import Figure

from reports.drawing.canvas import COLUMN, save, sheet, write_csv
from reports.records.search import finished
from reports.{page}.results import {subject}
from reports.section import FIGURES, Section, SectionContent, picture


def seconds(results: {subject}) -> list[float] | None:
    return {data}


def draw(values: list[float]) -> Figure:
    figure = sheet(COLUMN, 2.0)
    figure.subplots().plot(values)
    return figure


def write(values: list[float], folder: Path) -> SectionContent:
    save(draw(values), folder / FIGURES, "added")
    write_csv(folder / FIGURES / "added.csv", ["seconds"], [[value] for value in values])
    return SectionContent("Time", picture=picture(folder, "added", "Seconds per trial", "How long each trial took."))


SECTION = Section("added", of={subject}, order=25, compute=seconds, write=write)
'''


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Callable[..., None]]:
    """Puts a section about a class of `page` beside the others; its data is an expression."""

    def add_(page: str, subject: str, data: str) -> None:
        (tmp_path / "more").mkdir()
        (tmp_path / "more" / "added.py").write_text(NEW.format(page=page, subject=subject, data=data))
        monkeypatch.setattr(folder, "__path__", [*folder.__path__, str(tmp_path / "more")])

    yield add_
    sys.modules.pop("reports.sections.added", None)


def test_sections_are_named_after_their_files_and_have_places_of_their_own() -> None:
    files = {module.name for module in pkgutil.iter_modules(folder.__path__)}
    found = [*sections(SearchResults), *sections(ViewResults), *sections(RunComparison)]
    assert {one.name for one in found} == files
    for subject in (SearchResults, ViewResults, RunComparison):
        orders = [one.order for one in sections(subject)]
        assert orders == sorted(set(orders))


def test_the_sections_of_each_page() -> None:
    search, view = ["tradeoff", "front", "layouts", "hypervolume", "importances"], ["rows", "forest", "effects"]
    # A further section must not change this test: only the order of those that were there first is fixed.
    assert [one.name for one in sections(SearchResults) if one.name in search] == search
    assert [one.name for one in sections(ViewResults) if one.name in view] == view
    assert sections(int) == ()


def test_one_file_adds_a_figure_to_folder_and_page(
    add: Callable[..., None], make_run: Callable[..., Path], open_page: Callable[[Path], Any]
) -> None:
    add("search_page", "SearchResults", 'finished(results.record.search)["train_seconds"].tolist()')
    index = write_report(make_run(trials=4, startup=4, baseline=0, final=False))
    page = open_page(index)
    assert page.headings[2:5] == ["The front", "Time", "What the members look like"]
    assert "How long each trial took." in page.text
    assert all((index.parent / "figures" / f"added.{suffix}").is_file() for suffix in ("png", "svg", "pdf", "csv"))
    assert "figures/added.csv" in page.urls


def test_one_file_adds_a_figure_to_every_view_of_an_ablation(
    add: Callable[..., None], make_ablation: Callable[..., Path], open_page: Callable[[Path], Any]
) -> None:
    add("ablation_page", "ViewResults", "[line.score.mean for line in results.view.lines]")
    index = write_ablation(make_ablation({"base": [80.0, 81.0], "+ a": [82.0, 84.0]}, seeds=2))
    assert open_page(index).headings[1:3] == ["Progressive", "Time"]
    assert (index.parent / "figures" / "added.csv").read_text() == "seconds\n80.5\n83.0\n"


def test_a_section_with_nothing_to_show_is_left_out(
    add: Callable[..., None], make_run: Callable[..., Path], open_page: Callable[[Path], Any]
) -> None:
    add("search_page", "SearchResults", "None")
    index = write_report(make_run(trials=4, startup=4, baseline=0, final=False))
    assert "Time" not in open_page(index).headings
    assert not (index.parent / "figures" / "added.csv").exists()
