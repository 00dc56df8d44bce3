"""Renaming rules for the tensors of a state dict, for conversions that change nothing but names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from archspec.errors import SpecError

T = TypeVar("T")

Rules = Mapping[str, str]
"""Regular expression for a whole module's name -> its name here, which may use the groups as `\\1` or `\\g<name>`."""


def rename(state: Mapping[str, T], rules: Rules) -> dict[str, T]:
    """`state` with its modules renamed; a tensor for which there is no rule keeps its name.

    Args:
        state: tensors by `module.name.tensor`.
        rules: the first that matches the name of the module, whole, gives the new one.

    Raises:
        SpecError: two tensors would get the same name.
    """
    compiled = [(re.compile(pattern), new) for pattern, new in rules.items()]
    renamed: dict[str, T] = {}
    origins: dict[str, str] = {}
    for name, tensor in state.items():
        module, _, leaf = name.rpartition(".")
        found = ((match, new) for pattern, new in compiled if (match := pattern.fullmatch(module)))
        target = next((f"{match.expand(new)}.{leaf}" for match, new in found), name)
        if target in renamed:
            raise SpecError(f"tensors {origins[target]} and {name} would both be {target}")
        renamed[target], origins[target] = tensor, name
    return renamed


def residual_unit(theirs: str, ours: str) -> dict[str, str]:
    """Rules for a residual unit of ResNet or HRNet in timm, basic or bottleneck.

    Args:
        theirs: regular expression for the unit's name there.
        ours: its name here, which may use the groups of `theirs`.
    """
    rules: dict[str, str] = {}
    for layer in (1, 2, 3):
        rules[rf"{theirs}\.conv{layer}"] = rf"{ours}.body.conv{layer}"
        rules[rf"{theirs}\.bn{layer}"] = rf"{ours}.body.norm{layer}"
    rules[rf"{theirs}\.downsample\.0"] = f"{ours}.shortcut.conv"
    rules[rf"{theirs}\.downsample\.1"] = f"{ours}.shortcut.norm"
    return rules
