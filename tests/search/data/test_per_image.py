"""Recipes that change images one by one: copies, processes and interruptions, and data sets that cannot."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import pytest
import torch
from extras import need
from PIL import Image
from torch import Tensor, nn

from archspec.errors import FieldError, Interrupted
from search.data.dataset import Batch, Dataset, DatasetSplit, Splits, batch_indices, copy_of, parse_dataset
from search.data.tensor_split import TensorSplit
from search.recipe.recipe import Recipe
from search.seeding import seed_everything
from search.train.loop import train

CPU = torch.device("cpu")
DEIT = "rand-m9-mstd0.5-inc1"


@final
class Foreign(Dataset):
    """A data set of somebody else, whose splits know nothing of images one by one."""

    type: Literal["foreign"] = "foreign"
    resolution: int = 8

    @property
    def classes(self) -> int:
        return 2

    def load(self) -> Splits:
        return Splits(Plain(), Plain(), Plain())


@final
class Plain(DatasetSplit):
    def __len__(self) -> int:
        return 4

    def batches(
        self, batch_size: int, *, seed: int, epoch: int, shuffle: bool, workers: int = 0, augment: bool = False
    ) -> Iterator[Batch]:
        yield torch.zeros(4, 3, 8, 8), torch.zeros(4, dtype=torch.int64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 16 photos of 40x30."""
    root, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for label in ("a", "b"):
        (root / label).mkdir()
        for number in range(16):
            noise = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            Image.fromarray(noise).resize((40, 30)).save(root / label / f"{number}.png")
    return root


def data(folder: Path | None) -> Splits:
    """The photos, or without them as many images in memory."""
    if folder is not None:
        return parse_dataset({"type": "imagefolder", "path": str(folder), "resolution": 16}).load()
    pixels = torch.randint(0, 256, (32, 1, 12, 12), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    split = TensorSplit(pixels, torch.arange(32) % 2, mean=0.5, std=0.3, reach=1)
    return Splits(split, split, split)


def split_of(folder: Path | None, recipe: Recipe) -> DatasetSplit:
    return data(folder).train.configured(recipe, CPU)


def read(split: DatasetSplit, workers: int = 0, epoch: int = 0, **options: Any) -> tuple[Tensor, Tensor]:
    options = {"shuffle": True, "augment": True} | options
    parts = list(split.batches(7, seed=3, epoch=epoch, workers=workers, **options))
    return torch.cat([images for images, _ in parts]), torch.cat([labels for _, labels in parts])


class TestCopies:
    @pytest.mark.parametrize("repeats", [1, 2, 3])
    def test_the_order_is_that_of_timms_sampler_on_one_device(self, repeats: int):
        sampler: Any = need("timm.data.distributed_sampler", "timm").RepeatAugSampler
        theirs = list(sampler(range(50), num_replicas=1, rank=0, num_repeats=repeats, selected_round=0))
        ours = torch.cat(list(batch_indices(50, 8, seed=0, epoch=0, shuffle=True, repeats=repeats))).tolist()
        runs = [Counter(Counter(index % 50 for index in order).values()) for order in (ours, theirs)]
        assert runs[0] == runs[1]
        assert len(ours) == len(theirs) == 50  # an epoch has as many steps as without copies
        changes = [[a != b for a, b in pairwise(order)] for order in ([i % 50 for i in ours], theirs)]
        assert changes[0] == changes[1]  # copies stand in a row, at the same places

    def test_copies_are_numbered(self):
        numbers = torch.cat(list(batch_indices(10, 4, seed=0, epoch=0, shuffle=False, repeats=3))).tolist()
        assert [copy_of(number, 10) for number in numbers] == [(i // 3, i % 3) for i in range(10)]

    @pytest.mark.parametrize("embedded", [False, True])
    def test_each_is_augmented_for_itself_and_has_its_label(self, folder: Path, embedded: bool):
        recipe = Recipe(repeats=3, auto_augment="ta_wide", color_jitter=0.3)
        split = split_of(None if embedded else folder, recipe)
        images, labels = read(split)
        assert len(images) == len(split)
        for start in range(0, len(images) - 2, 3):
            assert len(set(labels[start : start + 3].tolist())) == 1
            assert not torch.equal(images[start], images[start + 1])
        plain, _ = read(split, augment=False, shuffle=False)  # what is scored is as it was, each image once
        assert torch.equal(
            plain, read(split_of(None if embedded else folder, Recipe()), augment=False, shuffle=False)[0]
        )


class TestSeeds:
    @pytest.mark.parametrize("text", ["ta_wide", DEIT])
    def test_pixels_do_not_depend_on_the_number_of_processes(self, folder: Path, text: str):
        if text == DEIT:
            need("timm")
        split = split_of(folder, Recipe(auto_augment=text, color_jitter=0.2, repeats=2))
        here = read(split)[0]
        assert torch.equal(read(split, workers=2)[0], here)
        assert not torch.equal(read(split, epoch=1)[0], here)

    @pytest.mark.parametrize("embedded", [False, True])
    def test_an_interrupted_training_ends_with_the_same_weights(self, folder: Path, tmp_path: Path, embedded: bool):
        need("timm")
        recipe = Recipe(epochs=2, batch_size=8, auto_augment=DEIT, color_jitter=0.2, repeats=2, erasing=0.5)
        splits = data(None if embedded else folder)

        def run(place: str, stops: int) -> nn.Module:
            seed_everything(7)
            model = nn.Sequential(
                nn.Conv2d(3, 4, 3, 2), nn.Dropout(0.2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)
            )
            left = [stops]

            def stop() -> bool:
                left[0] -= 1
                return left[0] < 0

            train(model, splits, recipe, seed=1, folder=tmp_path / place, fingerprint="f", stop=stop, progress=print)
            return model

        whole = run("whole", 1000)
        with pytest.raises(Interrupted):
            run("parts", 5)
        resumed = run("parts", 1000)
        assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


class TestRefusals:
    @pytest.mark.parametrize("field", [{"auto_augment": "3a"}, {"color_jitter": 0.3}, {"repeats": 3}])
    def test_a_data_set_that_cannot_refuses(self, field: dict[str, Any]):
        data, recipe = Foreign(), Recipe(**field)
        data.check_recipe(Recipe(erasing=0.5, cutmix=1))
        with pytest.raises(FieldError, match="data set foreign does not augment images one by one") as caught:
            data.check_recipe(recipe)
        assert [caught.value.field] == list(field)
        with pytest.raises(FieldError, match="this split does not augment images one by one"):
            data.load().train.configured(recipe, CPU)

    def test_masks_take_what_moves_no_pixel(self):
        scenes = parse_dataset("digit_scenes")
        scenes.check_recipe(Recipe(auto_augment="3a", color_jitter=0.3, repeats=2))
        for text in ("rand-m9", "rand-m9-t3aw", "ta_wide", "augmix", "original"):
            with pytest.raises(FieldError, match=f"must be null or 3a where labels are masks, not {text}: it moves"):
                scenes.check_recipe(Recipe(auto_augment=text))
