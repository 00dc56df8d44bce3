"""Scenes of handwritten digits with the class of every pixel: a dense task without a download."""

from typing import Annotated, Literal, final

from pydantic import Field, model_validator

from search.data.dataset import Dataset, Splits
from search.data.digits_source import CLASSES, check_memory, composed
from search.tasks.segmentation import Segmentation


@final
class DigitScenes(Dataset):
    """Several real digits at random place and scale on textured ground, composed from a seed; masks of their ink.

    Class 0 is the ground, 1 + d the digit d. Train, validation and test scenes are made of disjoint source images.
    """

    type: Literal["digit_scenes"] = "digit_scenes"
    resolution: Annotated[int, Field(ge=64, le=1024, strict=True, description="image side in pixels")] = 128
    train: int = Field(default=1000, ge=50, le=1_000_000, strict=True, description="training scenes")
    validation: int = Field(default=200, ge=50, le=1_000_000, strict=True, description="validation scenes")
    test: int = Field(default=500, ge=50, le=1_000_000, strict=True, description="test scenes")
    fewest: int = Field(default=2, ge=1, le=25, strict=True, description="fewest digits in a scene")
    most: int = Field(default=4, ge=1, le=25, strict=True, description="most digits in a scene")
    smallest: float = Field(default=0.3, ge=0.05, le=0.85, strict=True, description="smallest digit over image side")
    largest: float = Field(default=0.42, ge=0.05, le=0.85, strict=True, description="largest digit over image side")
    seed: int = Field(default=0, ge=0, le=2**63, strict=True, description="seed of the composition")

    @model_validator(mode="after")
    def _check(self) -> "DigitScenes":
        if self.fewest > self.most:
            raise ValueError(f"fewest {self.fewest} must not exceed most {self.most}")
        if self.smallest > self.largest:
            raise ValueError(f"smallest {self.smallest} must not exceed largest {self.largest}")
        if self.largest > (limit := self._layout().limit):
            raise ValueError(f"largest {self.largest} must not exceed {limit:.3f} for {self.most} digits side by side")
        check_memory(4 * self.resolution**2 * (self.train + self.validation + self.test))
        return self

    @property
    def classes(self) -> int:
        return 1 + CLASSES

    @property
    def supervision(self) -> Segmentation:
        return Segmentation(self.classes)

    @property
    def augments_images(self) -> bool:
        return True

    def load(self) -> Splits:
        import torch

        from search.data.digit_scenes_source import compose_scenes
        from search.data.tensor_split import TensorSplit

        splits: list[TensorSplit] = []
        for sources, count, rng in composed(self.seed, (self.train, self.validation, self.test)):
            images, masks = compose_scenes(sources, count, self._layout(), rng)
            pixels, targets = torch.from_numpy(images), torch.from_numpy(masks)
            reach = self.resolution // 16
            splits.append(TensorSplit(pixels, targets, mean=0.3, std=0.21, reach=reach, supervision=self.supervision))
        return Splits(*splits)

    def _layout(self):
        from search.data.digit_scenes_source import SceneLayout

        return SceneLayout(self.resolution, self.fewest, self.most, self.smallest, self.largest)
