"""The exact cost of a spec, without building it and without torch.

One multiply-add is 1. `macs` follows fvcore's rules for every operator, with attention counted as its two matmuls;
`paper_macs` leaves out what papers usually leave out: batch norm, pooling and resizing. `NetworkCost.under` states the
same cost under another convention.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import final

from archspec.cost.conventions import Convention, find_convention
from archspec.errors import FieldError, SpecError
from archspec.spec.schema import ArchSpec, Resolution
from archspec.tree.trace import resolve, trace
from blocks.layers.layer import Line, Shape

PAPER_OPERATORS = frozenset(
    {"conv", "linear", "scaled_dot_product_attention", "layer_norm", "matmul", "bmm", "mm", "addmm", "einsum"}
)
"""Of these the last ones occur in opaque modules only: linear layers and attention, written out."""


@final
@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one image through (a part of) a network.

    Attributes:
        name: the part: the spec's name, `stem`, `stages.0`, ..., `head`.
        shape: output shape without the batch.
        lines: one line per operator of each layer, in order.
    """

    name: str
    shape: Shape
    lines: tuple[Line, ...]
    params: int
    macs: int
    paper_macs: int
    activations: int
    saved_bytes: int

    @classmethod
    def total(cls, name: str, lines: tuple[Line, ...]) -> Cost:
        """The sum of `lines`."""
        params = macs = paper_macs = activations = saved_bytes = 0
        for line in lines:
            params += line.params
            macs += line.macs
            paper_macs += line.macs if line.operator in PAPER_OPERATORS else 0
            activations += line.activations
            saved_bytes += line.saved_bytes
        return cls(name, lines[-1].shape, lines, params, macs, paper_macs, activations, saved_bytes)

    def under(self, convention: Convention) -> Cost:
        """The same cost with multiply-adds as `convention` counts them; `paper_macs` is the same in all."""
        lines = convention.lines(self.lines)
        return replace(self, lines=lines, macs=sum(line.macs for line in lines))

    @property
    def by_operator(self) -> dict[str, int]:
        """MACs by fvcore's operator name, largest first; operators that are free are left out."""
        counts: Counter[str] = Counter()
        for line in self.lines:
            counts[line.operator] += line.macs
        return {name: count for name, count in counts.most_common() if count}


@final
@dataclass(frozen=True)
class NetworkCost:
    """The cost of a spec at one resolution: in total, per part, per layer.

    Attributes:
        name: the spec's name.
        digest: the spec's identity.
        resolution: (height, width) of the image.
        total: everything.
        parts: stem, stages and head, in order.
        convention: what `macs` was converted to by `under`; None as measured, which is `fvcore`.
    """

    name: str
    digest: str
    resolution: tuple[int, int]
    total: Cost
    parts: tuple[Cost, ...] = field(repr=False)
    convention: str | None = None

    @property
    def params(self) -> int:
        """Learnable numbers."""
        return self.total.params

    @property
    def macs(self) -> int:
        """Multiply-adds by fvcore's rules, attention as its two matmuls."""
        return self.total.macs

    @property
    def paper_macs(self) -> int:
        """Multiply-adds of convolutions, linear layers and attention, plus layer norm at 5 per element."""
        return self.total.paper_macs

    @property
    def activations(self) -> int:
        """Output elements of convolutions, linear layers and attention's matmuls."""
        return self.total.activations

    @property
    def saved_bytes(self) -> int:
        """Bytes that one training step in float32 keeps for the backward pass of one image, parameters apart."""
        return self.total.saved_bytes

    @cached_property
    def stages(self) -> tuple[Cost, ...]:
        """The parts that are stages."""
        return tuple(part for part in self.parts if part.name.startswith("stages."))

    def under(self, convention: str) -> NetworkCost:
        """The same cost with `macs`, in total, per part and per line, counted by another convention.

        Args:
            convention: `fvcore`, `macs`, `mmcv` or `half`; see `archspec.cost.conventions`.

        Raises:
            SpecError: no such convention, or an operator that it has no rule for.
            ValueError: this cost was converted already.
        """
        rules = find_convention(convention)
        if self.convention is not None:
            raise ValueError(f"a cost under {self.convention} cannot be converted again: convert what was measured")
        parts = tuple(part.under(rules) for part in self.parts)
        return replace(self, total=self.total.under(rules), parts=parts, convention=rules.name)


def measure(spec: ArchSpec, resolution: Resolution | None = None, *, training: bool = False) -> NetworkCost:
    """The exact cost of `spec` for one image.

    Args:
        spec: the backbone.
        resolution: side of the image, or (height, width); the spec's own when None. A declared variant applies.
        training: count batch norm as fvcore does in training (5 per element) and not in evaluation (2).

    Raises:
        SpecError: a stride empties a map at this resolution.
    """
    try:
        lines = tuple(trace(spec, resolution, training=training).lines)
    except FieldError as error:
        raise SpecError(error.rule, field=error.field, source=spec.name) from None
    groups: dict[str, list[Line]] = {}
    for line in lines:
        steps = line.path.split(".", 2)
        name = steps[0] if steps[0] != "stages" else f"stages.{steps[1]}"
        groups.setdefault(name, []).append(line)
    parts = tuple(Cost.total(name, tuple(group)) for name, group in groups.items())
    return NetworkCost(spec.name, spec.digest, resolve(spec, resolution)[1], Cost.total(spec.name, lines), parts)
