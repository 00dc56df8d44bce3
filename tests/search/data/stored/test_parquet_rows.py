"""Parquet files: which columns count, access by row group, and what is refused."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from extras import need
from stored_images import photos, read_row, saved, write_table

from archspec.errors import SpecError
from search.data.stored import parquet_rows
from search.data.stored.parquet_rows import ParquetRows, open_parquet


@pytest.fixture
def arrow() -> Any:
    need("pyarrow.parquet", "parquet")
    return need("pyarrow", "parquet")


def rows_of(*files: Path, image: str | None = None, label: str | None = None) -> ParquetRows:
    _, stored = open_parquet({"train": [str(file) for file in files]}, image, label)
    images = stored["train"].images
    assert isinstance(images, ParquetRows)
    return images


def test_rows_follow_one_another_through_files_and_row_groups(arrow: Any, tmp_path: Path):
    found = photos(40)
    files = [write_table(tmp_path / "a.parquet", found[:25]), write_table(tmp_path / "b.parquet", found[25:])]
    rows = rows_of(*files)
    order = [39, 0, 24, 25, 9, 10, 38]
    assert [read_row(rows, row) for row in order] == [found[row].data for row in order]
    assert rows.name(24) == f"{files[0]}: row 24"
    assert rows.name(25) == f"{files[1]}: row 0"
    other = pickle.loads(pickle.dumps(rows))
    assert read_row(other, 30) == found[30].data
    assert len(pickle.dumps(rows)) < 4000  # without what it keeps


def test_row_groups_are_kept_while_there_is_room(arrow: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = photos(40)
    rows = rows_of(write_table(tmp_path / "a.parquet", found))
    reads: list[str] = []
    parquet = need("pyarrow.parquet", "parquet")

    def opened(path: str, **options: Any) -> Any:
        reads.append(path)
        return original(path, **options)

    original = parquet.ParquetFile
    monkeypatch.setattr(parquet, "ParquetFile", opened)
    for row in (0, 15, 5, 19, 25, 9):
        rows.open(row)
    assert len(reads) == 3
    monkeypatch.setattr(parquet_rows, "KEPT", 1)
    for row in (35, 9, 35):
        rows.open(row)
    assert len(reads) == 6
    assert rows.note is None
    monkeypatch.setattr(parquet_rows, "LARGE", 1)
    assert "hold 0 MiB of images on average, and one is read for each image: write them" in str(rows.note)


def test_what_the_hubs_library_wrote_says_which_columns_and_classes(tmp_path: Path):
    need("datasets", "hf")
    table = saved(photos(4)).rename_columns({"image": "picture", "label": "age"})
    table.to_parquet(str(tmp_path / "a.parquet"))
    columns, stored = open_parquet({"train": [str(tmp_path / "a.parquet")]}, None, None)
    assert columns == ("picture", "age", ("dark", "light"))
    assert list(stored["train"].labels) == [0, 1, 0, 1]


def test_bytes_paths_and_names_of_classes(arrow: Any, tmp_path: Path):
    found = photos(4)
    (tmp_path / "one.png").write_bytes(found[0].data)
    kinds = {
        "bytes": arrow.array([photo.data for photo in found], arrow.large_binary()),
        "path": arrow.array(["one.png"] * 4),
        "either": arrow.array(
            [{"bytes": None, "path": "one.png"}, *({"bytes": p.data, "path": None} for p in found[1:])]
        ),
    }
    named = arrow.array(["dark", "light"] * 2).dictionary_encode()
    path = write_table(tmp_path / "a.parquet", found, label=named, **kinds)
    for column, row in (("bytes", 1), ("path", 0), ("either", 0), ("either", 1)):
        assert read_row(rows_of(path, image=column), row) == found[row].data
    _, stored = open_parquet({"train": [str(path)]}, None, None)
    assert stored["train"].labels == ["dark", "light"] * 2
    os.unlink(tmp_path / "one.png")
    with pytest.raises(OSError, match=r"one\.png"):
        rows_of(path, image="path").open(0)


@pytest.mark.parametrize(
    ("columns", "asked", "rule"),
    [
        ({}, {"image": "imag"}, "image: no column is called imag (did you mean image?); the columns are image, label"),
        (
            {"label": None, "y": [0, 1]},
            {},
            "label: no column is marked as that of the labels: name it; the columns are ",
        ),
        ({"label": [0.5, 1.5]}, {}, "label: column label holds double, not labels (integers, or names of classes)"),
        ({"image": [1, 2]}, {}, "image: column image holds int64, not images as bytes (or a struct of bytes and path)"),
        ({"label": [None, 1]}, {}, "label: split train: row 0: the label is null"),
        ({"image": [b"x", None]}, {}, "train: {}: row 1: the image is null"),
        (
            {"image": [{"bytes": b"x", "path": None}, {"bytes": None, "path": None}]},
            {},
            "train: {}: row 1: the image is",
        ),
    ],
)
def test_tables_that_cannot_be_trained_on(
    arrow: Any, columns: dict[str, Any], asked: dict[str, str], rule: str, tmp_path: Path
):
    made = {name: None if cells is None else arrow.array(cells) for name, cells in columns.items()}
    path = write_table(tmp_path / "a.parquet", photos(2), **made)
    with pytest.raises(SpecError) as caught:
        rows_of(path, **asked)
    assert str(caught.value).startswith(rule.format(path))


def test_files_that_are_no_parquet_or_lack_a_column(arrow: Any, tmp_path: Path):
    whole = write_table(tmp_path / "a.parquet", photos(2))
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(whole.read_bytes()[:-20])
    with pytest.raises(SpecError, match=rf"^train: {cut} cannot be read as Parquet: Parquet magic bytes not found"):
        rows_of(whole, cut)
    other = write_table(tmp_path / "b.parquet", photos(2), label=None)
    with pytest.raises(SpecError, match=rf"^train: {other} has no column label; its columns are image$"):
        rows_of(whole, other)
