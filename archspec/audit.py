"""The built model, counted by others: fvcore on CPU, and torch's own counter on the meta device.

fvcore is the auditor that must agree with `archspec.cost` for every module and operator, to the integer. It skips
`scaled_dot_product_attention`, for which a handle counts the two matmuls. An operator that neither has a counting
rule nor is known to be free is an error, never a zero.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any, cast, final

import torch
from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from archspec.builder import build
from archspec.cost import NetworkCost, measure
from archspec.errors import AuditError
from archspec.schema import ArchSpec, Resolution
from archspec.tree import resolve
from blocks.layers.layer import Line

# fmt: off
FREE_OPERATORS = frozenset(
    {
        "aten::add", "aten::add_", "aten::sub", "aten::rsub", "aten::mul", "aten::mul_", "aten::div", "aten::div_",
        "aten::neg", "aten::gelu", "aten::silu", "aten::hardswish", "aten::sigmoid", "aten::softmax",
        "aten::avg_pool2d", "aten::max_pool2d", "aten::mean", "aten::sum", "aten::pad", "aten::constant_pad_nd",
        "aten::bernoulli_", "aten::bernoulli", "aten::clone", "aten::expand", "aten::repeat_interleave",
        "aten::empty", "aten::new_empty", "aten::feature_dropout",
    }
)
# fmt: on
"""Operators without counted multiply-adds, by fvcore's rules (docs/counting.md); it also ignores reshapes."""

MATMUL_OPERATORS = frozenset({"conv", "linear", "scaled_dot_product_attention"})
"""What torch's own counter counts, at 2 per multiply-add."""


@final
@dataclass(frozen=True, slots=True)
class Count:
    """What fvcore counts on a built model, for one image.

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
        torch_macs: what torch's own counter confirms: convolutions, linear layers and attention.
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
    model = model or build(at).eval()
    counted = count(model, torch.zeros(1, at.channels, height, width))
    compare(cost, counted)
    operators = sum(len(counts) for counts in counted.macs.values())
    return Audit(cost, len(counted.macs), operators, _check_torch(at, cost, (height, width)))


def count(model: nn.Module, images: Tensor) -> Count:
    """fvcore's count of `model` on `images` (N, C, H, W), in the model's own mode, divided by N.

    Raises:
        AuditError: an operator without a rule.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flops = FlopCountAnalysis(model, images)
        flops.set_op_handle("aten::scaled_dot_product_attention", _attention_macs)
        flops.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        activations = ActivationCountAnalysis(model, images)
        activations.set_op_handle("aten::scaled_dot_product_attention", _attention_activations)
        activations.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        macs = {name: _whole(counts, len(images)) for name, counts in flops.by_module_and_operator().items()}
        _check_rules(flops, macs)
        outputs = int(activations.total()) // len(images)
    return Count(sum(parameter.numel() for parameter in model.parameters()), macs, outputs)


def compare(cost: NetworkCost, counted: Count) -> None:
    """Check that a cost and a count agree to the integer.

    Raises:
        AuditError: naming the innermost module and the operator that disagree.
    """
    if cost.params != counted.params:
        raise AuditError(f"{cost.name}: params: computed {cost.params:,}, the model has {counted.params:,}")
    expected = _by_module(cost.total.lines)
    for name in sorted(expected.keys() | counted.macs.keys(), key=lambda name: (-_depth(name), name)):
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
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    # Storages are held until the sum is taken, so that an address cannot be used twice.
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    def unpack(tensor: Tensor) -> Tensor:
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        out = model(images)
    total = sum(storage.nbytes() for storage in kept.values())
    del out
    return total


def _by_module(lines: Iterable[Line]) -> dict[str, Counter[str]]:
    out: dict[str, Counter[str]] = {}
    for line in lines:
        if line.macs == 0:
            continue
        steps = line.path.split(".")
        for depth in range(len(steps) + 1):
            out.setdefault(".".join(steps[:depth]), Counter())[line.operator] += line.macs
    return out


def _depth(module: str) -> int:
    """How far inside the model a module stands; the model itself is "" and 0."""
    return module.count(".") + 1 if module else 0


def _whole(counts: Counter[str], batch: int) -> Counter[str]:
    return Counter({name: int(value) // batch for name, value in counts.items() if value})


def _check_rules(flops: FlopCountAnalysis, modules: Iterable[str]) -> None:
    for name in sorted(modules, key=lambda name: -_depth(name)):
        for operator in flops.unsupported_ops(name):
            if operator not in FREE_OPERATORS:
                raise AuditError(f"module {name or '(whole)'}: operator {operator} has no counting rule")


def _check_torch(spec: ArchSpec, cost: NetworkCost, size: tuple[int, int]) -> int:
    model = build(spec, device="meta").eval()
    with FlopCounterMode(display=False) as mode, torch.no_grad():
        model(torch.empty(1, spec.channels, *size, device="meta"))
    theirs = mode.get_total_flops() // 2
    ours = sum(line.macs for line in cost.total.lines if line.operator in MATMUL_OPERATORS)
    if ours != theirs:
        raise AuditError(f"{cost.name}: convolutions, linear layers and attention: computed {ours:,}, torch {theirs:,}")
    return theirs


def _attention_macs(inputs: list[Any], outputs: list[Any]) -> Counter[str]:
    """fvcore handle: the two matmuls of attention on (N, heads, L, d) queries and (N, heads, M, d) keys."""
    del outputs
    query, key = _shape(inputs[0]), _shape(inputs[1])
    return Counter({"scaled_dot_product_attention": 2 * prod(query) * key[-2]})


def _attention_activations(inputs: list[Any], outputs: list[Any]) -> Counter[str]:
    query, key = _shape(inputs[0]), _shape(inputs[1])
    return Counter({"scaled_dot_product_attention": prod(query[:-1]) * key[-2] + prod(_shape(outputs[0]))})


def _shape(value: Any) -> list[int]:
    return cast("list[int]", value.type().sizes())
