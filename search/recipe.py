"""The training recipe: how a network is trained, as plain data without torch."""

import math
from typing import Literal, final

from pydantic import BaseModel, ConfigDict, Field


@final
class Recipe(BaseModel):
    """AdamW with a cosine schedule and an average of the weights (HIRI-ViT section 5.1, scaled down to small tasks)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(10, ge=1, le=10_000, description="passes over the training split")
    batch_size: int = Field(48, ge=4, le=65_536, description="images per step; at least four, for batch norm")
    lr: float = Field(4e-3, gt=0, le=10, description="peak learning rate, reached after the warm-up")
    weight_decay: float = Field(0.05, ge=0, le=10, description="decoupled decay of matrices and kernels only")
    warmup_epochs: float = Field(1, ge=0, le=1000, description="epochs of linear warm-up; a fraction is allowed")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="probability spread over all classes")
    clip_grad: float = Field(1, ge=0, le=1e6, description="largest gradient norm; 0 does not clip")
    ema_decay: float = Field(0.98, ge=0, lt=1, description="decay per step of the average of the weights; 0 keeps none")
    precision: Literal["auto", "float32"] = Field("auto", description="auto: 16-bit autocast where the device has it")
    channels_last: bool | Literal["auto"] = Field("auto", description="memory format of images; auto: by device")
    augment: bool = Field(True, description="augment training images in the data set's own way")
    workers: int = Field(0, ge=0, le=256, description="processes that decode images; 0 decodes in the trainer")

    def lr_at(self, step: int, steps: int) -> float:
        """Learning rate of optimiser step `step` (from 0) in an epoch of `steps` steps: a function, so nothing to save.

        Linear from lr / warm-up steps to lr, then half a cosine that would reach zero one step after the last.
        """
        total = self.epochs * steps
        warmup = min(round(self.warmup_epochs * steps), total - 1)
        if step < warmup:
            return self.lr * (step + 1) / warmup
        return self.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))
