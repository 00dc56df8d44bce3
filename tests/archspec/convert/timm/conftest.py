"""timm as the oracle of conversions; what needs it is skipped where it is absent."""

import warnings
from importlib.util import find_spec

import pytest
import torch


@pytest.fixture(scope="session")
def create():
    """timm's `create_model`, which makes a network without pretrained weights."""
    if find_spec("timm") is None:
        pytest.skip("timm is not installed")
    library = torch.library.Library("torchvision", "FRAGMENT")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import torchvision  # noqa: F401
        except (ImportError, RuntimeError):
            # Its compiled part does not load beside every build of torch, and timm needs none of it.
            for operator in ("nms", "qnms"):
                library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        from timm import create_model
    yield create_model
    del library
