"""The exact cost of a spec, without building it and without torch.

One multiply-add is 1. `macs` follows fvcore's rules for every operator, with attention counted as its two matmuls;
`paper_macs` leaves out what papers usually leave out: batch norm, pooling and resizing. `NetworkCost.under` states the
same cost under another convention.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

from archspec.cost.conventions import WRITTEN_MATMULS, Convention, find_convention
from archspec.cost.metrics import exact_values
from archspec.documents.wording import memory, short, size
from archspec.errors import FieldError, SpecError
from archspec.loader import SpecSource, load
from archspec.spec.schema import Resolution
from archspec.tree.trace import resolve, trace
from blocks.layers.layer import Line, Shape

if TYPE_CHECKING:
    import pandas as pd

PAPER_OPERATORS = frozenset(
    {"conv", "linear", "scaled_dot_product_attention", "layer_norm", "rms_norm", "mm", "addmm", *WRITTEN_MATMULS}
)
"""Of these RMS norm and what follows it occur in opaque modules only: linear layers and attention, written out."""


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

    @property
    def numbers(self) -> dict[str, int]:
        """Every exact metric by its name, with the papers' MACs behind those by fvcore's rules."""
        numbers: dict[str, int] = {}
        for name, number in exact_values(self.lines).items():
            numbers[name] = number
            if name == "macs":
                numbers["paper_macs"] = self.paper_macs
        return numbers


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
            convention: `fvcore`, `macs`, `mmcv`, `half` or `torch`; see `archspec.cost.conventions`.

        Raises:
            SpecError: no such convention, or an operator that it has no rule for.
            ValueError: this cost was converted already.
        """
        rules = find_convention(convention)
        if self.convention is not None:
            raise ValueError(f"a cost under {self.convention} cannot be converted again: convert what was measured")
        parts = tuple(part.under(rules) for part in self.parts)
        return replace(self, total=self.total.under(rules), parts=parts, convention=rules.name)

    def to_dict(self, *, layers: bool = False) -> dict[str, Any]:
        """Plain data for JSON: exact integers, in total, per part and per operator.

        Args:
            layers: with one entry per operator of each layer.
        """
        record: dict[str, Any] = {"name": self.name, "digest": self.digest, "resolution": list(self.resolution)}
        record |= {} if self.convention is None else {"convention": self.convention}
        record |= self.total.numbers
        record["parts"] = [{"name": part.name, "shape": list(part.shape), **part.numbers} for part in self.parts]
        record["operators"] = self.total.by_operator
        if layers:
            record["layers"] = [line_record(line) for line in self.total.lines]
        return record

    def to_frame(self, *, layers: bool = False) -> pd.DataFrame:
        """A table with exact integers: a row per part, indexed by its name.

        Args:
            layers: a row per operator of each layer instead.
        """
        import pandas as pd

        if layers:
            return pd.DataFrame([line_record(line) for line in self.total.lines])
        rows = [{"part": part.name, "shape": part.shape, **part.numbers} for part in self.parts]
        return pd.DataFrame(rows).set_index("part")

    def __str__(self) -> str:
        counts = f"{short(self.params)} params, {short(self.macs)} MACs, {short(self.activations)} activations"
        convention = "" if self.convention is None else f" (MACs as {self.convention})"
        return f"{self.name} at {size(self.resolution)}: {counts}, {memory(self.saved_bytes)} for backward{convention}"

    def __repr__(self) -> str:
        return f"<NetworkCost {self}>"

    def _repr_html_(self) -> str:
        from archspec.documents.html import html_table

        columns = ("part", "output", "share of MACs", *self.total.numbers)
        share = {part.name: f"{100 * part.macs / self.macs:.1f} %" if self.macs else "0 %" for part in self.parts}
        rows = [(part.name, size(part.shape), share[part.name], *part.numbers.values()) for part in self.parts]
        return html_table(str(self), columns, [*rows, ("total", "", "", *self.total.numbers.values())])


def line_record(line: Line) -> dict[str, Any]:
    """One operator of a layer as plain data."""
    named = {"layer": line.path, "operator": line.operator, "shape": list(line.shape)}
    return named | exact_values((line,))


def measure(spec: SpecSource, resolution: Resolution | None = None, *, training: bool = False) -> NetworkCost:
    """The exact cost of `spec` for one image.

    Args:
        spec: the backbone, or what `archspec.load` takes for it.
        resolution: side of the image, or (height, width); the spec's own when None. A declared variant applies.
        training: count batch norm as fvcore does in training (5 per element) and not in evaluation (2).

    Raises:
        SpecError: no such spec, or a stride empties a map at this resolution.
    """
    spec = load(spec)
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
