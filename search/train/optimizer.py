"""The optimiser of a training."""

import torch
from torch import nn

from search.recipe.optimizer import AdamWOptions, SGDOptions
from search.recipe.recipe import Recipe
from search.recipe.timm_optimizer import create
from search.train.groups import parameter_groups


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser over the parameters that are trained: torch's AdamW and SGD, or one of timm's.

    Raises:
        SpecError: `no_decay` or `layer_decay` does not fit the model.
        FieldError: timm does not have the optimiser, or is not installed.
    """
    groups, name, options = parameter_groups(model, recipe), recipe.optimizer.name, recipe.optimizer.options
    if name == "adamw":
        devices = {parameter.device.type for group in groups for parameter in group["params"]}
        fused = devices <= {"cpu", "cuda"}
        return torch.optim.AdamW(
            groups, lr=recipe.peak_lr, fused=fused, **AdamWOptions.model_validate(options).model_dump()
        )
    if name == "sgd":
        return torch.optim.SGD(groups, lr=recipe.peak_lr, **SGDOptions.model_validate(options).arguments)
    return create(groups, name, recipe.peak_lr, options)
