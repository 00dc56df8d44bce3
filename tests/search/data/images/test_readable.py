"""Data sets examined before the first trial: counts of images, files that cannot be decoded, parts of a data set."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from archspec.errors import FieldError, SpecError
from search.data.dataset import Dataset, parse_dataset
from search.data.decoding.pixels import to_rgb
from search.data.images import readable
from search.data.images.readable import damage_of
from search.data.images.summary import summarise
from search.recipe.recipe import parse_recipe
from search.tasks.classification import Classification, ClassificationLesson


def picture(seed: int, side: int = 24) -> Image.Image:
    """An image that resembles no other."""
    levels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    return Image.fromarray(levels).resize((side, side), Image.Resampling.BICUBIC)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Classes ash, oak and yew of 12, 8 and 10 images."""
    for label, count in (("ash", 12), ("oak", 8), ("yew", 10)):
        folder = tmp_path / "trees" / label
        folder.mkdir(parents=True)
        for number in range(count):
            picture(100 * count + number).save(folder / f"{number:02}.jpg")
    return tmp_path / "trees"


def data(path: Path, **options: object) -> Dataset:
    return parse_dataset({"type": "imagefolder", "path": str(path), "resolution": 16, **options})


def notes(path: Path, **options: object) -> list[str]:
    return [line for one in data(path, **options).inputs() for line in one.examine()]


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(SpecError) as caught:
        notes(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestSummary:
    def test_few_classes_are_counted_each(self, images: Path):
        assert notes(images) == [
            f"images in {images}: 30 images of 3 classes: train 24 (ash 10, oak 6, yew 8), "
            "validation 3 (ash 1, oak 1, yew 1), test 3 (ash 1, oak 1, yew 1)"
        ]

    def test_many_are_stated_by_their_range_and_the_smallest(self):
        names = [f"c{number:02}" for number in range(20)]
        said = summarise(names, {"train": [2000 - number for number in range(20)], "test": [50] * 20})
        assert said == (
            "40,810 images of 20 classes: train 39,810 (1,981 to 2,000 of a class, median 1,990.5; fewest: c19 1,981, "
            "c18 1,982, c17 1,983), test 1,000 (50 of each class)"
        )


class TestUnreadable:
    @pytest.fixture
    def damaged(self, images: Path) -> Path:
        for name in ("ash/00", "oak/03", "oak/04", "yew/09"):
            path = images / f"{name}.jpg"
            path.write_bytes(path.read_bytes()[:-100])
        (images / "yew" / "01.jpg").write_bytes(b"no image at all")
        return images

    def test_they_are_refused_by_name_before_anything_is_trained(self, damaged: Path):
        assert refusal(damaged) == (
            f"{damaged}: path: 5 of 30 images cannot be decoded: ash/00.jpg (truncated), oak/03.jpg (truncated), "
            "oak/04.jpg (truncated) and 2 more; repair them or take them away, or leave them out by "
            "unreadable: skip"
        )

    def test_skipped_they_are_named_and_the_splits_stay_what_they_were(self, damaged: Path):
        counted, left_out = notes(damaged, unreadable="skip")
        assert left_out.startswith("5 of 30 images cannot be decoded and are left out: ash/00.jpg (truncated), ")
        assert "yew/01.jpg (no image that Pillow knows)" in left_out
        assert f"images in {damaged}: 25 images of 3 classes: train " in counted
        split = data(damaged, unreadable="skip").load()
        whole = [file for part in (split.train, split.validation, split.test) for file in part.source.files]  # pyright: ignore
        assert len(whole) == 30
        read = [
            len(labels)
            for part in (split.train, split.validation, split.test)
            for _, labels in part.batches(4, seed=0, epoch=0, shuffle=False)
        ]
        assert sum(read) == 25
        assert data(damaged).inputs()[0].digest == data(damaged, unreadable="skip").inputs()[0].digest

    def test_a_class_of_which_nothing_is_left_is_refused(self, images: Path):
        for path in images.glob("oak/*"):
            path.write_bytes(b"")
        assert refusal(images, unreadable="skip") == (
            f"{images}: path: no image for train in class oak that can be decoded"
        )

    @pytest.mark.parametrize("ending", ["jpg", "png", "webp", "gif", "bmp", "tif"])
    def test_of_a_large_set_a_file_without_its_end_is_found(self, tmp_path: Path, ending: str):
        path = tmp_path / f"x.{ending}"
        picture(1).save(path)
        assert damage_of(path, whole=False) == ""
        content = path.read_bytes()
        path.write_bytes(content + b"\0" * 100)  # what others append hides the end, and is no damage
        assert damage_of(path, whole=False) == ""
        path.write_bytes(content[: len(content) // 2])
        assert damage_of(path, whole=False) != ""

    def test_damage_inside_is_found_in_small_sets_alone(self, images: Path, monkeypatch: pytest.MonkeyPatch):
        path = images / "ash" / "big.png"
        picture(5, side=64).save(path)
        content = bytearray(path.read_bytes())
        content[len(content) // 2 : len(content) // 2 + 50] = b"\0" * 50
        path.write_bytes(bytes(content))
        assert "1 of 31 images cannot be decoded: ash/big.png" in refusal(images)
        monkeypatch.setattr(readable, "WHOLE", 0)
        assert len(notes(images)) == 1

    def test_modes_of_every_kind_are_colours(self):
        gray = Image.fromarray((np.arange(16, dtype=np.uint16) * 4096).reshape(4, 4))
        assert np.asarray(to_rgb(gray))[..., 0].ravel().tolist() == [16 * level for level in range(16)]
        for mode in ("1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr"):
            assert to_rgb(picture(2).convert(mode)).mode == "RGB"


class TestSubset:
    def test_training_images_are_taken_away_and_the_other_splits_are_those_of_the_whole(self, images: Path):
        whole, part = data(images).load(), data(images, subset={"per_class": 7}).load()
        for name in ("validation", "test"):
            assert getattr(part, name).source.files == getattr(whole, name).source.files
        files = [one.train.source.files for one in (part, whole, data(images, subset={"per_class": 3}).load())]  # pyright: ignore
        assert set(files[2]) < set(files[0]) < set(files[1])
        counted, *others = notes(images, subset={"per_class": 7})
        assert f"images in {images} (per_class 7): 26 images of 3 classes: train 20 (ash 7, oak 6, yew 7)" in counted
        assert others == ["4 training images are left out, by subset"]

    def test_some_classes_are_the_classes(self, images: Path):
        only = {"only": ["yew", "ash"]}
        assert data(images, subset=only).classes == 2
        counted, *others = notes(images, subset=only, num_classes=2)
        assert "(only yew, ash): 22 images of 2 classes: train 18 (ash 10, yew 8), " in counted
        assert others == ["1 of 3 classes are left out, by subset"]
        assert refusal(images, subset=only, num_classes=3).endswith(
            "num_classes: must be the number of classes of the subset, 2, not 3"
        )
        assert refusal(images, subset={"only": ["yew", "assh"]}) == (
            "subset.only: assh is none of the 3 class folders (did you mean ash?)"
        )
        assert refusal(images, subset={"only": ["yew"]}) == "subset.only: must name at least two classes, not 1"


class TestClassWeights:
    def test_balanced_weights_and_those_named_are_one_on_average(self, images: Path):
        def weights(given: object) -> list[float]:
            found = data(images, class_weights=given).load().train.supervision
            assert isinstance(found, Classification)
            return [] if found.weights is None else list(found.weights)

        assert weights("balanced") == pytest.approx([24 / 30, 24 / 18, 24 / 24])
        assert weights({"oak": 3}) == pytest.approx([24 / 36, 3 * 24 / 36, 24 / 36])
        assert weights(None) == []
        assert refusal(images, class_weights={"ok": 2}) == (
            f"{images}: class_weights: ok is none of the 3 class folders (did you mean oak?)"
        )
        assert "must leave a class that counts" in refusal(images, class_weights={"oak": 0, "ash": 0, "yew": 0})
        for given, field, rule in (
            ({"oak": -1}, "class_weights.oak", "must be a number from 0 to 1000000, not -1"),
            ({1: 2}, "class_weights", "names classes by their folders: 1 must stand in quotes"),
            ("balancd", "class_weights", "must be balanced, or a weight for each class by its name, not 'balancd'"),
        ):
            with pytest.raises(FieldError) as caught:
                data(images, class_weights=given)
            assert (caught.value.field, caught.value.rule) == (field, rule)

    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    def test_the_loss_is_torchs_but_for_its_mean(self, smoothing: float):
        """torch divides by the weights of the batch where labels are numbers; here it is by the number of images."""
        from torch.nn import functional as F

        generator = torch.Generator().manual_seed(0)
        logits, labels = torch.randn(6, 3, generator=generator), torch.tensor([0, 1, 2, 2, 1, 2])
        lesson = ClassificationLesson.__new__(ClassificationLesson)
        recipe = parse_recipe({"label_smoothing": smoothing})
        for name, value in (("_recipe", recipe), ("_weights", (0.5, 2.0, 1.0)), ("_teacher", None)):
            setattr(lesson, name, value)
        target = lesson._target(logits, labels, None, 3)  # pyright: ignore[reportPrivateUsage]
        loss = lesson._loss(logits, target)  # pyright: ignore[reportPrivateUsage]
        weight = torch.tensor([0.5, 2.0, 1.0])
        summed = F.cross_entropy(logits, labels, weight=weight, reduction="sum", label_smoothing=smoothing)
        assert loss.item() == pytest.approx(summed.item() / 6, rel=1e-6)
