"""A training loop of timm's own pieces on images in memory, for `benchmarks/training.py`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def import_timm() -> Any:
    """The package timm; where torchvision's compiled part is another build's, as the tests import it."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "shared"))
    from extras import need

    return need("timm")


class Images(torch.utils.data.Dataset[Any]):
    """Images (N, 3, H, W) uint8 in memory, as timm's loader takes them: Pillow's, with a transform that it sets."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.pixels = images.permute(0, 2, 3, 1).contiguous().numpy()
        self.labels = labels.tolist()
        self.transform: Any = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        from PIL import Image

        return self.transform(Image.fromarray(np.asarray(self.pixels[index]))), self.labels[index]


class TimmArm:
    """Epochs of timm's `train.py` on a CPU: no augmentation but Mixup and CutMix, channels last, EMA at every step."""

    def __init__(self, model: nn.Module, images: Tensor, labels: Tensor, batch: int) -> None:
        import_timm()
        from timm.data import Mixup, create_loader
        from timm.loss import SoftTargetCrossEntropy
        from timm.optim import create_optimizer_v2
        from timm.scheduler import CosineLRScheduler
        from timm.utils import ModelEmaV3

        self.model: Any = model.train()
        self.model.to(memory_format=torch.channels_last)
        self.loader = create_loader(
            Images(images, labels), tuple(images.shape[1:]), batch, is_training=True, no_aug=True, num_workers=0,
            use_prefetcher=False, mean=(0.5,) * 3, std=(0.25,) * 3, device=torch.device("cpu"),
        )  # fmt: skip
        self.mixup = Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, label_smoothing=0.1, num_classes=self._classes(images))
        self.optimizer = create_optimizer_v2(self.model, opt="adamw", lr=4e-3, weight_decay=0.05)
        self.ema = ModelEmaV3(self.model, decay=0.98, use_warmup=True)
        total = 50 * len(self.loader)
        self.scheduler = CosineLRScheduler(
            self.optimizer, t_initial=total, warmup_t=len(self.loader), warmup_lr_init=1e-6, t_in_epochs=False
        )
        self.loss = SoftTargetCrossEntropy()
        self.updates = 0

    def epoch(self) -> None:
        """One pass."""
        from timm.models import model_parameters
        from timm.utils import dispatch_clip_grad

        for images, labels in self.loader:
            mixed, target = self.mixup(images, labels)
            loss = self.loss(self.model(mixed.contiguous(memory_format=torch.channels_last)), target)
            self.optimizer.zero_grad()
            loss.backward()
            dispatch_clip_grad(model_parameters(self.model), value=1.0, mode="norm")
            self.optimizer.step()
            self.updates += 1
            self.ema.update(self.model, step=self.updates)
            self.scheduler.step_update(self.updates)
            loss.item()

    def _classes(self, images: Tensor) -> int:
        with torch.no_grad():
            self.model.eval()
            classes = self.model(torch.zeros_like(images[:1], dtype=torch.float32)).shape[1]
            self.model.train()
        return classes
