"""Random Erasing: its modes and numbers of rectangles, beside timm's."""

import random
from random import Random
from typing import Any

import pytest
import torch
from extras import need
from torch import Tensor

from search.augment.geometric import Erasing, erase

GREY = torch.full((600, 3, 24, 32), 7.0)


def erased(erasing: Erasing) -> Tensor:
    return erase(GREY, erasing, Random(1), torch.Generator().manual_seed(2))[0]


@pytest.mark.parametrize("mode", ["pixel", "rand", "const"])
def test_what_a_rectangle_becomes(mode: str):
    out, boxes = erase(GREY[:50], Erasing(1, mode), Random(1), torch.Generator().manual_seed(2))
    colours: list[Tensor] = []
    for image, ((left, top, right, bottom),) in zip(out, boxes, strict=True):
        patch = image[:, top:bottom, left:right]
        spread = patch.flatten(1).std(1)
        assert (spread > 0.3).all() if mode == "pixel" else (spread < 1e-6).all()
        colours.append(patch.flatten(1).mean(1))
        image[:, top:bottom, left:right] = 7
    assert (out == 7).all()  # nothing else was changed
    spread = torch.stack(colours).std().item()
    assert spread == 0 if mode == "const" else spread < 0.2 if mode == "pixel" else 0.8 < spread < 1.2


def test_several_rectangles_share_the_area_of_one():
    boxes = erase(GREY, Erasing(1, count=3), Random(1), torch.Generator())[1]
    counts = [len(found) for found in boxes]
    assert set(counts) == {1, 2, 3}
    assert all(150 < counts.count(number) < 250 for number in (1, 2, 3))
    largest = [max((r - le) * (b - t) for le, t, r, b in found) for found in boxes if len(found) == 3]
    assert max(largest) <= 24 * 32 / 9 * 1.1


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("mode", ["pixel", "rand", "const"])
def test_areas_shapes_and_values_are_distributed_as_timms(mode: str, count: int):
    kind: Any = need("timm.data.random_erasing", "timm").RandomErasing
    random.seed(0)
    torch.manual_seed(0)
    theirs = kind(0.5, mode=mode, max_count=count, device="cpu")(GREY.clone())
    ours = erased(Erasing(0.5, mode, count))
    for statistic in (share, area, tallness, values):
        mine, other = statistic(ours), statistic(theirs)
        error = (mine.var() / len(mine) + other.var() / len(other)).sqrt().item() if len(mine) > 1 else 0
        assert abs(mine.mean() - other.mean()).item() <= 4 * error + 1e-6, statistic.__name__
    assert abs(values(ours).std() - values(theirs).std()).item() < 0.1


def share(images: Tensor) -> Tensor:
    return (images != 7).flatten(1).any(1).double()


def area(images: Tensor) -> Tensor:
    found = (images != 7).any(1).flatten(1).double().mean(1)
    return found[found > 0]


def tallness(images: Tensor) -> Tensor:
    mask = (images != 7).any(1)
    mask = mask[mask.flatten(1).any(1)]
    return (mask.any(2).sum(1) / mask.any(1).sum(1)).log().double()


def values(images: Tensor) -> Tensor:
    """The middle of each image, where it is erased: independent of the others."""
    middle = images[:, :, 12, 16].double().flatten()
    return middle[middle != 7]
