"""Changes to training batches: shapes, ranges, what they do to known images, and that a seed decides them."""

from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from search.augment.geometric import Erasing, erase, erase_box
from search.augment.mixing import cut_box, draw_mixing, soft_labels
from search.augment.policy import Policy
from search.augment.randaugment import OPERATIONS, rand_augment
from search.recipe.augmentation import RandAugment
from search.recipe.recipe import Recipe

SIDES = st.integers(1, 40)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 8, height: int = 12, width: int = 16) -> Tensor:
    return torch.randn(count, 3, height, width, generator=generator(1))


class TestMixing:
    @given(SIDES, SIDES, st.integers(0, 2**32), st.sampled_from([0.2, 1.0, 5.0]))
    @settings(max_examples=60, deadline=None)
    def test_cutmix_labels_are_mixed_by_the_true_share_of_pixels(self, height, width, seed, strength):
        images = torch.arange(5.0)[:, None, None, None].expand(-1, 3, height, width)  # image i is all i
        mixing = draw_mixing(images, Recipe(cutmix=strength), Random(seed))
        assert mixing is not None
        assert sorted(mixing.partner.tolist()) == list(range(5))
        assert set(mixing.mask.unique().tolist()) <= {0.0, 1.0}
        mixed = mixing.images(images)
        assert mixed.shape == images.shape
        labels = mixing.labels(torch.eye(5))
        shares = torch.stack([(mixed[:, 0] == label).float().mean((1, 2)) for label in range(5)], 1)
        assert torch.allclose(labels, shares, atol=1e-6)

    @given(SIDES, SIDES, st.floats(0, 1), st.integers(0, 2**32))
    @settings(deadline=None)
    def test_a_cut_lies_inside_and_is_no_larger_than_asked(self, width, height, share, seed):
        left, top, right, bottom = cut_box(width, height, share, Random(seed))
        assert 0 <= left <= right <= width
        assert 0 <= top <= bottom <= height
        assert (right - left) * (bottom - top) <= (1 - share) * width * height + 1e-6

    def test_mixup_is_one_share_for_pixels_and_labels(self):
        images = pictures()
        mixing = draw_mixing(images, Recipe(mixup=1), Random(3))
        assert mixing is not None
        assert 0 < mixing.share < 1
        expected = mixing.share * images + (1 - mixing.share) * images[mixing.partner]
        assert torch.allclose(mixing.images(images), expected, atol=1e-6)
        assert torch.allclose(mixing.labels(torch.eye(8)).sum(1), torch.ones(8))

    def test_mix_prob_is_the_share_of_batches_and_each_kind_has_half(self):
        images, recipe = pictures(4), Recipe(cutmix=1, mixup=1, mix_prob=0.6)
        drawn = [draw_mixing(images, recipe, Random(seed)) for seed in range(600)]
        mixed = [mixing for mixing in drawn if mixing is not None]
        assert 0.5 < len(mixed) / 600 < 0.7
        cut = [mixing for mixing in mixed if set(mixing.mask.unique().tolist()) <= {0.0, 1.0}]
        assert 0.4 < len(cut) / len(mixed) < 0.6
        assert draw_mixing(images, Recipe(), Random(0)) is None
        assert draw_mixing(images, Recipe(cutmix=1, mix_prob=0), Random(0)) is None

    def test_smoothed_labels(self):
        assert soft_labels(torch.tensor([1, 0]), 4, 0.2).tolist() == [
            pytest.approx([0.05, 0.85, 0.05, 0.05]),
            pytest.approx([0.85, 0.05, 0.05, 0.05]),
        ]


class TestErasing:
    @given(SIDES, SIDES, st.integers(0, 2**32))
    @settings(deadline=None)
    def test_a_box_lies_inside_with_a_bounded_area(self, width, height, seed):
        box = erase_box(width, height, Random(seed))
        if box is not None:
            left, top, right, bottom = box
            assert 0 <= left < right <= width
            assert 0 <= top < bottom <= height
            assert (right - left, bottom - top) != (width, height)

    def test_one_rectangle_of_noise_and_nothing_else(self):
        images = torch.full((200, 3, 32, 32), 7.0)
        out, _ = erase(images, Erasing(0.5), Random(0), generator())
        assert (images == 7).all()
        changed = (out != 7).any(1)
        erased = changed.flatten(1).any(1)
        assert 0.4 < erased.float().mean() < 0.6
        for mask in changed[erased]:
            rows, columns = mask.any(1).sum(), mask.any(0).sum()
            assert mask.sum() == rows * columns  # a full rectangle
            assert 0.01 < mask.float().mean() < 0.4
        noise = out[out != 7]
        assert abs(noise.mean()) < 0.05
        assert abs(noise.std() - 1) < 0.05

    def test_zero_and_one(self):
        images = pictures()
        assert torch.equal(erase(images, Erasing(0), Random(0), generator())[0], images)
        assert (erase(images, Erasing(1), Random(0), generator())[0] != images).flatten(1).any(1).all()


class TestRandAugment:
    @pytest.mark.parametrize("name", OPERATIONS)
    def test_no_strength_changes_nothing_and_some_does(self, name):
        images = pictures()
        same = OPERATIONS[name](images, torch.zeros(8))
        assert torch.allclose(same, images, atol=1e-5)
        for level in (-0.9, 0.9):
            out = OPERATIONS[name](images, torch.full((8,), level))
            assert out.shape == images.shape
            assert out.dtype == images.dtype
            assert (out - images).abs().mean() > 0.01

    def test_translation_by_known_pixels(self):
        images = pictures(1, 10, 10)
        level = torch.tensor([2 / 10 / 0.45])  # two pixels of ten
        right, down = OPERATIONS["translate_x"](images, level), OPERATIONS["translate_y"](images, level)
        assert torch.allclose(right[..., :8], images[..., 2:], atol=1e-5)
        assert torch.allclose(down[..., :8, :], images[..., 2:, :], atol=1e-5)
        assert right[..., 8:].abs().max() < 1e-4  # the mean comes into view

    def test_rotation_keeps_the_centre_and_lengths(self):
        images = torch.zeros(1, 1, 41, 81)
        images[0, 0, 20, 40] = 1
        images[0, 0, 20, 60] = 4  # twenty pixels to the right of the centre
        out = OPERATIONS["rotate"](images, torch.ones(1))[0, 0]
        assert out[20, 40] == pytest.approx(1, abs=1e-4)
        out[20, 40] = 0
        row, column = divmod(int(out.argmax()), 81)
        assert (abs(row - 20), column - 40) == (10, 17)  # 20 sin 30 degrees, 20 cos 30 degrees

    def test_brightness_contrast_and_colour(self):
        images, ones = pictures(), torch.ones(8)
        assert torch.allclose(OPERATIONS["brightness"](images, ones), images + 0.9)
        contrast = OPERATIONS["contrast"](images, ones)
        assert torch.allclose(contrast.mean((1, 2, 3)), images.mean((1, 2, 3)), atol=1e-5)
        assert torch.allclose(contrast.flatten(1).std(1), 1.9 * images.flatten(1).std(1), rtol=1e-4)
        grey = images[:, :1].expand(-1, 3, -1, -1)
        assert torch.allclose(OPERATIONS["colour"](grey, ones), grey, atol=1e-6)

    @pytest.mark.parametrize("ops", [1, 3])
    def test_a_seed_decides_and_the_input_stays(self, ops):
        images = pictures(64, 8, 8)[:, :1].expand(-1, 3, -1, -1)  # as grey images come: three views of one channel
        before, policy = images.clone(), RandAugment(ops=ops, magnitude=9)
        first, second = (rand_augment(images, policy, generator(5)) for _ in range(2))
        assert torch.equal(first, second)
        assert not torch.equal(first, rand_augment(images, policy, generator(6)))
        assert torch.equal(images, before)
        assert first.shape == images.shape
        assert first.isfinite().all()


class TestPolicy:
    RECIPE = Recipe(cutmix=1, mixup=0.8, erasing=0.5, randaugment=RandAugment(ops=2, magnitude=9))

    def test_seed_epoch_and_step_decide_and_global_generators_are_left_alone(self):
        images, state = pictures(), torch.get_rng_state()

        def outcome(seed: int, epoch: int, step: int) -> Tensor:
            policy = Policy(self.RECIPE, seed)
            out = policy.augment(images, epoch, step)
            mixing = policy.mixing(out, epoch, step)
            return out if mixing is None else mixing.images(out)

        first = outcome(0, 1, 2)
        assert torch.equal(outcome(0, 1, 2), first)
        assert all(not torch.equal(outcome(*place), first) for place in ((1, 1, 2), (0, 2, 2), (0, 1, 3), (0, 2, 1)))
        assert torch.equal(torch.get_rng_state(), state)

    def test_by_default_the_batch_is_the_very_same(self):
        images = pictures()
        assert Policy(Recipe(), 0).augment(images, 0, 0) is images
        assert Policy(Recipe(), 0).mixing(images, 0, 0) is None
