"""The parameter groups of an optimiser: what is decayed, and how the learning rate falls from the head to the stem."""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from archspec.documents.paths import suggest
from archspec.errors import SpecError
from search.recipe.recipe import Recipe

PUBLISHED = "published"
"""Entry of `no_decay` for what the layers themselves declare, as their authors exclude it."""
BLOCK = re.compile(r"stages\.(\d+)\.(?:blocks|units)\.(\d+)\.")
UNIT = re.compile(r"stages\.(\d+)\.downsample\.(?:\d+\.)?unit\.")
STAGE = re.compile(r"stages\.(\d+)\.(\w+)")


def parameter_groups(model: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Groups of the parameters that are trained, with `weight_decay`, and `lr_scale` where there is a layer decay.

    Not decayed are vectors and biases, as in timm's `param_groups_weight_decay`, and what `no_decay` names. With a
    `layer_decay` d the learning rate of layer i of 0..n is scaled by d^(n - i), as in timm's `param_groups_layer_decay`
    (after BEiT, Bao et al. 2022). Groups with `use_fallback` belong to the AdamW of a hybrid optimiser such as Muon.

    Raises:
        SpecError: a pattern matches no parameter, or the model has no layers to tell apart.
    """
    names = [name for name, _ in model.named_parameters()]
    options = recipe.optimizer.options
    excluded = declared(model, names)
    spared = matched([pattern for pattern in recipe.no_decay if pattern != PUBLISHED], names, "no_decay")
    spared |= excluded if PUBLISHED in recipe.no_decay else set()
    left: Any = options.get("fallback_list", ())
    fallback = matched((left,) if isinstance(left, str) else left, names, "optimizer.fallback_list")
    fallback |= excluded if options.get("fallback_no_weight_decay") else set()
    layers = layer_ids(names) if recipe.layer_decay < 1 else dict.fromkeys(names, 0)
    last = max(layers.values(), default=0)
    if recipe.layer_decay < 1 and not last:
        rule = "needs a network of a stem, stages and a head, whose layers have names of their own"
        raise SpecError(rule, field="recipe.layer_decay")
    groups: dict[tuple[int, bool, bool], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        decays = parameter.ndim > 1 and not name.endswith(".bias") and name not in spared
        place = (layers[name], not decays, name in fallback)
        group = groups.setdefault(place, {"params": [], "weight_decay": recipe.weight_decay if decays else 0.0})
        group["params"].append(parameter)
        if recipe.layer_decay < 1:
            group["lr_scale"] = recipe.layer_decay ** (last - layers[name])
        if name in fallback:
            group["use_fallback"] = True
    return [groups[place] for place in sorted(groups)]


def layer_ids(names: Iterable[str]) -> dict[str, int]:
    """The number of each parameter's layer: 0 for the stem, one for each block (or unit of branches), then the head.

    A downsampling counts with the first block of its stage, as in timm's `group_matcher` of ConvNeXt and Swin, but for
    one that is a residual unit, as in ResNet: it is a layer. What fuses branches before a stage counts with its first
    block too, and a norm at its end with its last.
    """
    names = list(names)
    blocks: dict[int, set[int]] = {}
    for name in names:
        if found := BLOCK.match(name):
            blocks.setdefault(int(found[1]), set()).add(int(found[2]))
    places = {name: _place(name, blocks) for name in names}
    order = {place: number for number, place in enumerate(sorted(set(places.values())))}
    return {name: order[place] for name, place in places.items()}


def declared(model: nn.Module, names: Sequence[str]) -> set[str]:
    """Those of `names` that modules declare in `no_weight_decay`: an attribute, or as in timm a method; may be none."""
    found: set[str] = set()
    for prefix, module in model.named_modules():
        own: Any = getattr(module, "no_weight_decay", ())
        entries: Any = own() if callable(own) else own
        for entry in entries:
            pattern = f"{prefix}.{entry}" if prefix else entry
            found |= {name for name in names if fnmatchcase(name, pattern)}
    return found


def matched(patterns: Sequence[str], names: Sequence[str], field: str) -> set[str]:
    """Those of `names` that a pattern matches, as `fnmatch` has it.

    Raises:
        SpecError: a pattern that matches none; `field` of the recipe has it.
    """
    found: set[str] = set()
    for pattern in patterns:
        own = {name for name in names if fnmatchcase(name, pattern)}
        if not own:
            parts = {part for name in names for part in name.split(".") if not part.isdigit()}
            near = suggest(pattern.strip("*.").rpartition(".")[2], sorted(parts))
            raise SpecError(f"{pattern!r:.80} matches no parameter of this network{near}", field=f"recipe.{field}")
        found |= own
    return found


def _place(name: str, blocks: dict[int, set[int]]) -> tuple[int, int, int]:
    if name.startswith("stem."):
        return (0, 0, 0)
    if found := BLOCK.match(name):
        return (1, int(found[1]), int(found[2]))
    if found := UNIT.match(name):
        return (1, int(found[1]), -1)
    if found := STAGE.match(name):
        stage = int(found[1])
        own = blocks.get(stage, {0})
        return (1, stage, max(own) if found[2] == "norm" else min(own))
    return (2, 0, 0)
