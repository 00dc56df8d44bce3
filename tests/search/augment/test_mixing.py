"""CutMix and Mixup beside timm's: targets, the distribution of shares, boxes, and how often which is drawn."""

from random import Random

import numpy as np
import pytest
import torch
from extras import need

from search.augment.mixing import Mixing, draw_mixing, soft_labels
from search.recipe.recipe import Recipe

DRAWS = 1500
IMAGES = torch.zeros(2, 1, 24, 32)


def distance(first: list[float], second: list[float]) -> float:
    """The largest difference of two distribution functions (Kolmogorov-Smirnov)."""
    places = np.concatenate([first, second])
    return float(np.abs(share_below(first, places) - share_below(second, places)).max())


def share_below(values: list[float], places: np.ndarray) -> np.ndarray:
    return np.searchsorted(np.sort(values), places, side="right") / len(values)


LIMIT = 1.95 * (2 / DRAWS) ** 0.5  # exceeded by one pair in a thousand of equal distributions


def test_targets_and_images_equal_timms():
    mixup = need("timm.data.mixup", "timm")
    images, labels = torch.randn(6, 3, 8, 8), torch.tensor([0, 1, 2, 3, 3, 1])
    theirs = mixup.Mixup(mixup_alpha=1.0, label_smoothing=0.1, num_classes=5)
    theirs._params_per_batch = lambda: (0.3, False)
    mixed, targets = theirs(images.clone(), labels)
    ours = Mixing(torch.arange(5, -1, -1), torch.full((1, 1, 8, 8), 0.3), 0.3)  # timm's partner is the batch reversed
    assert torch.allclose(ours.images(images), mixed, atol=1e-6)
    assert torch.allclose(ours.labels(soft_labels(labels, 5, 0.1)), targets, atol=1e-7)


@pytest.mark.parametrize("strength", [0.8, 0.2])
def test_shares_of_mixup_are_distributed_as_timms(strength: float):
    mixup = need("timm.data.mixup", "timm")
    np.random.seed(1)
    theirs = mixup.Mixup(mixup_alpha=strength)
    expected = [float(theirs._params_per_batch()[0]) for _ in range(DRAWS)]
    rng, recipe = Random(1), Recipe(mixup=strength)
    ours = [mixing.share for _ in range(DRAWS) if (mixing := draw_mixing(IMAGES, recipe, rng))]
    assert distance(ours, expected) < LIMIT
    assert distance([0.9 * share for share in ours], expected) > LIMIT  # so the test can tell


def test_boxes_and_shares_of_cutmix_are_distributed_as_timms():
    mixup = need("timm.data.mixup", "timm")
    np.random.seed(2)
    expected: list[tuple[float, ...]] = []
    for _ in range(DRAWS):
        (top, bottom, left, right), share = mixup.cutmix_bbox_and_lam(IMAGES.shape, np.random.beta(1, 1))
        expected.append((share, bottom - top, right - left))
    rng, recipe = Random(2), Recipe(cutmix=1)
    ours: list[tuple[float, ...]] = []
    for _ in range(DRAWS):
        mixing = draw_mixing(IMAGES, recipe, rng)
        assert mixing is not None
        cut = mixing.mask[0, 0] == 0
        ours.append((mixing.share, int(cut.any(1).sum()), int(cut.any(0).sum())))
    for found, wanted in zip(zip(*ours, strict=True), zip(*expected, strict=True), strict=True):
        assert distance(list(found), list(wanted)) < LIMIT


def test_how_often_which_is_drawn_as_in_timm():
    mixup = need("timm.data.mixup", "timm")
    np.random.seed(3)
    theirs = mixup.Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, prob=0.7, switch_prob=0.5)
    drawn = [theirs._params_per_batch() for _ in range(DRAWS)]
    left = sum(share == 1 for share, _ in drawn) / DRAWS
    cut = sum(share != 1 and is_cut for share, is_cut in drawn) / DRAWS
    rng, recipe = Random(3), Recipe(mixup=0.8, cutmix=1, mix_prob=0.7)
    ours = [draw_mixing(IMAGES, recipe, rng) for _ in range(DRAWS)]
    mixed = [mixing for mixing in ours if mixing is not None]
    assert 1 - len(mixed) / DRAWS == pytest.approx(left, abs=0.05)
    assert sum(len(mixing.mask.unique()) == 2 or mixing.share == 1 for mixing in mixed) / DRAWS == pytest.approx(
        cut, abs=0.05
    )
