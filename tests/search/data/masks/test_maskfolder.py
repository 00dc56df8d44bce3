"""Folders of images and masks: layouts, what is refused by name, and the same change to both."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from archspec.errors import FieldError, RunError, SpecError
from search.data.dataset import Dataset, parse_dataset
from search.data.images.source import FileSource
from search.data.masks.indices import MaskReading
from search.data.masks.split import MaskSplit, SceneFraming
from search.recipe.recipe import parse_recipe

LEVELS = np.array([30, 120, 220], np.uint8)
"""Gray level of each class: what an image shows says what its mask must be."""


def scene(seed: int, width: int = 40, height: int = 30) -> tuple[Image.Image, Image.Image]:
    """Blocks of three classes, and their mask."""
    blocks = Image.fromarray(np.random.default_rng(seed).integers(0, 3, (3, 4)).astype(np.uint8))
    mask = blocks.resize((width, height), Image.Resampling.NEAREST)
    return Image.fromarray(LEVELS[np.asarray(mask)]).convert("RGB"), mask


def save(root: Path, image: str, mask: str, seed: int, mode: str = "L") -> None:
    picture, labels = scene(seed)
    for name, one in ((image, picture), (mask, labels)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if name == mask and mode == "P":
            one.putpalette([7, 200, 3, 90, 90, 90, 1, 2, 3])
        one.save(root / name)


@pytest.fixture
def rooms(tmp_path: Path) -> Path:
    """Twenty images and masks without splits, some of them with a palette."""
    for number in range(20):
        save(tmp_path, f"images/{number:02}.png", f"masks/{number:02}.png", number, "LP"[number % 2])
    return tmp_path


def data(path: Path, **options: object) -> Dataset:
    return parse_dataset({"type": "maskfolder", "path": str(path), "resolution": 24, "num_classes": 3} | options)


def sizes(dataset: Dataset) -> list[int]:
    splits = dataset.load()
    return [len(part) for part in (splits.train, splits.validation, splits.test)]


def notes(path: Path, **options: object) -> list[str]:
    return [line for one in data(path, **options).inputs() for line in one.examine()]


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(SpecError) as caught:
        notes(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestLayouts:
    def test_without_splits_they_are_carved_out_by_hash(self, rooms: Path):
        assert sizes(data(rooms)) == [16, 2, 2]
        assert notes(rooms)[0].startswith(
            f"images and masks in {rooms}: 20 images with masks of 3 classes: train 16 (0 in 16, 1 in 1"
        )

    def test_folders_of_splits_are_kept_as_ade20k_has_them(self, tmp_path: Path):
        for split, count in (("training", 6), ("validation", 3)):
            for number in range(count):
                save(tmp_path, f"images/{split}/{number}.png", f"annotations/{split}/{number}.png", 10 * count + number)
        (tmp_path / "images" / "testing").mkdir()
        scene(99)[0].save(tmp_path / "images" / "testing" / "t.png")
        assert sizes(data(tmp_path)) == [5, 1, 3]  # the validation images are the test, as in folders of classes
        assert "1 image in testing is left out, without masks" in notes(tmp_path)

    def test_the_lists_of_pascal_voc_say_the_splits(self, tmp_path: Path):
        for number in range(8):
            save(tmp_path, f"JPEGImages/{number}.jpg", f"SegmentationClass/{number}.png", number, "P")
        lists = tmp_path / "ImageSets" / "Segmentation"
        lists.mkdir(parents=True)
        (lists / "train.txt").write_text("0\n1\n2\n3\n")
        (lists / "val.txt").write_text("5\n6\n")
        splits = data(tmp_path, validation=0.25).load()
        assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [3, 1, 2]
        assert splits.test.source.files == ["JPEGImages/5.jpg", "JPEGImages/6.jpg"]  # pyright: ignore
        (lists / "val.txt").write_text("5\n9\n")
        assert refusal(tmp_path) == f"{lists}/val.txt: path: no image or no mask for 1 name: 9"

    def test_what_is_missing_is_named(self, rooms: Path, tmp_path: Path):
        (rooms / "masks" / "03.png").unlink()
        assert refusal(rooms) == (f"{rooms}: path: no mask of the same name in masks for 1 image: images/03.png")
        scene(3)[1].save(rooms / "masks" / "03.jpg")
        assert "masks must be lossless (.png, .bmp, .gif, .tif, .tiff), not masks/03.jpg" in refusal(rooms)
        (rooms / "masks").rename(rooms / "other")
        assert "must hold a folder of masks: masks, annotations, labels or SegmentationClass" in refusal(rooms)
        assert "is not there" in refusal(rooms / "nowhere")


class TestMasks:
    def test_another_size_colours_and_a_class_too_many_are_refused_by_name(self, rooms: Path):
        assert refusal(rooms, num_classes=2).startswith(f"{rooms}: path: ")
        assert "mask has class 2, and num_classes: 2 is 0 to 1" in refusal(rooms, num_classes=2)
        scene(1, width=41)[1].save(rooms / "masks" / "01.png")
        assert refusal(rooms) == (
            f"{rooms}: path: 1 mask does not fit: masks/01.png: mask has 41x30 pixels, and its image 40x30"
        )
        splits = data(rooms, unreadable="skip").load()
        parts = (splits.train, splits.validation, splits.test)
        (held,) = (part for part in parts if "images/01.png" in part.source.files)  # pyright: ignore
        with pytest.raises(RunError, match=r"images/01.png: mask has 41x30 pixels, and its image 40x30$"):
            list(held.batches(4, seed=0, epoch=0, shuffle=False))
        scene(1)[0].save(rooms / "masks" / "01.png")
        assert "masks/01.png: mask must hold class indices (a palette or gray), not RGB colours" in refusal(rooms)

    def test_damaged_ones_are_refused_or_left_out_with_their_images(self, rooms: Path):
        path = rooms / "masks" / "02.png"
        path.write_bytes(path.read_bytes()[:60])
        assert "1 of 40 images cannot be decoded: masks/02.png (" in refusal(rooms)
        counted, *others = notes(rooms, unreadable="skip")
        assert ": 19 images with masks of 3 classes" in counted
        assert "1 of 40 images cannot be decoded and are left out: masks/02.png" in others[0]
        splits = data(rooms, unreadable="skip").load()
        read = [
            len(masks)
            for part in (splits.train, splits.validation, splits.test)
            for _, masks in part.batches(4, seed=0, epoch=0, shuffle=False)
        ]
        assert sum(read) == 19

    def test_zero_may_be_no_class(self, rooms: Path):
        plain, reduced = data(rooms).load().test, data(rooms, reduce_zero=True, num_classes=2).load().test
        (one,), (other,) = (list(part.batches(4, seed=0, epoch=0, shuffle=False)) for part in (plain, reduced))
        assert torch.equal(other[1], torch.where(one[1] == 0, 255, one[1] - 1))
        assert "mask has class 2, and num_classes: 2 is 0 to 1" in refusal(rooms, num_classes=2)
        assert len(notes(rooms, reduce_zero=True, num_classes=2)) == 1

    def test_what_recipes_do_to_images_alone_is_refused(self, rooms: Path):
        with pytest.raises(
            FieldError,
            match=r"^color_jitter: must be 0, not 0.4: data set maskfolder does not augment",
        ):
            data(rooms).check_recipe(parse_recipe({"color_jitter": 0.4}))
        with pytest.raises(FieldError, match=r"^scales: must be smallest and largest, not 2 and 0.5$"):
            data(rooms, scales=[2, 0.5])


class TestChanges:
    @pytest.fixture
    def source(self, tmp_path: Path) -> FileSource:
        for number in range(6):
            picture, mask = scene(number, width=80, height=64)
            picture.save(tmp_path / f"{number}.png")
            mask.save(tmp_path / f"m{number}.png")
        return FileSource(tmp_path, [f"{n}.png" for n in range(6)], [0] * 6, [f"m{n}.png" for n in range(6)])

    def test_image_and_mask_are_scaled_cut_and_mirrored_together(self, source: FileSource):
        split = MaskSplit(source, SceneFraming(32, 1, (0.5, 2), True), MaskReading(3))
        levels = (torch.from_numpy(LEVELS).float() / 255 - 0.485) / 0.229
        seen: set[int] = set()
        for epoch in range(6):
            for images, masks in split.batches(6, seed=0, epoch=epoch, shuffle=False, augment=True):
                known = masks != 255
                nearest = (images[:, 0, ..., None] - levels).abs().argmin(-1)
                assert (nearest == masks)[known].float().mean() > 0.85  # but for the blocks' blurred borders
                assert images[:, 0][~known].abs().max().item() < 0.01 if (~known).any() else True
                seen.update(known.flatten(1).sum(1).tolist())
        assert min(seen) < 32 * 32 // 2  # images that are smaller than the square
        assert max(seen) == 32 * 32

    def test_scored_is_the_centre_square_and_nothing_is_unknown(self, source: FileSource):
        split = MaskSplit(source, SceneFraming(64, 1, (0.5, 2), True), MaskReading(3))
        ((_, masks),) = split.batches(6, seed=0, epoch=0, shuffle=False)
        assert torch.equal(masks[0], torch.from_numpy(np.array(scene(0, 80, 64)[1]))[:, 8:72].long())

    def test_processes_change_nothing(self, source: FileSource):
        plain = MaskSplit(source, SceneFraming(24, 1, (0.5, 2), True), MaskReading(3))
        helped = plain.configured(parse_recipe({}), torch.device("cpu"))
        for epoch in range(2):
            options = {"seed": 3, "epoch": epoch, "shuffle": True, "augment": True}
            pairs = zip(plain.batches(3, **options), helped.batches(3, **options, workers=1), strict=True)  # pyright: ignore
            for (images, masks), (others, beside) in pairs:
                assert torch.equal(images, others)
                assert torch.equal(masks, beside)
                assert masks.dtype == torch.int64


def test_a_split_whose_masks_label_nothing_is_refused(rooms: Path):
    for number in range(20):
        Image.new("L", (40, 30), 255).save(rooms / "masks" / f"{number:02}.png")
    assert refusal(rooms) == f"{rooms}: path: no mask for train labels a pixel: all of them are ignored"
