"""Counting conventions: one table of rules per operator, over the lines of a cost.

Papers count different things and call them all FLOPs. A line holds what fvcore bills; a convention turns it into what
another counter would have billed. See docs/reference/counting.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import final

from archspec.documents.paths import suggest
from archspec.documents.wording import either
from archspec.errors import SpecError
from blocks.layers.layer import Line
from blocks.opaque.operators import COUNTED

Rule = Callable[[Line], int]

WRITTEN_MATMULS = tuple(COUNTED["attention, written-out matmuls"].split())
"""The operators of matmuls that stand in opaque modules."""

KINDS: Mapping[str, str] = {
    **dict.fromkeys(("conv",), "convolution"),
    **dict.fromkeys(("linear", "addmm", "mm"), "linear"),
    **dict.fromkeys(("scaled_dot_product_attention", *WRITTEN_MATMULS), "attention"),
    **dict.fromkeys(("batch_norm",), "batch norm"),
    **dict.fromkeys(("layer_norm", "rms_norm", "group_norm", "instance_norm"), "norm"),
    **dict.fromkeys(("relu", "relu6", "leaky_relu", "elu", "prelu"), "ReLU"),
    **dict.fromkeys(("adaptive_avg_pool2d", "avg_pool2d", "max_pool2d"), "pooling"),
    **dict.fromkeys(COUNTED["global and adaptive average pool"].split(), "pooling"),
    **dict.fromkeys(COUNTED["nearest resize"].split(), "resizing"),
    **dict.fromkeys(COUNTED["linear, bilinear, trilinear, bicubic resize"].split(), "resizing"),
}
"""What each of fvcore's operators is; all others must be free."""

OPAQUE = "opaque"
"""The operator of a line that ends what was measured on a module that is not made of layers."""


@final
@dataclass(frozen=True)
class Convention:
    """A way to count.

    Attributes:
        name: what `--as` is given.
        description: what is counted, for people.
        rules: the count of a line by the kind of its operator (`KINDS`); a kind without a rule is free.
        sees_opaque: whether what fvcore counts inside a module that is not made of layers is enough for it.
        counts: what it counts, as the head of a column has it.
    """

    name: str
    description: str
    rules: Mapping[str, Rule]
    sees_opaque: bool = True
    counts: str = "MACs"

    def count(self, line: Line) -> int:
        """Operations of one line.

        Raises:
            SpecError: an operator that multiplies but has no rule.
        """
        if line.operator == OPAQUE and not self.sees_opaque:
            rule = f"the convention {self.name} counts biases, norms, activations and pooling, which are not known of "
            raise SpecError(f"{rule}module {line.path}: it is not made of layers", field="convention")
        kind = KINDS.get(line.operator)
        if kind is None:
            if line.macs:
                rule = f"operator {line.operator} of {line.path} multiplies, but has no rule in {either(CONVENTIONS)}"
                raise SpecError(rule, field="convention")
            return 0
        rule_of_kind = self.rules.get(kind)
        return rule_of_kind(line) if rule_of_kind else 0

    def lines(self, lines: Iterable[Line]) -> tuple[Line, ...]:
        """The lines with their multiply-adds as this convention counts them; see `count`."""
        return tuple(replace(line, macs=self.count(line)) for line in lines)


def find_convention(name: str, field: str = "convention") -> Convention:
    """The convention called `name`.

    Args:
        name: `fvcore`, `macs`, `mmcv`, `half` or `torch`, which `flops` means too.
        field: what the error names.

    Raises:
        SpecError: no such convention.
    """
    name = SYNONYMS.get(name.lower(), name)
    if name not in CONVENTIONS:
        raise SpecError(f"must be {either(CONVENTIONS)}, not {name!r:.60}{suggest(name, CONVENTIONS)}", field=field)
    return CONVENTIONS[name]


def _macs(line: Line) -> int:
    return line.macs


def _apart(line: Line) -> int:
    return 2 * line.macs


def _with_bias(line: Line) -> int:
    return line.macs + line.elementwise


def _elementwise(line: Line) -> int:
    return line.elementwise


def _once(line: Line) -> int:
    return line.repeats * prod(line.shape)


def _twice(line: Line) -> int:
    return 2 * line.repeats * prod(line.shape)


def _one_matmul(line: Line) -> int:
    # Both matmuls of attention cost the same, since keys and values are equally wide.
    return line.macs // 2


_MATMULS: Mapping[str, Rule] = {"convolution": _macs, "linear": _macs, "attention": _macs}
_APART: Mapping[str, Rule] = dict.fromkeys(_MATMULS, _apart)
_FVCORE: Mapping[str, Rule] = {**_MATMULS, **dict.fromkeys(("batch norm", "norm", "pooling", "resizing"), _macs)}
_HALF: Mapping[str, Rule] = {
    "convolution": _with_bias,
    "linear": _macs,
    "attention": _one_matmul,
    "norm": _twice,
    "ReLU": _once,
    "pooling": _elementwise,
    "resizing": _elementwise,
}
_MMCV: Mapping[str, Rule] = {**{k: rule for k, rule in _HALF.items() if k != "attention"}, "batch norm": _twice}

CONVENTIONS: Mapping[str, Convention] = {
    convention.name: convention
    for convention in (
        Convention("fvcore", "fvcore's rules with attention as two matmuls", _FVCORE),
        Convention("macs", "convolutions, linear layers and attention's two matmuls only", _MATMULS),
        Convention(
            "mmcv",
            "mmcv's counter: convolutions with bias, linear layers, norms 2, ReLU, pooling, nn.Upsample; no attention",
            _MMCV,
            sees_opaque=False,
        ),
        Convention(
            "half",
            "mmcv's counter without batch norm (as SyncBN), plus one of attention's two matmuls",
            _HALF,
            sees_opaque=False,
        ),
        Convention(
            "torch",
            "multiply and add apart, 2 per multiply-add of macs, as torch's FlopCounterMode prints FLOPs",
            _APART,
            counts="FLOPs",
        ),
    )
}
"""All conventions by name."""

SYNONYMS: Mapping[str, str] = {"flops": "torch"}
"""Other names that people give conventions."""
