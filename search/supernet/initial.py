"""Initial values of shared parameters: as `archspec.model.build` draws layers, planted at their full sizes."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from archspec.model.build import Init, initialise
from blocks.layers.maps import Node
from search.supernet.shapes import SharedTensor, sketch


def draw(shared: Mapping[str, SharedTensor], init: Init, *, zero_init_residual: bool, seed: int) -> dict[str, Tensor]:
    """The value of each shared parameter, by its key; the seed alone decides, whatever was drawn before.

    Args:
        shared: the parameters, in the order in which they are drawn.
        init: as for `archspec.model.build.build`.
        zero_init_residual: start every residual branch at zero.
        seed: of all draws.
    """
    modules: dict[Node, nn.Module] = {}
    owners: dict[tuple[Node, str], dict[str, str]] = {}
    found: dict[str, Tensor] = {}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for key, tensor in shared.items():
            layer = tensor.part.layer
            if layer not in modules:
                modules[layer] = sketch(layer)
            if tensor.slice.opaque:
                found[key] = modules[layer].get_parameter(tensor.name).detach().clone()
            owner, _, own = tensor.name.rpartition(".")
            owners.setdefault((layer, f"{tensor.part.place} {owner}"), {})[own] = key
        for (layer, place), names in owners.items():
            if not any(key in found for key in names.values()):
                owner = modules[layer].get_submodule(place.partition(" ")[2])
                found |= _drawn(owner, {own: shared[key] for own, key in names.items()}, names, init)
        for key, tensor in shared.items():
            if zero_init_residual and tensor.tail and not tensor.slice.opaque:
                found[key].zero_()
    return {key: found[key] for key in shared}


def _drawn(
    module: nn.Module, tensors: Mapping[str, SharedTensor], keys: Mapping[str, str], init: Init
) -> dict[str, Tensor]:
    """The parameters of one module of a layer at full sizes, by key."""
    full = copy.deepcopy(module)
    for own, tensor in tensors.items():
        full.register_parameter(own, nn.Parameter(torch.zeros(tensor.slice.shape)))
    if isinstance(full, nn.Conv2d):  # whose fan depends on its attributes
        per_group = full.out_channels // full.groups
        full.out_channels = full.weight.shape[0]
        full.groups = full.out_channels // per_group if full.groups == module.out_channels else full.groups
    initialise(full, init)
    return {keys[own]: full.get_parameter(own).detach() for own in tensors}
