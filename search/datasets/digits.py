"""The bundled handwritten digits, plain."""

from typing import Annotated, Literal, final

from pydantic import Field

from search.data.dataset import Dataset, Splits
from search.data.digits_source import CLASSES, Digits, load_sources


@final
class PlainDigits(Dataset):
    """scikit-learn's 8x8 digits, enlarged bilinearly; saturates quickly (about 99 %), good for a first check."""

    type: Literal["digits"] = "digits"
    resolution: Annotated[int, Field(ge=8, le=256, strict=True, description="image side in pixels")] = 64

    @property
    def classes(self) -> int:
        return CLASSES

    @property
    def augments_images(self) -> bool:
        return True

    def load(self) -> Splits:
        return Splits(*(self._split(part) for part in load_sources()))

    def _split(self, digits: Digits):
        import torch
        from torch.nn import functional as F

        from search.data.tensor_split import TensorSplit

        ink = torch.from_numpy(digits.ink)[:, None]
        size = (self.resolution, self.resolution)
        images = F.interpolate(ink, size, mode="bilinear", align_corners=False).mul(255).round().to(torch.uint8)
        labels = torch.from_numpy(digits.labels)
        return TensorSplit(images, labels, mean=0.3, std=0.36, reach=self.resolution // 16)
