"""Handwritten digits in clutter: the default, on which layouts differ."""

from typing import Annotated, ClassVar, Literal, final

from pydantic import Field, model_validator

from search.data.dataset import Dataset, Splits
from search.data.digits_source import CLASSES, check_memory, composed

LARGEST_OF_PAIR = 0.43
"""Largest digit of a pair over image side: the widest is then half the image."""


@final
class ClutteredDigits(Dataset):
    """Real digits at random place and scale among fragments of others on textured ground, composed from a seed.

    Train, validation and test scenes are made of disjoint source images (digits and fragments). What makes the task
    harder: smaller digits, more fragments, less data, and `pairs`, which asks for two digits and their order.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"pairs"})

    type: Literal["cluttered_digits"] = "cluttered_digits"
    resolution: Annotated[int, Field(ge=64, le=1024, strict=True, description="image side in pixels")] = 64
    train: int = Field(default=2500, ge=100, le=1_000_000, strict=True, description="training scenes")
    validation: int = Field(default=600, ge=100, le=1_000_000, strict=True, description="validation scenes")
    test: int = Field(default=2000, ge=100, le=1_000_000, strict=True, description="test scenes")
    fragments: int = Field(default=3, ge=0, le=50, strict=True, description="pieces of other digits in each scene")
    smallest: float = Field(default=0.55, ge=0.05, le=1, strict=True, description="smallest digit over image side")
    largest: float = Field(default=0.7, ge=0.05, le=0.85, strict=True, description="largest digit over image side")
    pairs: int = Field(
        default=0,
        ge=0,
        le=CLASSES**2,
        strict=True,
        description="classes that are pairs of digits, left and right, of the hundred; 0: single digits",
    )
    seed: int = Field(default=0, ge=0, le=2**63, strict=True, description="seed of the composition")

    @model_validator(mode="after")
    def _check(self) -> "ClutteredDigits":
        if self.smallest > self.largest:
            raise ValueError(f"smallest {self.smallest} must not exceed largest {self.largest}")
        if self.pairs == 1:
            raise ValueError("pairs must be at least 2, or 0 for single digits, not 1")
        if self.pairs and self.largest > LARGEST_OF_PAIR:
            rule = f"largest must be at most {LARGEST_OF_PAIR} with pairs, each digit in a half of its own"
            raise ValueError(f"{rule}, not {self.largest}")
        check_memory(3 * self.resolution**2 * (self.train + self.validation + self.test))
        return self

    @property
    def classes(self) -> int:
        return self.pairs or CLASSES

    @property
    def augments_images(self) -> bool:
        return True

    def load(self) -> Splits:
        import torch

        from search.data.cluttered_digits_source import Scene, compose, compose_pairs
        from search.data.tensor_split import TensorSplit

        scene = Scene(self.resolution, self.smallest, self.largest, self.fragments)
        splits: list[TensorSplit] = []
        for sources, count, rng in composed(self.seed, (self.train, self.validation, self.test)):
            if self.pairs:
                images, labels = compose_pairs(sources, count, self.pairs, scene, rng)
            else:
                images, labels = compose(sources, count, scene, rng)
            pixels, targets = torch.from_numpy(images), torch.from_numpy(labels)
            splits.append(TensorSplit(pixels, targets, mean=0.35, std=0.22, reach=self.resolution // 16))
        return Splits(*splits)
