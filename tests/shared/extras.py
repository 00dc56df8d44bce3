"""Packages of the project's extras, which some tests need: such a test is skipped where they are not installed."""

import warnings
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import pytest

BESIDE_TORCHVISION = ("timm", "torchmetrics", "onnx")
"""Packages that import torchvision, at once or when torch exports a network, where it is installed."""
KEPT: list[object] = []
"""Libraries of torch whose operators go with them."""


def need(name: str, extra: str = "") -> ModuleType:
    """The module called `name`; skips the test, which `make extras` would have run, where it is not installed."""
    if find_spec(name.partition(".")[0]) is None:
        pytest.skip(f"needs the extra {extra or name}, which `make extras` installs")
    if name.partition(".")[0] in BESIDE_TORCHVISION and find_spec("torchvision") is not None:
        _complete_torchvision()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module(name)


def _complete_torchvision() -> None:
    """Declare two operators of torchvision, whose compiled part loads beside no other build of torch than its own."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import torchvision  # noqa: F401
        except (ImportError, RuntimeError):
            library = torch.library.Library("torchvision", "FRAGMENT")
            for operator in ("nms", "qnms"):
                library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            KEPT.append(library)
