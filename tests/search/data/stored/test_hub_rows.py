"""Hugging Face's data sets: saved to disk, in files, in the cache of earlier downloads, and never from the network."""

import pickle
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from extras import need
from stored_images import photos, read_row, saved

from archspec.errors import SpecError
from search.data.dataset import Dataset, parse_dataset
from search.data.stored.hub_rows import HubRows, open_hub

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    datasets = need("datasets", "hf")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hub")
    datasets.disable_progress_bars()
    return datasets


def hf(path: Path | str, **options: Any) -> Dataset:
    return parse_dataset({"type": "hf", "path": str(path), "resolution": 32, **options})


def cache_set(root: Path, name: str, config: str = "default") -> None:
    """Put a data set into the cache as a download leaves it there; it is of two splits."""
    datasets = need("datasets", "hf")
    (root / "files").mkdir()
    for split, number in (("train", 20), ("validation", 4)):
        saved(photos(number)).to_parquet(str(root / "files" / f"{split}.parquet"))
    datasets.load_dataset(str(root / "files"))
    (made,) = (root / "hub").glob("files/default/0.0.0/*/")
    home = root / "hub" / "_".join(name.replace("/", "___").split("_" * 9)) / config / "0.0.0" / COMMIT
    shutil.copytree(made, home)
    for file in home.glob("files-*.arrow"):
        file.rename(home / file.name.replace("files", name.partition("/")[2]))
    info = (home / "dataset_info.json").read_text().replace('"dataset_name": "files"', '"dataset_name": "tiny"')
    (home / "dataset_info.json").write_text(info.replace('"config_name": "default"', f'"config_name": "{config}"'))


class TestOpening:
    def test_saved_to_disk(self, library: Any, tmp_path: Path):
        found = photos(20)
        library.DatasetDict({"train": saved(found), "test": saved(found[:4])}).save_to_disk(tmp_path / "set")
        splits = open_hub(str(tmp_path / "set"), None, None)
        rows = HubRows(splits["test"], "image", "test")
        assert [read_row(rows, row) for row in (3, 0)] == [found[3].data, found[0].data]
        assert read_row(pickle.loads(pickle.dumps(rows)), 2) == found[2].data
        assert len(pickle.dumps(rows)) < 4000  # the data set travels as a path
        saved(found).save_to_disk(tmp_path / "one")
        assert list(open_hub(str(tmp_path / "one"), None, None)) == ["train"]

    def test_files(self, tmp_path: Path):
        (tmp_path / "set").mkdir()
        saved(photos(6)).to_parquet(str(tmp_path / "set" / "train.parquet"))
        for path in (tmp_path / "set", tmp_path / "set" / "train.parquet"):
            splits = open_hub(str(path), None, None)
            assert read_row(HubRows(splits["train"], "image", "train"), 5) == photos(6)[5].data

    def test_images_whose_files_stand_beside(self, tmp_path: Path):
        for photo, name in zip(photos(4), "abcd", strict=True):
            folder = tmp_path / "set" / "train" / str(photo.label)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.{photo.ending}").write_bytes(photo.data)
        data = hf(tmp_path / "set")
        splits = open_hub(data.path, None, None)  # pyright: ignore[reportAttributeAccessIssue]
        assert read_row(HubRows(splits["train"], "image", "train"), 0) == photos(4)[0].data

    def test_what_was_fetched_before(self, tmp_path: Path):
        cache_set(tmp_path, "owner/tiny")
        data = hf("owner/tiny", revision=COMMIT[:9])
        assert data.classes == 2
        (found,) = data.inputs()
        assert found.counts == {"train": 18, "validation": 2, "test": 4}  # `validation` is the test
        assert found.items["commit"] == COMMIT
        with pytest.raises(
            SpecError, match=rf"^revision: the cache holds commit {COMMIT} of owner/tiny, not 1234567; f"
        ):
            hf("owner/tiny", revision="1234567").load()
        with pytest.raises(SpecError, match=r"^config: Couldn't find cache for owner/tiny for config 'x' Available"):
            hf("owner/tiny", config="x").load()


class TestRefusals:
    def test_nothing_is_fetched_and_nobody_waits(self, library: Any):
        begun = time.perf_counter()
        with pytest.raises(SpecError) as caught:
            hf("nobody/nothing", config="small").load()
        assert time.perf_counter() - begun < 5  # retries of the library take half a minute
        fetch = "datasets.load_dataset('nobody/nothing', name='small')"
        assert str(caught.value) == (
            "path: nobody/nothing is no folder, and not in the cache of Hugging Face's data sets; a run fetches "
            f'nothing: fetch it once by python -c "import datasets; {fetch}", or name a folder'
        )
        assert not library.config.HF_HUB_OFFLINE  # as it was

    @pytest.mark.parametrize(
        ("options", "rule"),
        [
            ({"path": "./nowhere"}, "path: must be a folder, a file or the name of a data set, ./nowhere is not there"),
            ({"path": "hf://datasets/x"}, "path: hf://datasets/x is not on a local disk (hf:), from which images are"),
            ({"path": "{}/a.csv"}, "path: a file must end in .parquet or .arrow, not a.csv"),
            ({"config": "x"}, "config: {}/set was saved to disk, without configurations"),
            ({"revision": "1234567"}, "revision: {}/set is local and has no revision"),
            ({"test": "tests"}, "test: no split is called tests (did you mean test?); the splits are train, test"),
            ({"train": "test", "test": "test"}, "train: two splits cannot be the same, test"),
            ({"path": "{}/none"}, "path: {}/none cannot be read by datasets: it, or a split of it, has no images"),
            ({"image": "x"}, "image: no column is called x; the columns are image, label"),
            ({"label": "image"}, "label: column image holds struct<bytes: binary, path: string>, not labels ("),
            ({"num_classes": 5}, "num_classes: must be the number of classes, 2, not 5"),
        ],
    )
    def test_bad_options(self, library: Any, options: dict[str, Any], rule: str, tmp_path: Path):
        library.DatasetDict({"train": saved(photos(20)), "test": saved(photos(4))}).save_to_disk(tmp_path / "set")
        saved([]).save_to_disk(tmp_path / "none")
        (tmp_path / "a.csv").touch()
        made = {"path": "{}/set", "validation": 0.1} | options
        given = {name: value.format(tmp_path) if isinstance(value, str) else value for name, value in made.items()}
        with pytest.raises(SpecError) as caught:
            parse_dataset({"type": "hf", **given}).load()
        assert str(caught.value).startswith(rule.format(tmp_path))
        assert "\n" not in str(caught.value)

    def test_rows_without_an_image_and_several_columns(self, library: Any, tmp_path: Path):
        empty = saved(photos(20)).to_list()
        empty[7]["image"] = None
        library.Dataset.from_list(empty, saved([]).features).save_to_disk(tmp_path / "empty")
        with pytest.raises(SpecError, match=r"^image: split train: row 7: the image is null$"):
            hf(tmp_path / "empty").load()
        double = saved(photos(20))
        double = double.add_column("fine", double["label"]).cast_column("fine", double.features["label"])
        double.save_to_disk(tmp_path / "double")
        with pytest.raises(
            SpecError, match=r"^label: 2 columns may be meant, label, fine as that of the labels: name i"
        ):
            hf(tmp_path / "double").load()
        assert hf(tmp_path / "double", label="fine").classes == 2

    def test_a_folder_that_the_library_cannot_read(self, tmp_path: Path):
        (tmp_path / "set").mkdir()
        (tmp_path / "set" / "train.parquet").write_text("no table")
        with pytest.raises(SpecError, match=rf"^path: {tmp_path}/set cannot be read by datasets: "):
            hf(tmp_path / "set").load()


def test_content_is_told_by_images_and_labels_and_not_by_files(library: Any, tmp_path: Path):
    found = photos(20)
    saved(found).save_to_disk(tmp_path / "a")
    (first,) = hf(tmp_path / "a").inputs()
    shutil.rmtree(tmp_path / "a")
    saved(found).save_to_disk(tmp_path / "a", num_shards=2)
    assert hf(tmp_path / "a").inputs()[0].digest == first.digest
    for changed in ([*found[:-1], found[-3]], [*found[:-1], found[-1]._replace(label=0)], found[:-1]):
        shutil.rmtree(tmp_path / "a")
        saved(changed).save_to_disk(tmp_path / "a")
        assert hf(tmp_path / "a").inputs()[0].digest != first.digest
