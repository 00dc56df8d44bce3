"""Audit of a built model by independent counters, fvcore and torch's own.

fvcore is the auditor that must agree with `archspec.cost.measure` for every module and operator, to the integer. An
operator that neither has a counting rule nor is known to be free is an error, never a zero; the rules are in
`blocks.opaque.counting_torch`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from archspec.cost.measure import NetworkCost, measure
from archspec.errors import AuditError
from archspec.model.build import build
from archspec.spec.schema import ArchSpec, Resolution
from archspec.tree.trace import resolve
from archspec.tree.tree import plant
from blocks.layers.layer import Line, Shape
from blocks.opaque.counting_torch import depth, kept_storages, per_image, tally
from blocks.opaque.opaque import Opaque
from blocks.opaque.operators import refusal

MATMUL_OPERATORS = frozenset({"conv", "linear", "scaled_dot_product_attention", "matmul", "bmm"})
"""What torch's own counter counts, at 2 per multiply-add."""


@final
@dataclass(frozen=True, slots=True)
class Count:
    """The count that fvcore makes of a built model, for one image.

    Attributes:
        params: elements of all parameters.
        macs: multiply-adds by module name ("" is the whole model) and operator.
        activations: output elements of convolutions, linear layers and matmuls.
    """

    params: int
    macs: dict[str, Counter[str]]
    activations: int

    @property
    def total(self) -> int:
        """Multiply-adds of the whole model."""
        return sum(self.macs[""].values())


@final
@dataclass(frozen=True, slots=True)
class Audit:
    """A passed audit: the cost that fvcore and torch confirm.

    Attributes:
        cost: what was confirmed.
        modules: modules that fvcore counted.
        operators: operators of these modules that do multiply, each equal to the integer.
        torch_macs: what torch's own counter confirms: convolutions, linear layers and attention, opaque modules apart.
    """

    cost: NetworkCost
    modules: int
    operators: int
    torch_macs: int


def audit(spec: ArchSpec, resolution: Resolution | None = None, *, model: nn.Module | None = None) -> Audit:
    """Count the built model with fvcore and torch and compare with `measure`, module by module.

    Args:
        spec: the backbone.
        resolution: side of the image, or (height, width); the spec's own when None.
        model: the network built from `spec`, in evaluation mode on CPU; built here when None.

    Raises:
        AuditError: a disagreement, or an operator without a rule; names module and operator.
    """
    cost = measure(spec, resolution)
    at, (height, width) = resolve(spec, resolution)
    given = model
    model = model or build(at, init="zeros").eval()
    counted = count(model, torch.zeros(1, at.channels, height, width))
    compare(cost, counted)
    operators = sum(len(counts) for counts in counted.macs.values())
    return Audit(cost, len(counted.macs), operators, _check_torch(at, cost, (height, width), given))


def audit_trained(spec: ArchSpec, model: nn.Module) -> NetworkCost:
    """The cost of a spec that fvcore confirms, to the integer, on a network built from it; torch's counter is left out.

    Args:
        spec: the backbone.
        model: the network, in evaluation mode on CPU.

    Raises:
        AuditError: a disagreement, or an operator without a rule; names module and operator.
    """
    cost = measure(spec)
    at, (height, width) = resolve(spec, None)
    compare(cost, count(model, torch.zeros(1, at.channels, height, width)))
    return cost


def count(model: nn.Module, images: Tensor) -> Count:
    """fvcore's count of `model` on `images` (N, C, H, W), in the model's own mode, divided by N.

    Raises:
        AuditError: an operator without a rule.
    """
    counted = tally(model, images)
    for name, operator in counted.uncounted:
        raise AuditError(f"module {name or '(whole)'}: operator {operator} {refusal(operator)}")
    macs = {name: per_image(counts, len(images)) for name, counts in counted.macs.items()}
    outputs = int(counted.activations[""].total()) // len(images)
    return Count(sum(parameter.numel() for parameter in model.parameters()), macs, outputs)


def compare(cost: NetworkCost, counted: Count) -> None:
    """Check that a cost and a count agree to the integer.

    Raises:
        AuditError: naming the innermost module and the operator that disagree.
    """
    if cost.params != counted.params:
        raise AuditError(f"{cost.name}: params: computed {cost.params:,}, the model has {counted.params:,}")
    expected = _by_module(cost.total.lines)
    for name in sorted(expected.keys() | counted.macs.keys(), key=lambda name: (-depth(name), name)):
        ours, theirs = expected.get(name, Counter()), counted.macs.get(name, Counter())
        for operator in sorted(ours.keys() | theirs.keys()):
            if ours[operator] != theirs[operator]:
                place = f"{cost.name}: module {name or '(whole)'}: operator {operator}"
                raise AuditError(f"{place}: computed {ours[operator]:,} MACs, fvcore counts {theirs[operator]:,}")
    if cost.activations != counted.activations:
        raise AuditError(
            f"{cost.name}: activations: computed {cost.activations:,}, fvcore counts {counted.activations:,}"
        )


def saved_bytes(model: nn.Module, images: Tensor) -> int:
    """Bytes that autograd keeps for the backward pass of `model` on `images`, parameters and buffers apart."""
    out, kept = kept_storages(model, images)
    total = sum(storage.nbytes() for storage in kept.values())
    del out
    return total


def _by_module(lines: Iterable[Line]) -> dict[str, Counter[str]]:
    out: dict[str, Counter[str]] = {}
    for line in lines:
        if line.macs == 0:
            continue
        steps = line.path.split(".")
        for count in range(len(steps) + 1):
            out.setdefault(".".join(steps[:count]), Counter())[line.operator] += line.macs
    return out


def _check_torch(spec: ArchSpec, cost: NetworkCost, size: tuple[int, int], model: nn.Module | None) -> int:
    """Torch's count of `model` or, without one, of a network on the meta device, which computes nothing."""
    opaque = [name for name, layer in plant(spec).walk() if isinstance(layer, Opaque)]
    if model is None or opaque:
        model = build(spec, device="meta").eval()
        # What a module of a third party computes need not run on the meta device, and is fvcore's to count.
        shapes = {line.path: line.shape for line in cost.total.lines}
        for name in opaque:
            model.set_submodule(name, _Blank(shapes[name]))
    images = torch.zeros(1, spec.channels, *size, device=next(model.parameters(), torch.empty(0)).device)
    # A fused attention on the CPU is none that torch counts; its matmuls are.
    with FlopCounterMode(display=False) as mode, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        model(images)
    theirs = mode.get_total_flops() // 2
    inside = tuple(f"{name}." for name in opaque)
    lines = (line for line in cost.total.lines if line.operator in MATMUL_OPERATORS)
    ours = sum(line.macs for line in lines if not f"{line.path}.".startswith(inside))
    if ours != theirs:
        raise AuditError(f"{cost.name}: convolutions, linear layers and attention: computed {ours:,}, torch {theirs:,}")
    return theirs


@final
class _Blank(nn.Module):
    """Stands for a module where only the shape (C, H, W) of its output matters."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.new_empty((len(x), *self.shape))
