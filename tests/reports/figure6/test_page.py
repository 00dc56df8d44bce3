"""The HTML of Figure 6: every point says where it comes from, and the file needs nothing outside."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser

import pytest

from reports.figure6.data import Figure6, Figure6Point, figure6
from reports.figure6.page import lines_of, render

IMAGE = "data:image/svg+xml;base64,PHN2Zy8+"


class Reader(HTMLParser):
    """Collects the text of every `<title>` in a point, its circles, and every address that the page names."""

    def __init__(self) -> None:
        super().__init__()
        self.titles: list[str] = []
        self.circles: list[int] = []
        self.addresses: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "xlink:href")]
        if ("class", "point") in attrs:
            self.circles.append(0)
        if tag == "circle":
            self.circles[-1] += 1
        self._inside = tag == "title" and bool(self.circles)

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.titles.append(data)
        self._inside = False


@pytest.fixture(scope="module")
def info() -> Figure6:
    return figure6()


@pytest.fixture(scope="module")
def page(info: Figure6) -> str:
    spots = [[(1.0, 2.0)] * (2 if math.isnan(point.ms) else 3) for point in info.points]
    return render(info, IMAGE, (500.0, 300.0), spots)


def test_every_point_says_all_that_is_known_of_it(info: Figure6, page: str) -> None:
    reader = Reader()
    reader.feed(page)
    assert len(reader.titles) == len(info.points) == 76
    assert reader.circles == [2 if math.isnan(point.ms) else 3 for point in info.points]
    for title, point in zip(reader.titles, info.points, strict=True):
        speed = "no inference time" if math.isnan(point.ms) else f"{point.images_per_second:.0f} images per second"
        shown = (point.network, f"{point.resolution} px", f"{point.top1:.1f} %", speed, point.source, point.recipe)
        assert all(text in title for text in (*shown, f"Table {point.table}", point.scale)), title
        assert f"{point.gmacs:.1f} G multiply-adds, {point.params_m:.1f} M parameters" in title


def test_the_page_is_self_contained(page: str) -> None:
    reader = Reader()
    reader.feed(page)
    assert reader.addresses == [IMAGE]
    assert not re.search(r"@import|url\(|https?://|fetch|XMLHttp|import\(", page)
    assert page.count("<script>") == page.count("<script") == 1


def test_the_lines_of_an_own_point() -> None:
    point = Figure6Point(
        family="demo",
        network="demo 1",
        scale="",
        resolution=None,
        top1=80.14,
        gmacs=0.0123,
        params_m=1.04,
        images_per_second=math.nan,
        source="demo, trial 3: HR1x8",
        table="",
        recipe="study.yaml of demo",
        kind="test",
        sd=0.27,
        seeds=3,
    )
    assert lines_of(point) == [
        "demo 1, resolution unknown",
        "80.1 ± 0.3 %, test, 3 seeds, top-1",
        "0.0123 G multiply-adds, 1.0 M parameters",
        "no comparable inference time",
        "source: demo, trial 3: HR1x8",
        "recipe: study.yaml of demo",
    ]
