"""A recipe's augmentation of single images, before they are normalised: a published policy, then colour jitter.

Each image's draws are a function of a seed alone. timm's operations draw from Python's and NumPy's global generators,
which are seeded for the image and put back: images are augmented in processes, never in threads of one.
"""

from importlib import import_module
from itertools import chain
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, final

from archspec.errors import RunError
from search.augment.trivial import Canvas, trivial_augment
from search.recipe.auto_augment import NamedPolicy, parse_policy
from search.seeding import mix, seeded_generators

if TYPE_CHECKING:
    from PIL.Image import Image

    from search.recipe.recipe import Recipe

INTERPOLATIONS = ("bilinear", "bicubic")
"""Pillow's filters for images that are resized, turned or moved; `random` is one of them, drawn each time."""


class Surroundings(NamedTuple):
    """Facts about the images that a policy needs: side in pixels, mean of the data (0 to 1), and the interpolation."""

    resolution: int
    mean: tuple[float, float, float]
    interpolation: str


@final
class ImagePolicy:
    """RGB images (Pillow's) of one size to images of the same size.

    Raises:
        RunError: the policy is timm's, and timm cannot be imported.
    """

    def __init__(self, recipe: "Recipe", surroundings: Surroundings) -> None:
        named = None if recipe.auto_augment is None else parse_policy(recipe.auto_augment)
        self._jitter = recipe.color_jitter
        self._trivial = named is not None and not named.from_timm
        self._surroundings = surroundings
        self._fill: tuple[int, int, int] = tuple(min(255, round(255 * x)) for x in surroundings.mean)  # pyright: ignore
        self._transform: Any = self._from_timm(named, recipe.auto_augment) if named and named.from_timm else None

    def augment(self, image: "Image", seed: int) -> "Image":
        """The image as `seed` decides."""
        if self._transform is not None:
            with seeded_generators(mix(seed, "timm")):
                image = self._transform(image)
        elif self._trivial:
            rng = Random(mix(seed, "trivial"))
            image = trivial_augment(image, rng, Canvas(self._fill, resampling(self._surroundings.interpolation, rng)))
        return color_jitter(image, self._jitter, Random(mix(seed, "jitter"))) if self._jitter else image

    def _from_timm(self, named: NamedPolicy, text: "str | None") -> Any:
        """timm's transform with the parameters of `timm.data.transforms_factory.transforms_imagenet_train`."""
        try:
            library: Any = import_module("timm.data.auto_augment")
        except (ImportError, RuntimeError, OSError) as error:  # torchvision's compiled part fails with any of them
            reason = " ".join(str(error).split())
            raise RunError(f"auto_augment {text} is timm's, which cannot be imported: {reason[:200]}") from error
        place = self._surroundings
        options: dict[str, Any] = {"translate_const": int(place.resolution * 0.45), "img_mean": self._fill}
        if place.interpolation != "random":
            options["interpolation"] = resampling(place.interpolation, Random(0))
        if named.name == "rand":
            transform = library.rand_augment_transform(text, options)
        elif named.name == "augmix":
            transform = library.augment_and_mix_transform(text, options | {"translate_pct": 0.3})
        else:
            transform = library.auto_augment_transform(text, options)
        operations = chain.from_iterable(transform.policy) if hasattr(transform, "policy") else transform.ops
        for operation in operations:
            if operation.name.startswith("Posterize"):
                operation.aug_fn = posterize
        return transform


def image_policy(recipe: "Recipe", surroundings: Surroundings) -> ImagePolicy | None:
    """The policy of a recipe; None where it leaves single images alone."""
    return ImagePolicy(recipe, surroundings) if recipe.auto_augment or recipe.color_jitter else None


def posterize(image: "Image", bits_to_keep: int, **_: object) -> "Image":
    """The highest bits of each value; none gives a black image, which Pillow refuses from version 13 on.

    It stands in for timm's, which asks for none at full magnitude: in DeiT's policy for an image in a thousand.
    """
    from PIL import ImageOps
    from PIL.Image import new

    if bits_to_keep <= 0:
        return new(image.mode, image.size)
    return image if bits_to_keep >= 8 else ImageOps.posterize(image, bits_to_keep)


def color_jitter(image: "Image", strength: float, rng: Random) -> "Image":
    """Brightness, contrast and saturation times 1 - strength to 1 + strength, in random order (as torchvision's)."""
    from PIL import ImageEnhance

    kinds = [ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color]
    for kind in rng.sample(kinds, len(kinds)):
        image = kind(image).enhance(rng.uniform(max(0, 1 - strength), 1 + strength))
    return image


def resampling(interpolation: str, rng: Random) -> Any:
    """Pillow's filter of this name; `random` is one of `INTERPOLATIONS`, drawn from `rng`."""
    from PIL.Image import Resampling

    return Resampling[(rng.choice(INTERPOLATIONS) if interpolation == "random" else interpolation).upper()]
