"""Renaming rules for the tensors of a state dict, for conversions that change nothing but names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from archspec.errors import SpecError

T = TypeVar("T")

Rules = Mapping[str, str]
"""Regular expression for a whole module's name -> its name here, which may use the groups as `\\1`."""


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


def find_origin(name: str, rules: Rules) -> str:
    """The name of the tensor that `rename` calls `name`; `name` itself where no rule gives it.

    Args:
        name: `module.name.tensor` here.
        rules: of literal text and groups that hold no other group.
    """
    module, _, leaf = name.rpartition(".")
    for pattern, new in rules.items():
        pieces = [(token["group"], token["escaped"] or token["plain"] or "") for token in _TOKEN.finditer(pattern)]
        groups = [group for group, _ in pieces if group is not None]
        match = re.fullmatch(_inverse(new, groups), module)
        if match is not None and len(match.groups()) == len(groups):
            values = iter(match[f"g{number}"] for number in range(1, len(groups) + 1))
            return f"{''.join(text if group is None else next(values) for group, text in pieces)}.{leaf}"
    return name


_TOKEN = re.compile(r"\((?P<group>(?:[^()\\]|\\.)*)\)|\\(?P<escaped>.)|(?P<plain>.)")
"""A group, an escaped character or another one of a rule's pattern."""


def _inverse(new: str, groups: list[str]) -> str:
    """The regular expression for the names that a rule gives, with a group `g1` for what was in its first one."""
    out, known = "", set[str]()
    for index, piece in enumerate(re.split(r"\\(\d)", new)):
        if index % 2 == 0:
            out += re.escape(piece)
        else:
            out += f"(?P=g{piece})" if piece in known else f"(?P<g{piece}>{groups[int(piece) - 1]})"
            known.add(piece)
    return out


def residual_unit(theirs: str, ours: str, projection: int = 0) -> dict[str, str]:
    """Rules for a residual unit of ResNet or HRNet in timm, basic or bottleneck.

    Args:
        theirs: regular expression for the unit's name there.
        ours: its name here, which may use the groups of `theirs`.
        projection: place of the convolution among what its shortcut is made of; 1 behind an average pool.
    """
    rules: dict[str, str] = {}
    for layer in (1, 2, 3):
        rules[rf"{theirs}\.conv{layer}"] = rf"{ours}.body.conv{layer}"
        rules[rf"{theirs}\.bn{layer}"] = rf"{ours}.body.norm{layer}"
    rules[rf"{theirs}\.downsample\.{projection}"] = f"{ours}.shortcut.conv"
    rules[rf"{theirs}\.downsample\.{projection + 1}"] = f"{ours}.shortcut.norm"
    return rules
