"""Tar shards: their index, and what is refused; the rules are those of the package webdataset."""

import io
import pickle
import tarfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from extras import need
from stored_images import NAMES, photos, read_row, write_shard

from archspec.errors import SpecError
from search.data.stored import shards
from search.data.stored.shards import Wanted, open_shards, split_name

WANTED = Wanted(("jpg", "png"), "cls")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARCHSPEC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def tar(path: Path, **members: bytes) -> str:
    with tarfile.open(path, "w") as shard:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            shard.addfile(member, io.BytesIO(data))
    return str(path)


def test_samples_are_those_of_the_library(tmp_path: Path):
    library = need("webdataset.tariterators", "webdataset")
    paths = [str(write_shard(tmp_path / f"{part}.tar", photos(8, part), 8 * part)) for part in range(2)]
    odd = {"__info__": b"x", "dir.with.dots/B.c.PNG": b"1", "dir.with.dots/B.CLS": b"1", "dir.with.dots/.x.png": b""}
    paths.append(tar(tmp_path / "odd.tar", **odd, **{"n": b"", "n" * 150 + ".png": b"2", "n" * 150 + ".cls": b"0"}))
    stored = open_shards({"train": paths}, Wanted(("jpg", "png", "c.png"), "cls"))["train"]
    with ExitStack() as opened:  # its own reader leaves files open
        streams = [{"url": path, "stream": opened.enter_context(open(path, "rb"))} for path in paths]
        samples = [sample for sample in library.group_by_keys(library.tar_file_expander(streams)) if "cls" in sample]
    assert len(samples) == len(stored.images) == 18
    for row, sample in enumerate(samples):
        image = next(sample[ending] for ending in ("jpg", "png", "c.png") if ending in sample)
        assert read_row(stored.images, row) == image
        assert stored.keys is not None
        assert stored.keys[row].decode() == sample["__key__"]
        assert int(stored.labels[row]) == int(sample["cls"])


@pytest.mark.parametrize("name", ["a/b.c.png", "a.b/c", "a.b/c.d", ".hidden", "a.b.c", "é/ü.jpg"])
def test_keys_end_where_the_library_has_them_end(name: str):
    key, ending = need("webdataset.tariterators", "webdataset").base_plus_ext(name)
    assert split_name(name) == (key or "", ending or "")


def test_hidden_files_are_no_samples(tmp_path: Path):
    path = tar(tmp_path / "a.tar", **{"set/._1.png": b"fork", "set/1.png": b"", "set/1.cls": b"0"})
    assert len(open_shards({"train": [path]}, WANTED)["train"].images) == 1


def test_the_index_is_kept_until_the_shard_changes(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_shard(tmp_path / "a.tar", photos(8))
    first = open_shards({"train": [str(path)]}, WANTED)["train"]
    (kept,) = cache.glob("shards/*.json")
    reads: list[str] = []
    read = shards.read_samples
    monkeypatch.setattr(shards, "read_samples", lambda *given: reads.append(given[0]) or read(*given))  # pyright: ignore
    again = open_shards({"train": [str(path)]}, WANTED)["train"]
    assert not reads
    assert [read_row(again.images, row) for row in range(8)] == [read_row(first.images, row) for row in range(8)]
    kept.write_bytes(kept.read_bytes()[:-9])
    open_shards({"train": [str(path)]}, WANTED)
    assert reads == [str(path)]  # a damaged index is made anew
    write_shard(path, photos(10))
    assert len(open_shards({"train": [str(path)]}, WANTED)["train"].images) == 10


def test_labels_are_integers_names_or_a_field_of_json(tmp_path: Path):
    path = write_shard(
        tmp_path / "a.tar",
        photos(4),
        txt=lambda photo: f"{NAMES[photo.label]}\n".encode(),
        json=lambda photo: b'{"a": {"b": %d}, "c": "x%d"}' % (photo.label, photo.label),
    )
    for label, expected in (("cls", [0, 1, 0, 1]), ("txt", ["dark", "light"] * 2), ("json.a.b", [0, 1, 0, 1])):
        assert list(open_shards({"train": [str(path)]}, Wanted(("jpg", "png"), label))["train"].labels) == expected
    assert open_shards({"train": [str(path)]}, Wanted(("png",), "json.c"))["train"].labels == ["x0", "x1"] * 2


def test_it_travels_to_other_processes(tmp_path: Path):
    stored = open_shards({"train": [str(write_shard(tmp_path / "a.tar", photos(3)))]}, WANTED)["train"]
    other = pickle.loads(pickle.dumps(stored.images))
    assert read_row(other, 2) == photos(3)[2].data
    assert other.name(2) == f"{tmp_path}/a.tar: sample set/0002"


@pytest.mark.parametrize(
    ("members", "label", "rule"),
    [
        ({"a.png": b"", "b.png": b"", "a.cls": b"0"}, "cls", "sample a has no label (cls); it has png"),
        ({"a.gif": b"", "a.cls": b"0"}, "cls", "sample a has no image (jpg, png); it has gif, cls"),
        ({"a.png": b"", "a.PNG": b"", "a.cls": b"0"}, "cls", "sample a has two members that end in .png"),
        ({"a.png": b"", "a.cls": b" "}, "cls", "sample a: no label in .cls: it is empty"),
        ({"a.png": b"", "a.json": b"{}"}, "json.x", "sample a: no label in .json: it has no field x"),
        ({"a.png": b"", "a.json": b"{"}, "json.x", "sample a: no label in .json: Expecting property name"),
        (
            {"a.png": b"", "a.json": b'{"x": 1.5}'},
            "json.x",
            "sample a: no label in .json: its field x is 1.5, no integ",
        ),
    ],
)
def test_samples_that_lack_something_are_named(members: dict[str, bytes], label: str, rule: str, tmp_path: Path):
    path = tar(tmp_path / "a.tar", **members)
    with pytest.raises(SpecError) as caught:
        open_shards({"validation": [path]}, Wanted(("jpg", "png"), label))
    assert str(caught.value).startswith(f"validation: {path}: {rule}")


def test_shards_that_are_cut_damaged_or_compressed_are_refused(tmp_path: Path):
    whole = write_shard(tmp_path / "a.tar", photos(6)).read_bytes()
    half = tmp_path / "half.tar"
    half.write_bytes(whole[: len(whole) // 4])
    damaged = tmp_path / "damaged.tar"
    second = 512 + -(-len(photos(1)[0].data) // 512) * 512 + 1024  # behind an image and its label
    damaged.write_bytes(whole[:second] + b"?" * 512 + whole[second + 512 :])
    squeezed = tmp_path / "a.tar.gz"
    with tarfile.open(squeezed, "w:gz") as shard:
        shard.add(tmp_path / "a.tar", "a.png")
    (tmp_path / "empty.tar").touch()
    for path, said in (
        (half, "unexpected end of data"),
        (damaged, f"bad header at byte {second}"),
        (squeezed, ".*; compressed ones cannot be read in any order"),
        (tmp_path / "empty.tar", "empty file"),
    ):
        with pytest.raises(SpecError, match=f"^train: {path} cannot be read as a plain tar file: {said}$"):
            open_shards({"train": [str(path)]}, WANTED)
