"""The square of an image: parts, filters and mirror images, beside timm's random resized crop."""

import math
import random
from typing import Any

import numpy as np
import pytest
from extras import need
from PIL.Image import Image, Resampling, Transpose, fromarray

from archspec.errors import FieldError
from search.data.dataset import parse_dataset
from search.data.images.framing import Framing


def picture(width: int = 60, height: int = 40) -> Image:
    return fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def framing(**options: Any) -> Framing:
    return Framing(**({"resolution": 16, "crop": 0.875, "smallest_area": 0.08, "flip": True} | options))


def test_parts_are_distributed_as_timms():
    crop: Any = need("timm.data.transforms", "timm").RandomResizedCropAndInterpolation
    image = picture(300, 200)
    random.seed(0)
    theirs = np.array([crop.get_params(image, (0.2, 0.8), (0.5, 1.5)) for _ in range(1500)], float)
    views = [framing(smallest_area=0.2, aspect=(0.5, 1.5)).view(300, 200, seed).box for seed in range(1500)]
    ours = np.array([(top, left, bottom - top, right - left) for left, top, right, bottom in views])
    ours = ours[ours[:, 2] * ours[:, 3] <= 0.8 * 300 * 200]  # ours go up to the whole image
    theirs = theirs[theirs[:, 2] * theirs[:, 3] >= 0]
    for statistic in (
        lambda box: box[:, 2] * box[:, 3],
        lambda box: np.log(box[:, 3] / box[:, 2]),
        lambda box: box[:, 1],
    ):
        mine, other = statistic(ours), statistic(theirs)
        error = math.sqrt(mine.var() / len(mine) + other.var() / len(other))
        assert abs(mine.mean() - other.mean()) < 4 * error


@pytest.mark.parametrize("seed", range(3))
def test_aspects_stay_in_their_range(seed: int):
    left, top, right, bottom = framing(aspect=(2, 2)).view(400, 400, seed).box
    assert (right - left) / (bottom - top) == pytest.approx(2)


def test_filters_and_mirror_images_are_pillows():
    image = picture()
    for name in ("bilinear", "bicubic"):
        view = framing(interpolation=name, flip=False).view(60, 40, 5)
        assert view.cut(image, 16).tobytes() == image.resize((16, 16), Resampling[name.upper()], box=view.box).tobytes()
        scored = framing(test_interpolation=name).view(60, 40, None)
        box = (12.5, 2.5, 47.5, 37.5)
        assert scored.cut(image, 16).tobytes() == image.resize((16, 16), Resampling[name.upper()], box=box).tobytes()
    drawn = {framing(interpolation="random").view(60, 40, seed).interpolation for seed in range(20)}
    assert drawn == {"bilinear", "bicubic"}
    views = [framing(vertical_flip=True).view(60, 40, seed) for seed in range(40)]
    assert {(view.mirrored, view.upside_down) for view in views} == {
        (a, b) for a in (True, False) for b in (True, False)
    }
    turned = next(view for view in views if view.mirrored and view.upside_down)
    plain = image.resize((16, 16), Resampling.BICUBIC, box=turned.box).transpose(Transpose.ROTATE_180)
    assert turned.cut(image, 16).tobytes() == plain.tobytes()


def test_a_smaller_decoding_of_the_same_image_gives_the_same_part():
    ramp = fromarray(np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 64, 0).repeat(3, 2))
    view = framing(flip=False).view(64, 64, 1)
    whole, half = view.cut(ramp, 16), view.cut(ramp.reduce(2), 16)
    assert abs(np.asarray(whole, int) - np.asarray(half, int)).max() <= 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"aspect": [2, 0.5]}, "aspect: must be two numbers from 0.1 to 10, the smaller one first, not 2, 0.5"),
        ({"aspect": [0, 1]}, "aspect: must be two numbers from 0.1 to 10, the smaller one first, not 0, 1"),
        ({"interpolation": "nearest"}, "interpolation: must be 'bilinear', 'bicubic' or 'random', not 'nearest'"),
        ({"test_interpolation": "random"}, "test_interpolation: must be 'bilinear' or 'bicubic', not 'random'"),
    ],
)
def test_refused(options: dict[str, Any], message: str):
    with pytest.raises(FieldError) as caught:
        parse_dataset({"type": "imagefolder", "path": "x", **options})
    assert str(caught.value) == message
