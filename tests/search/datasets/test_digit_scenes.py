"""Scenes to segment: determinism, disjoint splits, and masks that are what was painted."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from archspec.errors import FieldError
from search.data.dataset import parse_dataset
from search.data.digit_scenes_source import SceneLayout, compose_scenes
from search.data.digits_source import Digits, load_sources
from search.tasks.segmentation import ConfusionTally

SMALL = {"type": "digit_scenes", "resolution": 64, "train": 60, "validation": 50, "test": 50}


def compose(sources: Digits, count: int, layout: SceneLayout, seed: int = 0):
    return compose_scenes(sources, count, layout, np.random.default_rng(seed))


class TestDataset:
    def test_three_splits_of_images_and_masks(self):
        splits = parse_dataset(SMALL).load()
        assert [len(one) for one in (splits.train, splits.validation, splits.test)] == [60, 50, 50]
        images, masks = next(splits.train.batches(60, seed=0, epoch=0, shuffle=False))
        assert images.shape == (60, 3, 64, 64)
        assert masks.shape == (60, 64, 64)
        assert masks.unique().tolist() == list(range(11))
        assert abs(images.mean().item()) < 0.3
        assert 0.7 < images.std().item() < 1.3

    def test_the_seed_decides_everything_and_splits_do_not_depend_on_each_other(self):
        first, again = parse_dataset(SMALL).load(), parse_dataset(SMALL).load()
        longer, other = parse_dataset({**SMALL, "train": 70}).load(), parse_dataset({**SMALL, "seed": 1}).load()
        for name in ("train", "validation", "test"):
            ours, theirs = getattr(first, name), getattr(again, name)
            assert torch.equal(ours.images, theirs.images)
            assert torch.equal(ours.labels, theirs.labels)
        assert torch.equal(first.test.labels, longer.test.labels)  # pyright: ignore
        assert not torch.equal(first.test.labels, other.test.labels)  # pyright: ignore

    def test_background_only_scores_its_iou_over_the_classes(self):
        split = parse_dataset(SMALL).load().validation
        tally, ground = ConfusionTally(11, torch.device("cpu")), 0.0
        for images, masks in split.batches(50, seed=0, epoch=0, shuffle=False):
            answer = torch.zeros(len(images), 11, 1, 1)
            answer[:, 0] = 1
            tally.add(answer, masks)
            ground = (masks == 0).double().mean().item()
        assert 0.8 < ground < 0.9
        assert tally.score().accuracy == pytest.approx(ground / 11)

    @pytest.mark.parametrize(
        ("options", "field", "rule"),
        [
            ({"resolution": 32}, "resolution", "64"),
            ({"fewest": 5}, "", "fewest 5 must not exceed most 4"),
            ({"smallest": 0.42, "largest": 0.4}, "", "smallest 0.42 must not exceed largest 0.4"),
            ({"most": 5}, "", "largest 0.42 must not exceed 0.283 for 5 digits side by side"),
            ({"resolution": 1024, "train": 10_000}, "", "GiB"),
            ({"digits": 3}, "digits", "unknown field"),
        ],
    )
    def test_bad_options_name_field_and_rule(self, options: dict[str, Any], field: str, rule: str):
        with pytest.raises(FieldError) as caught:
            parse_dataset({"type": "digit_scenes", **options})
        assert caught.value.field == field
        assert rule in caught.value.rule
        assert "\n" not in caught.value.rule

    def test_configuration_does_not_need_torch(self):
        code = (
            "import sys; from search.data.dataset import parse_dataset\n"
            "print(parse_dataset('digit_scenes').metric['label'])\n"
            "print(sorted({'torch', 'sklearn'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split("\n")[:2] == ["mIoU", "[]"]


class TestComposition:
    def test_a_mask_is_where_the_ink_is(self):
        solid = Digits(np.ones((1, 8, 8), np.float32), np.array([6]))
        images, masks = compose(solid, 40, SceneLayout(96, 1, 1, 0.5, 0.5))
        assert set(np.unique(masks)) == {0, 7}
        shares = (masks == 7).mean((1, 2))
        assert np.abs(shares / 0.25 - 1).max() < 0.2  # nothing of it is cut off by the border
        gray = images.astype(float).mean(1)
        for image, mask in zip(gray, masks, strict=True):
            assert image[mask == 7].mean() > image[mask == 0].mean() + 60

    def test_every_count_from_fewest_to_most_occurs_and_digits_do_not_overlap(self):
        solid = Digits(np.ones((9, 8, 8), np.float32), np.arange(9))
        layout = SceneLayout(128, 2, 4, 0.4, layout_limit := SceneLayout(128, 2, 4, 0.4, 0.4).limit)
        assert layout_limit == pytest.approx(0.425)
        _, masks = compose(solid, 60, layout)
        counts = [len(np.unique(mask)) - 1 for mask in masks]
        assert set(counts) <= {1, 2, 3, 4}
        assert {2, 3, 4} <= set(counts)
        areas = [(mask == label).mean() for mask in masks for label in np.unique(mask) if label]
        assert min(areas) > 0.14  # of 0.16 for the smallest digit: none lies under another one

    def test_sources_are_used_in_turn_and_give_the_labels(self):
        solid = Digits(np.ones((5, 8, 8), np.float32), np.arange(5))
        _, masks = compose(solid, 20, SceneLayout(64, 1, 1, 0.4, 0.5))
        labels = [np.unique(mask)[1] for mask in masks]
        assert np.bincount(labels).tolist() == [0, 4, 4, 4, 4, 4]

    def test_real_digits_are_mostly_covered(self):
        sources = load_sources()[0]
        _, masks = compose(sources, 50, SceneLayout(64, 1, 1, 0.6, 0.7))
        assert all(len(np.unique(mask)) == 2 for mask in masks)
        assert 0.1 < (masks > 0).mean() < 0.25
