"""Single images: timm's operations one by one against Pillow's, TrivialAugment against torchvision's, and seeds."""

import random
import sys
from random import Random
from typing import Any

import numpy as np
import pytest
from extras import need
from PIL import ImageEnhance, ImageOps
from PIL.Image import Image, Resampling, Transform, fromarray, new

from archspec.errors import RunError
from search.augment.image_policy import ImagePolicy, Surroundings, color_jitter, image_policy
from search.augment.trivial import LEVELS, OPERATIONS, Canvas, trivial_augment
from search.recipe.recipe import Recipe

FILL = (124, 116, 104)
PLACE = Surroundings(48, (0.485, 0.456, 0.406), "bicubic")
MOVED: dict[str, Any] = {"resample": Resampling.BICUBIC, "fillcolor": FILL}


def picture() -> Image:
    """48x40, with smooth parts and noise."""
    rng, ramp = np.random.default_rng(0), np.linspace(0, 200, 48 * 40 * 3).reshape(40, 48, 3)
    return fromarray((ramp + rng.integers(0, 56, ramp.shape)).astype(np.uint8))


IMAGE = picture()


def affine(*matrix: float) -> Image:
    return IMAGE.transform(IMAGE.size, Transform.AFFINE, matrix, **MOVED)


def add(amount: int) -> Image:
    return IMAGE.point([min(255, value + amount) if value < 128 else value for value in range(256)] * 3)


def expected(name: str, m: int) -> list[Image]:
    """Pillow's own result of an operation at magnitude `m` of 10, with the formulas of timm's `inc1`; both signs."""
    share, factors = m / 10, (1 + 0.9 * m / 10, max(0.1, 1 - 0.9 * m / 10))
    width, height = IMAGE.size
    match name:
        case "AutoContrast" | "Equalize" | "Invert":
            return [getattr(ImageOps, name.lower())(IMAGE)]
        case "Rotate":
            return [IMAGE.rotate(sign * 30 * share, **MOVED) for sign in (1, -1)]
        case "PosterizeIncreasing":
            return [ImageOps.posterize(IMAGE, 4 - int(4 * share)) if m < 10 else new("RGB", IMAGE.size)]
        case "SolarizeIncreasing":
            return [ImageOps.solarize(IMAGE, 256 - int(256 * share))]
        case "SolarizeAdd":
            return [add(int(110 * share))]
        case "ShearX":
            return [affine(1, sign * share * 0.3, 0, 0, 1, 0) for sign in (1, -1)]
        case "ShearY":
            return [affine(1, 0, 0, sign * share * 0.3, 1, 0) for sign in (1, -1)]
        case "TranslateXRel":
            return [affine(1, 0, sign * share * 0.45 * width, 0, 1, 0) for sign in (1, -1)]
        case "TranslateYRel":
            return [affine(1, 0, 0, 0, 1, sign * share * 0.45 * height) for sign in (1, -1)]
        case _:
            enhancer = getattr(ImageEnhance, name.removesuffix("Increasing"))
            return [enhancer(IMAGE).enhance(factor) for factor in factors]


def policy(text: str | None, **fields: Any) -> ImagePolicy:
    return ImagePolicy(Recipe(auto_augment=text, **fields), PLACE)


@pytest.mark.parametrize("magnitude", [0, 3, 9, 10])
def test_each_operation_of_randaugment_is_pillows(magnitude: int):
    need("timm")
    augment = policy(f"rand-m{magnitude}-n1-p1-inc1")
    operations: list[Any] = augment._transform.ops  # pyright: ignore[reportPrivateUsage]
    assert len(operations) == 15  # the published 14 without identity, and Invert and SolarizeAdd
    for operation in operations:
        augment._transform.ops = [operation]  # pyright: ignore[reportPrivateUsage]
        wanted = {image.tobytes() for image in expected(operation.name, magnitude)}
        seen = {augment.augment(IMAGE, seed).tobytes() for seed in range(12)}
        assert seen == wanted, operation.name


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_of_trivialaugment_is_torchvisions(name: str):
    need("timm")
    module = need("torchvision.transforms.autoaugment", "timm")
    apply: Any = module._apply_op
    space: Any = module.TrivialAugmentWide()._augmentation_space(LEVELS)
    magnitudes, signed = space[name]
    canvas, mode = Canvas(FILL, Resampling.BILINEAR), module.InterpolationMode.BILINEAR
    for level in (0, 7, 14, 30):
        share = level / (LEVELS - 1)
        magnitude = float(magnitudes[level]) if magnitudes.ndim else 0.0
        for sign in (1, -1) if signed else (1,):
            ours = np.asarray(OPERATIONS[name](IMAGE, sign * share, canvas), int)
            backwards = name.startswith("Translate")  # Pillow's map leads from output to input
            theirs = apply(IMAGE, name, -sign * magnitude if backwards else sign * magnitude, mode, list(FILL))
            difference = abs(ours - np.asarray(theirs, int))
            # torchvision has magnitudes in float32, and shears by the tangent of an angle.
            assert difference.max() <= (0 if name in EXACT else 1), (level, sign)
            assert difference.mean() <= 0.02


EXACT = ("Identity", "TranslateX", "TranslateY", "Posterize", "Solarize", "AutoContrast", "Equalize")


def test_trivialaugment_draws_every_operation_and_both_signs():
    canvas = Canvas(FILL, Resampling.BICUBIC)
    seen = {trivial_augment(IMAGE, Random(seed), canvas).tobytes() for seed in range(300)}
    assert len(seen) > 150
    assert IMAGE.tobytes() in seen
    assert trivial_augment(IMAGE, Random(5), canvas).tobytes() == trivial_augment(IMAGE, Random(5), canvas).tobytes()


def test_colour_jitter_is_three_enhancers_in_random_order():
    results = [color_jitter(IMAGE, 0.4, Random(seed)) for seed in range(200)]
    brightness = np.array([np.asarray(image, float).mean() for image in results]) / np.asarray(IMAGE, float).mean()
    assert 0.58 < brightness.min() < 0.7
    assert 1.2 < brightness.max() < 1.42
    grey = IMAGE.convert("L").convert("RGB")
    for image in (color_jitter(grey, 0.4, Random(seed)) for seed in range(5)):
        pixels = np.asarray(image)
        assert (pixels == pixels[..., :1]).all()  # saturation alone moves no grey
    assert color_jitter(IMAGE, 0, Random(0)).tobytes() == IMAGE.tobytes()


@pytest.mark.parametrize("text", ["rand-m9-mstd0.5-inc1", "original", "v0r", "3a", "augmix-m3-w3", "ta_wide", None])
def test_a_seed_decides_and_global_generators_are_left_alone(text: str | None):
    if text not in ("ta_wide", None):
        need("timm")
    augment = policy(text, color_jitter=0.3)
    python, numpy = random.getstate(), np.random.get_state(legacy=False)
    first = [augment.augment(IMAGE, seed).tobytes() for seed in range(6)]
    random.seed(1)
    np.random.seed(1)
    assert [policy(text, color_jitter=0.3).augment(IMAGE, seed).tobytes() for seed in range(6)] == first
    random.setstate(python)
    np.random.set_state(numpy)
    augment.augment(IMAGE, 0)
    assert random.getstate() == python
    assert str(np.random.get_state(legacy=False)) == str(numpy)
    assert len(set(first)) > 3


def test_no_magnitude_breaks_an_operation():
    need("timm")
    for text in ("rand-m30-mmax30-n3-p1-inc1", "rand-m0-n3-p1", "v0", "augmix-m10"):
        augment = policy(text)
        assert {augment.augment(IMAGE, seed).size for seed in range(100)} == {IMAGE.size}


def test_a_recipe_that_leaves_images_alone_has_no_policy():
    assert image_policy(Recipe(erasing=0.5, cutmix=1, repeats=3), PLACE) is None


def test_a_library_that_cannot_be_imported_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "timm.data.auto_augment", None)
    with pytest.raises(RunError, match=r"^auto_augment 3a is timm's, which cannot be imported: import of timm.data"):
        policy("3a")
