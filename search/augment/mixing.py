"""CutMix and Mixup: each image of a batch is mixed with another one, and so are their labels."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from random import Random

    from torch import Tensor

    from search.recipe.recipe import Recipe


@final
@dataclass(frozen=True)
class Mixing:
    """The mixing of the images a of a batch with their partners b.

    Attributes:
        partner: (N,) int64, the index of b for each a.
        mask: (1, 1, H, W) float32, the share of a at each pixel: 0 or 1 in CutMix, the same everywhere in Mixup.
        share: lambda, the mean of the mask.
    """

    partner: "Tensor"
    mask: "Tensor"
    share: float

    def images(self, images: "Tensor") -> "Tensor":
        """Mixed images (N, C, H, W): M * a + (1 - M) * b (HIRI-ViT equation 4)."""
        return self.mask * images + (1 - self.mask) * images[self.partner]

    def labels(self, labels: "Tensor") -> "Tensor":
        """Mixed label distributions (N, classes): lambda * a + (1 - lambda) * b."""
        return self.share * labels + (1 - self.share) * labels[self.partner]

    def maps(self, maps: "Tensor") -> "Tensor":
        """Mixed maps (N, K, h, w) of any size: the mask is averaged over the area of each position (equation 5)."""
        from torch.nn import functional as F

        mask = F.interpolate(self.mask, maps.shape[2:], mode="area")
        return mask * maps + (1 - mask) * maps[self.partner]


def draw_mixing(images: "Tensor", recipe: "Recipe", rng: "Random") -> Mixing | None:
    """A random mixing of a batch (N, C, H, W), on its device; None for a batch that is left as it is.

    As in DeiT one draw serves the whole batch. Both kinds configured, each is as probable.
    """
    import torch

    kinds = [name for name in ("cutmix", "mixup") if getattr(recipe, name)]
    if not kinds or rng.random() >= recipe.mix_prob:
        return None
    kind = rng.choice(kinds)
    strength = getattr(recipe, kind)
    share = rng.betavariate(strength, strength)
    count, (height, width) = images.shape[0], images.shape[2:]
    partner = torch.tensor(rng.sample(range(count), count), device=images.device)
    if kind == "mixup":
        return Mixing(partner, torch.full((1, 1, height, width), share, device=images.device), share)
    left, top, right, bottom = cut_box(width, height, share, rng)
    mask = torch.ones((1, 1, height, width), device=images.device)
    mask[:, :, top:bottom, left:right] = 0
    return Mixing(partner, mask, 1 - (right - left) * (bottom - top) / (width * height))


def cut_box(width: int, height: int, share: float, rng: "Random") -> tuple[int, int, int, int]:
    """The rectangle (left, top, right, bottom) that b fills: 1 - `share` of the area where the border cuts none off.

    The image's own aspect around a uniformly drawn centre (Yun et al. 2019).
    """
    side = math.sqrt(1 - share)
    wide, high = int(width * side), int(height * side)
    left, top = rng.randrange(width) - wide // 2, rng.randrange(height) - high // 2
    return max(left, 0), max(top, 0), min(left + wide, width), min(top + high, height)


def soft_labels(labels: "Tensor", classes: int, smoothing: float) -> "Tensor":
    """Labels (N,) as distributions (N, classes) float32, `smoothing` of each spread over all classes."""
    from torch.nn import functional as F

    return F.one_hot(labels, classes).float() * (1 - smoothing) + smoothing / classes
