"""Folders of images as users have them: links, loops, odd names, leftovers, empty classes, repeated images."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.errors import SpecError
from search.data.dataset import Dataset, parse_dataset
from search.data.images.files import list_images
from search.data.images.same import PlacedImage, find_same


def picture(seed: int, side: int = 40) -> Image.Image:
    """An image that resembles no other."""
    levels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    return Image.fromarray(levels).resize((side, side), Image.Resampling.BICUBIC)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two classes of six images each."""
    for number in range(12):
        folder = tmp_path / "set" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        picture(number).save(folder / f"{number:03}.png")
    return tmp_path / "set"


def data(path: Path, **options: object) -> Dataset:
    return parse_dataset({"type": "imagefolder", "path": str(path), "resolution": 32, **options})


def sizes(dataset: Dataset) -> list[int]:
    splits = dataset.load()
    return [len(part) for part in (splits.train, splits.validation, splits.test)]


def refusal(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        data(path).load()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def notes(path: Path) -> list[str]:
    """What a run says at its start beside the number of images."""
    counted, *others = [line for one in data(path).inputs() for line in one.examine()]
    assert counted.startswith(f"images in {path}: ")
    return others


class TestLinks:
    def test_a_link_to_its_own_folder_or_one_around_it_adds_nothing(self, images: Path):
        assert sizes(data(images)) == [8, 2, 2]
        (images / "a" / "loop").symlink_to(".", target_is_directory=True)
        (images / "a" / "up").symlink_to("..", target_is_directory=True)
        (images / "b" / "itself").symlink_to("itself")
        (images / "b" / "itself").unlink()
        assert sizes(data(images)) == [8, 2, 2]

    def test_two_links_that_lead_to_one_another_end(self, images: Path):
        for number in range(12):  # entered anew behind each link, they would be 2 to the power of 12 folders
            (images / "a" / f"x{number}").symlink_to("../../beside", target_is_directory=True)
        beside = images.parent / "beside"
        beside.mkdir()
        picture(50).save(beside / "more.png")
        for number in range(12):
            (beside / f"y{number}").symlink_to("../set/a", target_is_directory=True)
        assert len(list_images(images, "a").images) == 7

    def test_a_file_with_two_names_counts_once(self, images: Path):
        os.link(images / "a" / "000.png", images / "a" / "hard.png")
        (images / "a" / "soft.png").symlink_to("002.png")
        paths = [image.path for image in list_images(images, "a").images]
        assert paths == [f"a/{number:03}.png" for number in range(0, 12, 2)]

    def test_links_to_images_elsewhere_are_images(self, images: Path):
        (images / "a").rename(images.parent / "store")
        (images / "a").mkdir()
        for file in sorted((images.parent / "store").iterdir()):
            (images / "a" / file.name).symlink_to(file)
        assert sizes(data(images)) == [8, 2, 2]

    def test_links_that_lead_nowhere_are_named(self, images: Path):
        (images / "a" / "gone.png").symlink_to("nowhere.png")
        (images / "b" / "itself").symlink_to("itself")
        assert refusal(images) == f"{images}: path: a link leads nowhere: a/gone.png"
        (images / "a" / "gone.png").unlink()
        assert refusal(images) == f"{images}: path: a link leads nowhere: b/itself"

    def test_one_file_in_two_classes_or_splits_is_refused_with_both_names(self, images: Path):
        (images / "b" / "x").symlink_to("../a", target_is_directory=True)
        assert refusal(images) == (
            "path: one file stands in two classes or splits: a/000.png and b/x/000.png, and 5 more such files; take "
            "the link away, or copy the file if it is meant"
        )
        (images / "b" / "x").unlink()
        for label in "ab":
            (images / "train").mkdir(exist_ok=True)
            (images / label).rename(images / "train" / label)
        (images / "val").symlink_to("train", target_is_directory=True)
        assert "stands in two classes or splits: train/a/000.png and val/a/000.png" in refusal(images)


class TestClasses:
    def test_a_class_folder_without_images_is_named_whatever_asks(self, images: Path):
        (images / "c").mkdir()
        (images / "c" / "readme.txt").write_text("x")
        assert refusal(images) == f"path: class folder c holds no image (in {images})"
        with pytest.raises(SpecError, match="class folder c holds no image"):
            assert data(images).classes

    def test_leftovers_of_systems_are_no_classes_and_no_images(self, images: Path):
        for name in (".ipynb_checkpoints", "__MACOSX", ".git", "@eaDir"):
            (images / name).mkdir()
            (images / "a" / name).mkdir()
            picture(9).save(images / "a" / name / "old.png")
        assert data(images).classes == 2
        assert sizes(data(images)) == [8, 2, 2]

    def test_endings_count_in_any_case_and_others_are_left_out_and_told(self, images: Path):
        (images / "a" / "000.png").rename(images / "a" / "000.PNG")
        for name in ("notes.txt", "more.TXT", "photo.heic"):
            (images / "b" / name).write_text("x")
        picture(99).save(images / "stray.png")
        assert sizes(data(images)) == [8, 2, 2]
        assert notes(images) == [
            f"1 image stands in {images} outside the class folders, and left out",
            "3 files are left out: no images by the ending of the name (.txt 2, .heic 1)",
        ]

    def test_classes_of_one_split_alone_are_named_with_their_side(self, images: Path):
        for part in ("train", "val"):
            for label in "ab":
                (images / part / label).mkdir(parents=True)
        for label in "ab":
            for number, file in enumerate(sorted((images / label).iterdir())):
                file.rename(images / ("train", "val")[number % 2] / label / file.name)
            (images / label).rmdir()
        (images / "extra").mkdir()
        assert notes(images) == ["beside train, what is in extra is left out"]
        (images / "val" / "b").rename(images / "val" / "c")
        assert refusal(images).endswith("must have the same classes; only in train: b; only in val: c")

    def test_splits_without_class_folders_are_not_taken_for_classes(self, images: Path):
        (images / "a").rename(images / "train")
        (images / "b").rename(images / "val")
        rule = "holds train, val, but no class folders where splits have them: train/<class>/, and val and test in"
        assert rule in refusal(images)

    def test_a_folder_that_cannot_be_read_is_named(self, images: Path, monkeypatch: pytest.MonkeyPatch):
        scan = os.scandir

        def refuse(path: str):
            if str(path).endswith("deeper"):
                raise PermissionError(13, "Permission denied", str(path))
            return scan(path)

        (images / "a" / "deeper").mkdir()
        monkeypatch.setattr(os, "scandir", refuse)
        assert refusal(images) == f"{images}/a/deeper: path: folder cannot be read: Permission denied"

    def test_names_that_are_not_utf8_work(self, images: Path):
        odd = os.fsencode(images / "b") + b"/caf\xe9.png"
        os.rename(os.fsencode(images / "b" / "001.png"), odd)
        os.rename(os.fsencode(images / "a"), os.fsencode(images) + b"/\xff")
        assert sizes(data(images)) == [8, 2, 2]
        images_read = list(data(images).load().train.batches(4, seed=0, epoch=0, shuffle=False))
        assert sum(len(labels) for _, labels in images_read) == 8
        assert len(data(images).inputs()[0].digest) == 16
        (Path(os.fsdecode(os.fsencode(images) + b"/empty\xff"))).mkdir()
        assert "class folder empty\\udcff holds no image" in refusal(images)


class TestSameImages:
    def test_images_in_two_splits_or_classes_are_told_with_examples(self, images: Path):
        assert notes(images) == []
        (images / "train").mkdir()
        for label in "ab":
            (images / label).rename(images / "train" / label)
            (images / "test" / label).mkdir(parents=True)
        picture(70).save(images / "test" / "b" / "own.png")
        picture(71).save(images / "test" / "a" / "own.png")
        (images / "test" / "a" / "copy.png").write_bytes((images / "train" / "a" / "000.png").read_bytes())
        picture(2, side=64).save(images / "test" / "a" / "again.jpg", quality=90)
        (images / "train" / "b" / "twin.png").write_bytes((images / "train" / "a" / "004.png").read_bytes())
        assert notes(images) == [
            "1 image is the same in two splits: train/a/000.png (validation) and test/a/copy.png (test)",
            "1 image is the same in two classes: train/a/004.png (train) and train/b/twin.png (train)",
            "1 image is nearly the same in two splits: train/a/002.png (train) and test/a/again.jpg (test)",
        ]

    def test_images_that_show_nothing_and_files_that_are_no_images_are_not_compared(self, tmp_path: Path):
        for number, name in enumerate(("a.png", "b.png")):
            Image.new("RGB", (20, 20), (number, 0, 0)).save(tmp_path / name)
        (tmp_path / "c.png").write_text("no image")
        placed = [
            PlacedImage(name, split, 0) for name, split in (("a.png", "train"), ("b.png", "test"), ("c.png", "test"))
        ]
        assert find_same(tmp_path, placed, {"a.png": 1, "b.png": 2, "c.png": 3}) == []

    def test_unlike_images_are_told_apart(self, tmp_path: Path):
        rng = random.Random(0)
        placed: list[PlacedImage] = []
        for number in range(60):
            picture(number, side=rng.choice((24, 40, 64))).save(tmp_path / f"{number}.png")
            placed.append(PlacedImage(f"{number}.png", ("train", "test")[number % 2], 0))
        assert find_same(tmp_path, placed, {image.path: index for index, image in enumerate(placed)}) == []
