"""Counts of fvcore on a module by archspec's rules, and the memory that autograd keeps for backward.

The rules are those of docs/reference/counting.md. fvcore skips `scaled_dot_product_attention`, for which a handle
counts the two matmuls, miscounts a matmul that broadcasts, and rounds most einsums; the handles here are exact. An
operator that neither has a counting rule nor is known to be free (`blocks.opaque.operators`) is reported, never taken
for a zero.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isqrt, prod
from typing import Any, cast, final

import torch
from fvcore.nn import FlopCountAnalysis
from fvcore.nn.jit_handles import (
    addmm_flop_jit,
    bmm_flop_jit,
    conv_flop_jit,
    generic_activation_jit,
    linear_flop_jit,
)
from torch import Tensor, nn

from blocks.opaque.operators import is_free

OUTPUTS = "outputs of "
"""Where output elements are counted beside multiply-adds: in front of the operator's name."""

Rule = Callable[[list[Any], list[Any]], Any]
"""fvcore's handle: from an operator's inputs and outputs in the graph to a number, or numbers by name."""


@final
@dataclass(frozen=True, slots=True)
class OperatorCounts:
    """Counts of fvcore on a batch, by the dotted name of the submodule ("" is the whole module) and operator.

    Attributes:
        macs: multiply-adds of the batch; what a submodule does counts for all modules that own it.
        activations: output elements of convolutions, linear layers and matmuls.
        uncounted: modules and operators without a rule, innermost modules first.
    """

    macs: dict[str, Counter[str]]
    activations: dict[str, Counter[str]]
    uncounted: tuple[tuple[str, str], ...]


def tally(module: nn.Module, images: Tensor) -> OperatorCounts:
    """fvcore's count of `module` on `images` (N, C, H, W), in the module's own mode."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        analysis = FlopCountAnalysis(module, images)
        for operator, (macs, outputs) in _rules().items():
            analysis.set_op_handle(f"aten::{operator}", _both(operator, macs, outputs))
        for operator, rule in _elementwise_rules().items():
            analysis.set_op_handle(f"aten::{operator}", _alone(operator, rule))
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        with _without_autocast_cache():
            counted = analysis.by_module_and_operator()
        missing = tuple(
            (name, operator)
            for name in sorted(counted, key=lambda name: -depth(name))
            for operator in (
                *analysis.unsupported_ops(name),
                *(key for key in counted[name] if key.startswith("aten::")),
            )
            if not is_free(operator)
        )
    found = {name: _split(counts) for name, counts in counted.items()}
    return OperatorCounts(
        {name: one[0] for name, one in found.items()}, {name: one[1] for name, one in found.items()}, missing
    )


@contextmanager
def _without_autocast_cache() -> Generator[None]:
    """Inside, autocast casts weights anew in each call: one from the cache would stand in the graph as a constant."""
    cached = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(cached)


def _rules() -> dict[str, tuple[Rule, Rule]]:
    """Rules for multiply-adds and for output elements of the operators that fvcore's activation count knows, and of
    all other matmuls.
    """
    return {
        "_convolution": (conv_flop_jit, generic_activation_jit("conv")),
        "_convolution_mode": (_padded_conv_macs, generic_activation_jit("conv")),
        "addmm": (addmm_flop_jit, generic_activation_jit()),
        "bmm": (bmm_flop_jit, generic_activation_jit()),
        "einsum": (_einsum_macs, generic_activation_jit()),
        "linear": (linear_flop_jit, generic_activation_jit()),
        "matmul": (_matmul_macs, generic_activation_jit()),
        "scaled_dot_product_attention": (_attention_macs, _attention_activations),
        **{name: (rule, generic_activation_jit()) for name, rule in _matmul_rules().items()},
    }


def _matmul_rules() -> dict[str, Rule]:
    """Multiply-adds of the matmuls under other names: one per result and summed position."""
    return {
        "addbmm": lambda ins, outs: prod(_shape(ins[1])) * _shape(ins[2])[-1],
        "addmv": lambda ins, outs: prod(_shape(ins[1])),
        "baddbmm": lambda ins, outs: prod(_shape(ins[1])) * _shape(ins[2])[-1],
        "dot": lambda ins, outs: prod(_shape(ins[0])),
        "inner": _inner_macs,
        "linalg_vecdot": _vecdot_macs,
        "mv": lambda ins, outs: prod(_shape(ins[0])),
        "tensordot": _tensordot_macs,
        "vdot": lambda ins, outs: prod(_shape(ins[0])),
    }


def _elementwise_rules() -> dict[str, Rule]:
    """Rules of operators that count per element, where fvcore has none or takes only some shapes."""

    def per_output(times: int) -> Rule:
        return lambda ins, outs: times * prod(_shape(outs[0]))

    return {
        "layer_norm": lambda ins, outs: (5 if _given(ins[2]) else 4) * prod(_shape(ins[0])),
        # Without a mean to be taken and subtracted: the mean square, the quotient, and the factor.
        "rms_norm": lambda ins, outs: (3 if _given(ins[2]) else 2) * prod(_shape(ins[0])),
        "adaptive_avg_pool1d": lambda ins, outs: prod(_shape(ins[0])),
        "adaptive_avg_pool3d": lambda ins, outs: prod(_shape(ins[0])),
        "linalg_norm": _norm_macs,
        **{f"_upsample_nearest_exact{sides}d": per_output(1) for sides in (1, 2, 3)},
        "upsample_nearest1d": per_output(1),
        "upsample_nearest3d": per_output(1),
        "upsample_linear1d": per_output(2),
        "upsample_trilinear3d": per_output(8),
        "upsample_bicubic2d": per_output(16),
    }


def _alone(operator: str, macs: Rule) -> Rule:
    """The handle of an operator whose output elements are not counted."""
    return lambda ins, outs: _named(operator, macs(ins, outs))


def _both(operator: str, macs: Rule, outputs: Rule) -> Rule:
    """One handle for both counts: fvcore traces the whole network for each of its analyses."""

    def count(ins: list[Any], outs: list[Any]) -> Counter[str]:
        elements = _named(operator, outputs(ins, outs))
        beside = Counter({f"{OUTPUTS}{name}": number for name, number in elements.items()})
        return _named(operator, macs(ins, outs)) + beside

    return count


def _named(operator: str, counts: Any) -> Counter[str]:
    return cast("Counter[str]", counts) if isinstance(counts, Counter) else Counter({operator: counts})


def _split(counts: Counter[str]) -> tuple[Counter[str], Counter[str]]:
    """Multiply-adds and output elements, apart again."""
    macs = Counter({name: number for name, number in counts.items() if not name.startswith(OUTPUTS)})
    outputs = {name.removeprefix(OUTPUTS): number for name, number in counts.items() if name not in macs}
    return macs, Counter(outputs)


def per_image(counts: Counter[str], batch: int) -> Counter[str]:
    """Counts of a batch as those of one image, without zeros."""
    return Counter({name: int(value) // batch for name, value in counts.items() if value})


def depth(module: str) -> int:
    """Depth of a module inside the model; the model itself is "" and 0."""
    return module.count(".") + 1 if module else 0


def kept_storages(module: nn.Module, images: Tensor) -> tuple[Tensor, dict[int, torch.UntypedStorage]]:
    """The output of `module` on `images`, and the memory that autograd keeps for backward, by its address.

    The module's own parameters and buffers are left out. While the result is held, no address is used twice.
    """
    own = {t.untyped_storage().data_ptr() for t in (*module.parameters(), *module.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    def unpack(tensor: Tensor) -> Tensor:
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        out = module(images)
    return out, kept


def einsum_macs(equation: str, shapes: list[list[int]], out: list[int]) -> int | None:
    """Multiply-adds of an einsum of operands of `shapes` with a result of shape `out`; None where no rule applies.

    The rule: one operand is only moved or summed; two without a summed index are an elementwise product, which is
    free; two that both have every summed index are a matmul, a multiply-add per result and summed position.
    """
    operands, arrow, result = equation.replace(" ", "").partition("->")
    terms = operands.split(",")
    if len(terms) == 1:
        return 0
    letters = [term.replace("...", "") for term in terms]
    known = arrow and len(terms) == 2 and all(len(set(term)) == len(term) for term in letters)
    summed = set("".join(letters)) - set(result)
    if (
        not known
        or summed != set(letters[0]) & set(letters[1]) - set(result)
        or ("..." in operands) > ("..." in result)
    ):
        return None
    if not summed:
        return 0
    sizes = [_size_of(letter, term, shape) for letter in summed for term, shape in zip(terms, shapes, strict=True)]
    # An index of size 1 broadcasts, so the sizes of an index in both operands may differ.
    return prod(out) * prod(max(pair) for pair in zip(sizes[::2], sizes[1::2], strict=True))


def _size_of(letter: str, term: str, shape: list[int]) -> int:
    head, _, tail = term.partition("...")
    return shape[head.index(letter)] if letter in head else shape[tail.index(letter) - len(tail)]


def _einsum_macs(inputs: list[Any], outputs: list[Any]) -> Counter[str]:
    equation = str(inputs[0].toIValue())
    shapes = [_shape(value) for value in inputs[1].node().inputs()]
    macs = einsum_macs(equation, shapes, _shape(outputs[0]))
    # A handle cannot refuse, but the name of what it counts tells.
    return Counter({f"aten::einsum({equation})": 1} if macs is None else {"einsum": macs})


def _matmul_macs(inputs: list[Any], outputs: list[Any]) -> Counter[str]:
    return Counter({"matmul": prod(_shape(outputs[0])) * _shape(inputs[0])[-1]})


def _padded_conv_macs(inputs: list[Any], outputs: list[Any]) -> Counter[str]:
    """Of a convolution whose padding is a word, `same` or `valid`."""
    batch, _, *positions = _shape(outputs[0])
    return Counter({"conv": batch * prod(_shape(inputs[1])) * prod(positions)})


def _norm_macs(inputs: list[Any], outputs: list[Any]) -> Counter[str]:
    """Nothing, unless it is a norm of matrices by their singular values."""
    order, axes = inputs[1].toIValue(), inputs[2].node()
    given = len(list(axes.inputs())) if axes.kind() == "prim::ListConstruct" else len(_shape(inputs[0]))
    matrix = given == 2
    return Counter({"aten::linalg_norm of a matrix": 1}) if matrix and order in (2, -2, "nuc") else Counter()


def _inner_macs(inputs: list[Any], outputs: list[Any]) -> int:
    first, second = _shape(inputs[0]), _shape(inputs[1])
    # With a single number it is a product.
    return prod(_shape(outputs[0])) * first[-1] if first and second else 0


def _vecdot_macs(inputs: list[Any], outputs: list[Any]) -> int:
    axis: int = inputs[2].toIValue()
    return prod(_shape(outputs[0])) * _shape(inputs[0])[axis]


def _tensordot_macs(inputs: list[Any], outputs: list[Any]) -> int:
    """Of (M, K) and (K, N), M·K·N; without a summed index a product, which is free."""
    first, second, out = (prod(_shape(value)) for value in (inputs[0], inputs[1], outputs[0]))
    return isqrt(first * second * out) if out < first * second else 0


def _attention_macs(inputs: list[Any], outputs: list[Any]) -> Counter[str]:
    """fvcore handle: the two matmuls of attention on (N, heads, L, d) queries and (N, heads, M, d) keys."""
    query, key, out = _shape(inputs[0]), _shape(inputs[1]), _shape(outputs[0])
    return Counter({"scaled_dot_product_attention": prod(out[:-1]) * key[-2] * (query[-1] + out[-1])})


def _attention_activations(inputs: list[Any], outputs: list[Any]) -> Counter[str]:
    key, out = _shape(inputs[1]), _shape(outputs[0])
    return Counter({"scaled_dot_product_attention": prod(out[:-1]) * key[-2] + prod(out)})


def _given(value: Any) -> bool:
    """Whether an optional tensor was given."""
    return value.type().kind() == "TensorType"


def _shape(value: Any) -> list[int]:
    return cast("list[int]", value.type().sizes())
