"""The published tables that come with the package."""

from __future__ import annotations

from importlib.resources import files

import pytest

from reports.records.published import IMAGENET, published

NAMES = sorted(
    path.name[:-4] for path in files("reports").joinpath("published").iterdir() if path.name.endswith(".csv")
)


def test_all_tables_are_there() -> None:
    assert len(NAMES) == 10
    readme = files("reports").joinpath("published", "README.md").read_text()
    assert all(f"`{name}.csv`" in readme for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_tables_read_and_have_no_empty_row(name: str) -> None:
    table = published(name)
    assert len(table) >= 3
    assert not table.isna().all(axis=1).any()


def test_imagenet_rows_are_plausible() -> None:
    table = published(IMAGENET)
    assert table["top1"].between(75, 90).all()
    assert table["params_m"].between(5, 250).all()
    assert table["gmacs"].between(1, 50).all()
    own = table[table["network"].str.startswith("HIRI-ViT") & (table["resolution"] == 448)]
    assert own["top1"].tolist() == [84.3, 85.2, 85.7]
