"""Data sets: configuration, determinism, disjoint splits, and images from disk."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import BaseModel
from torch import Tensor

import search.plugins
from archspec.documents.reader import Document
from archspec.errors import FieldError, RunError, SpecError
from archspec.loader import parse
from archspec.spec.schema import ArchSpec
from search.data.cluttered_digits_source import Scene, compose, compose_pairs
from search.data.dataset import AnyDataset, Dataset, DatasetSplit, batch_indices, find_dataset, parse_dataset
from search.data.digits_source import Digits, load_sources
from search.identity import identity

SMALL = {"type": "cluttered_digits", "train": 150, "validation": 100, "test": 100}


def read(split: DatasetSplit, batch_size: int = 32, **changes: object) -> tuple[Tensor, Tensor]:
    options = {"seed": 0, "epoch": 0, "shuffle": False} | changes
    images, labels = zip(*split.batches(batch_size, **options), strict=True)  # pyright: ignore[reportArgumentType]
    return torch.cat(images), torch.cat(labels)


class TestConfiguration:
    def test_every_file_is_one_data_set_with_its_name_as_tag(self):
        tags = search.plugins.tags("search.datasets", "archspec.datasets")
        assert tags[:4] == ["cluttered_digits", "digit_scenes", "digits", "hf"]
        assert tags[4:] == ["imagefolder", "maskfolder", "parquet", "webdataset"]
        for tag in tags:
            kind = find_dataset(tag)
            assert kind.model_fields["type"].default == tag
            assert all(field.description for name, field in kind.model_fields.items() if name != "type")

    def test_the_metadata_of_installed_packages_is_read_once(self, monkeypatch: pytest.MonkeyPatch):
        parse_dataset("digits")

        def again(**_: object) -> None:
            raise AssertionError("read again")

        monkeypatch.setattr(search.plugins, "entry_points", again)
        assert parse_dataset("digits").type == "digits"

    def test_round_trip_through_a_field(self):
        class Holder(BaseModel):
            data: AnyDataset

        given = parse_dataset({"type": "digits", "resolution": 16})
        assert Holder.model_validate({"data": given.model_dump()}).data == given
        assert Holder.model_validate_json(Holder(data=given).model_dump_json()).data == given
        assert Holder.model_validate({"data": "digits"}).data.resolution == 64

    @pytest.mark.parametrize(
        ("raw", "field", "rule"),
        [
            ("digit", "type", "digits"),
            ({"resolution": 64}, "type", "the data set needs its name, type: NAME; it has resolution"),
            (3, "", "mapping"),
            ({"type": "digits", "resolutoin": 3}, "resolutoin", "resolution"),
            ({"type": "digits", "resolution": 7}, "resolution", "8"),
            ({"type": "cluttered_digits", "resolution": 32}, "resolution", "64"),
            ({"type": "cluttered_digits", "smallest": 0.6, "largest": 0.4}, "", "smallest 0.6 must not exceed"),
            ({"type": "cluttered_digits", "resolution": 1024, "train": 10**6}, "", "GiB"),
            ({"type": "cluttered_digits", "pairs": 1}, "", "pairs must be at least 2, or 0"),
            ({"type": "cluttered_digits", "pairs": 101}, "pairs", "100"),
            ({"type": "cluttered_digits", "pairs": 20}, "", "largest must be at most 0.43 with pairs"),
            ({"type": "imagefolder"}, "path", "required"),
            ({"type": "imagefolder", "path": "x", "validation": 0.5, "test": 0.5}, "validation", "0.45"),
        ],
    )
    def test_bad_options_name_field_and_rule(self, raw: object, field: str, rule: str):
        with pytest.raises(FieldError) as caught:
            parse_dataset(raw)
        assert caught.value.field == field
        assert rule in caught.value.rule
        assert "\n" not in caught.value.rule

    def test_configuration_needs_neither_torch_nor_sklearn(self):
        code = (
            "import sys; from search.data.dataset import parse_dataset; import search.recipe.recipe\n"
            "for raw in ('digits', 'cluttered_digits', {'type': 'imagefolder', 'path': 'x'}): parse_dataset(raw)\n"
            "print(sorted({'torch', 'sklearn', 'PIL'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"

    def test_without_sklearn_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
        with pytest.raises(RunError, match=r"pip install 'archspec-vision\[data\]'"):
            parse_dataset("digits").load()


class TestBatches:
    def test_even_batches_cover_everything_once(self):
        parts = list(batch_indices(70, 32, seed=1, epoch=0, shuffle=True))
        assert [len(part) for part in parts] == [24, 23, 23]
        assert sorted(torch.cat(parts).tolist()) == list(range(70))

    def test_order_is_a_function_of_seed_and_epoch(self):
        def order(seed: int, epoch: int) -> list[int]:
            return torch.cat(list(batch_indices(50, 8, seed=seed, epoch=epoch, shuffle=True))).tolist()

        torch.manual_seed(1)
        first = order(3, 4)
        torch.manual_seed(2)
        assert order(3, 4) == first
        assert order(3, 5) != first
        assert order(4, 4) != first

    def test_augmentation_does_not_touch_the_global_generator(self):
        split = parse_dataset("digits").load().validation
        state = torch.get_rng_state()
        read(split, shuffle=True, augment=True)
        assert torch.equal(torch.get_rng_state(), state)


class TestDigits:
    def test_sources_are_disjoint_stratified_and_complete(self):
        parts = load_sources()
        ink = [{image.tobytes() for image in part.ink} for part in parts]
        assert [len(part.labels) for part in parts] == [1078, 360, 359]
        assert not ink[0] & ink[1]
        assert not ink[0] & ink[2]
        assert not ink[1] & ink[2]
        for part in parts:
            share = np.bincount(part.labels) / len(part.labels)
            assert share.min() > 0.09
            assert share.max() < 0.11

    def test_plain_digits(self):
        data = parse_dataset({"type": "digits", "resolution": 24})
        splits = data.load()
        images, labels = read(splits.train)
        assert images.shape == (1078, 3, 24, 24)
        assert images.dtype == torch.float32
        assert labels.dtype == torch.int64
        assert labels.unique().tolist() == list(range(data.classes))
        assert abs(images.mean().item()) < 0.1
        assert 0.8 < images.std().item() < 1.2

    def test_augmentation_shifts_whole_digits(self):
        split = parse_dataset({"type": "digits", "resolution": 32}).load().train
        plain, shifted = read(split)[0], read(split, augment=True)[0]
        moved = (plain != shifted).flatten(1).any(1)
        assert 0.9 < moved.float().mean().item() < 1
        for index in range(20):
            views = (plain[index].roll((down, right), (1, 2)) for down in range(-2, 3) for right in range(-2, 3))
            inner = (slice(None), slice(4, -4), slice(4, -4))
            assert any(torch.equal(view[inner], shifted[index][inner]) for view in views)


class TestClutteredDigits:
    def test_shapes_labels_and_normalisation(self):
        splits = parse_dataset({**SMALL, "resolution": 70}).load()
        assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [150, 100, 100]
        images, labels = read(splits.train)
        assert images.shape == (150, 3, 70, 70)
        assert labels.unique().tolist() == list(range(10))
        assert abs(images.mean().item()) < 0.3
        assert 0.7 < images.std().item() < 1.3

    def test_the_seed_decides_everything_and_splits_do_not_depend_on_each_other(self):
        first, again = parse_dataset(SMALL).load(), parse_dataset(SMALL).load()
        longer = parse_dataset({**SMALL, "train": 200}).load()
        other = parse_dataset({**SMALL, "seed": 1}).load()
        for name in ("train", "validation", "test"):
            assert torch.equal(read(getattr(first, name))[0], read(getattr(again, name))[0])
        assert torch.equal(read(first.test)[0], read(longer.test)[0])
        assert not torch.equal(read(first.test)[0], read(other.test)[0])

    def test_scenes_are_made_of_their_own_split_alone(self):
        marked = Digits(np.zeros((5, 8, 8), np.float32), np.arange(5))
        blank, _ = compose(marked, 40, Scene(64, 0.5, 0.65, 4), np.random.default_rng(0))
        inked = Digits(np.ones((5, 8, 8), np.float32), np.arange(5))
        full, labels = compose(inked, 40, Scene(64, 0.5, 0.65, 4), np.random.default_rng(0))
        assert np.bincount(labels).tolist() == [8] * 5  # every source equally often
        brighter = (full.astype(int) - blank).max(axis=1) > 80
        assert brighter.any(axis=(1, 2)).all()
        assert not brighter.all(axis=(1, 2)).any()

    def test_the_digit_is_whole_at_every_scale(self):
        sources = Digits(np.ones((1, 8, 8), np.float32), np.zeros(1, np.int64))
        for size in (0.3, 0.85):
            images, _ = compose(sources, 60, Scene(96, size, size, 0), np.random.default_rng(0))
            bright = images.astype(int).min(axis=1) > 140
            area = bright.mean(axis=(1, 2))
            assert np.abs(area / size**2 - 1).max() < 0.25  # nothing of it is cut off by the border

    def test_a_pair_has_the_left_digit_on_the_left_and_every_class_equally_often(self):
        ink = np.zeros((10, 8, 8), np.float32)
        ink[3:] = 1  # digits below three are blank
        scene = Scene(64, 0.4, 0.4, 0)
        images, labels = compose_pairs(Digits(ink, np.arange(10)), 200, 20, scene, np.random.default_rng(0))
        assert np.bincount(labels).tolist() == [10] * 20
        bright = images.astype(int).min(axis=1) > 140
        halves = bright[:, :, :32].any(axis=(1, 2)), bright[:, :, 32:].any(axis=(1, 2))
        left, right = labels % 10, (labels + labels // 10) % 10
        assert ((left >= 3) == halves[0]).all()
        assert ((right >= 3) == halves[1]).all()

    def test_pairs_are_classes_and_runs_without_them_are_what_they_were(self):
        paired = parse_dataset({**SMALL, "pairs": 20, "smallest": 0.3, "largest": 0.4})
        assert paired.classes == 20
        assert read(paired.load().train)[1].unique().tolist() == list(range(20))
        assert "pairs" not in identity(parse_dataset(SMALL))
        assert "pairs" in identity(paired)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of 10 images, each of one brightness, in odd sizes and modes."""
    rng = np.random.default_rng(0)
    for label, level in (("dark", 40), ("light", 210)):
        (tmp_path / label / "deeper").mkdir(parents=True)
        for number in range(10):
            shape = (int(rng.integers(20, 90)), int(rng.integers(20, 90)), 3)
            image = Image.fromarray(rng.integers(level - 20, level + 20, shape).astype(np.uint8))
            mode = ("RGB", "L", "RGBA", "P")[number % 4]
            suffix = "png" if mode in ("RGBA", "P") else ("jpg", "webp")[number % 2]
            folder = tmp_path / label / ("deeper" if number > 6 else "")
            image.convert(mode).save(folder / f"{number}.{suffix}")
    (tmp_path / "dark" / "notes.txt").write_text("not an image")
    return tmp_path


def folder_of(path: Path, **options: object) -> Dataset:
    return parse_dataset({"type": "imagefolder", "path": str(path), "resolution": 32, **options})


class TestImageFolder:
    def test_class_folders_are_split_by_hash(self, photos: Path):
        data = folder_of(photos, validation=0.2, test=0.2)
        splits = data.load()
        assert data.classes == 2
        files = [set(part.source.files) for part in (splits.train, splits.validation, splits.test)]  # pyright: ignore
        assert [len(part) for part in files] == [12, 4, 4]
        assert len(files[0] | files[1] | files[2]) == 20
        again = data.load()
        assert set(again.test.source.files) == files[2]  # pyright: ignore
        images, labels = read(splits.train, batch_size=5)
        assert images.shape == (12, 3, 32, 32)
        assert torch.equal(labels, (images.mean((1, 2, 3)) > 0).long())

    def test_workers_change_nothing(self, photos: Path):
        split = folder_of(photos).load().train
        options = {"seed": 5, "epoch": 2, "shuffle": True, "augment": True, "batch_size": 4}
        alone, helped = read(split, **options), read(split, **options, workers=2)  # pyright: ignore
        assert torch.equal(alone[0], helped[0])
        assert torch.equal(alone[1], helped[1])
        assert not torch.equal(alone[0], read(split, **{**options, "epoch": 3})[0])  # pyright: ignore

    def test_decoding_does_not_touch_the_global_generator(self, photos: Path):
        split = folder_of(photos).load().train
        state = torch.get_rng_state()
        read(split, augment=True, shuffle=True)
        assert torch.equal(torch.get_rng_state(), state)

    def test_centre_crop_keeps_the_centre(self, tmp_path: Path):
        pixels = np.zeros((60, 100, 3), np.uint8)
        pixels[10:50, 30:70] = 255
        for label in ("a", "b"):
            (tmp_path / label).mkdir()
            for number in range(3):
                Image.fromarray(pixels).save(tmp_path / label / f"{number}.png")
        images, _ = read(folder_of(tmp_path, crop=2 / 3).load().test)
        assert images.shape[-2:] == (32, 32)
        assert images.std((2, 3)).max() < 0.1  # the crop is the white square and nothing else
        wider, _ = read(folder_of(tmp_path, crop=1).load().test)
        assert wider.std((2, 3)).min() > 0.5

    def test_sixteen_bit_gray_is_scaled_not_clipped(self, tmp_path: Path):
        for label in ("a", "b"):
            (tmp_path / label).mkdir()
            for number in range(3):
                Image.fromarray(np.full((40, 40), 0x8000, np.uint16)).save(tmp_path / label / f"{number}.png")
        images, _ = read(folder_of(tmp_path).load().train)
        assert images[:, 0].mean().item() == pytest.approx((128 / 255 - 0.485) / 0.229, abs=1e-4)

    def test_given_splits_are_kept_and_val_alone_is_the_test(self, photos: Path, tmp_path: Path):
        root = tmp_path / "set"
        for part in ("train", "val"):
            for label in ("dark", "light"):
                (root / part / label).mkdir(parents=True)
                for file in (photos / label).glob("*.png" if part == "val" else "*.*[pg]"):
                    (root / part / label / file.name).write_bytes(file.read_bytes())
        splits = folder_of(root, protocol="imagenet1k").load()
        assert all(file.startswith("val") for file in splits.test.source.files)  # pyright: ignore
        assert all(file.startswith("train") for file in splits.validation.source.files)  # pyright: ignore
        assert not set(splits.train.source.files) & set(splits.validation.source.files)  # pyright: ignore
        assert folder_of(root, protocol="imagenet1k").benchmark == "imagenet1k"
        (root / "val").rename(root / "validation")
        (root / "validation" / "dark").rename(root / "validation" / "drak")
        with pytest.raises(SpecError, match=r"^path: .* same classes; only in train: dark; only in validation: drak"):
            folder_of(root).load()

    def test_a_broken_file_is_named(self, photos: Path):
        for broken in photos.glob("dark/*.jpg"):
            broken.write_bytes(broken.read_bytes()[:200])
        splits = folder_of(photos).load()
        for workers in (0, 1):
            with pytest.raises(RunError, match=r"dark/\d\.jpg: image cannot be decoded") as caught:
                read(splits.train, workers=workers)
            assert "\n" not in str(caught.value)

    def test_impossible_folders(self, tmp_path: Path):
        with pytest.raises(SpecError, match=r"path: .* not there"):
            folder_of(tmp_path / "missing").load()
        with pytest.raises(SpecError, match="at least two classes, not 0"):
            folder_of(tmp_path).load()
        (tmp_path / "one").mkdir()
        with pytest.raises(SpecError, match="at least two classes, not 1"):
            assert folder_of(tmp_path).classes
        (tmp_path / "two").mkdir()
        with pytest.raises(SpecError, match="class folders one, two hold no image"):
            folder_of(tmp_path).load()
        (tmp_path / "file").write_text("")
        with pytest.raises(SpecError, match="not one"):
            folder_of(tmp_path / "file").load()


def headed(**head: Any) -> ArchSpec:
    """A pyramid of four stages with the head."""
    widths = (16, 24, 32, 48)
    stages = [{"block": "HR", "depth": 1, "width": width, "downsample": "irds_a"} for width in widths]
    data = {"resolution": 128, "stem": {"type": "conv_stem"}, "stages": stages, "head": head}
    return parse(Document(data, "test"))


@pytest.mark.parametrize("data", ["cluttered_digits", "digit_scenes"])
@pytest.mark.parametrize("name", ["retinanet", "atss", "gfl", "mask_rcnn", "cascade_mask_rcnn", "sparse_rcnn"])
def test_a_detector_is_refused_whatever_its_last_output_looks_like(data: str, name: str):
    found = parse_dataset(data)
    dense = {"maps": [1, 2, 3]} if name in ("retinanet", "atss", "gfl") else {}
    task = found.supervision.task
    said = f"head: {name} is a detector's, and {data} is a data set for {task}; box assignment and NMS are left to"
    for classes in (found.classes, 80):
        with pytest.raises(FieldError, match=f"^{said} detection libraries$"):
            found.fit(headed(type=name, classes=classes, **dense))


def test_a_head_for_another_task_is_named_with_the_task():
    scenes, digits = parse_dataset("digit_scenes"), parse_dataset("digits")
    for found in (scenes, digits):
        rule = f"head: pose_heatmap has no classes, and {found.type} is a data set for {found.supervision.task} with"
        with pytest.raises(FieldError, match=f"^{rule} {found.classes} of them$"):
            found.fit(headed(type="pose_heatmap", maps=[3]))
    with pytest.raises(FieldError, match=r": segformer does not fit classification, which digits is for$"):
        digits.fit(headed(type="segformer", classes=10))
    with pytest.raises(FieldError, match=r": classifier does not fit segmentation, which digit_scenes is for$"):
        scenes.fit(headed(type="classifier", classes=11))
    with pytest.raises(FieldError, match=r"^head: no head has no classes, and digits"):
        digits.fit(headed(type="classifier").model_copy(update={"head": None}))
