"""Libraries that benchmarks compare with; torchvision's compiled part, which fits one build of torch, is not needed."""

import warnings
from importlib import import_module
from types import ModuleType

KEPT: list[object] = []
"""Libraries of torch whose operators go with them."""


def peer(name: str) -> ModuleType:
    """The module called `name`, where torchvision may be without its compiled operators; nothing here uses them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        complete_torchvision()
        return import_module(name)


def complete_torchvision() -> None:
    """Declare the two operators of torchvision that its import asks for, where its compiled part does not load."""
    import torch

    if KEPT:
        return
    try:
        import_module("torchvision")
    except (ImportError, RuntimeError):
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        KEPT.append(library)
