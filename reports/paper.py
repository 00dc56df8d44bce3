"""A paper's cost tables as specs: every published cell beside what the row's spec costs.

`archspec/papers/<name>.yaml` says which spec stands for which row; the published figures are read from
`reports/published`. Costs are `paper_macs`: convolutions, linear layers and attention, plus layer norm at 5 per
element.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from archspec.cost import measure
from archspec.document import Document, parse_document
from archspec.errors import FieldError, SpecError
from archspec.loader import find_document, parse
from archspec.paths import put, suggest
from archspec.schema import ArchSpec
from archspec.wording import either
from reports.published import published

NEAR = 1.0
"""A cell that differs by more percent than this is off."""
Verdict = Literal["rounds", "near", "off"]
_STRICT = ConfigDict(frozen=True, extra="forbid")


class _Family(BaseModel):
    model_config = _STRICT
    description: str
    parts: dict[str, dict[str, Any]] = Field(default_factory=dict[str, dict[str, Any]])
    edits: dict[str, dict[str, Any]] = Field(default_factory=dict[str, dict[str, Any]])


class _Plan(BaseModel):
    """One row of the file; see the head of the file for what its fields mean."""

    model_config = _STRICT
    table: str
    row: str | int
    label: str
    at: int
    base: str | None = None
    spec: dict[str, Any] | None = None
    edits: dict[str, Any] = Field(default_factory=dict[str, Any])
    published: dict[str, dict[str, Any]] = Field(default_factory=dict[str, dict[str, Any]])
    inferred: str = ""
    off: str = ""

    @property
    def name(self) -> str:
        return f"{self.table}-{self.row}"


class _File(BaseModel):
    model_config = _STRICT
    title: str
    families: dict[str, _Family]
    rows: tuple[_Plan, ...]


@dataclass(frozen=True)
class Cell:
    """One figure as printed (one decimal), in millions of parameters or 10⁹ multiply-adds, and the exact count."""

    quantity: Literal["params", "GMACs"]
    published: float
    count: int

    @property
    def computed(self) -> float:
        """The count in the unit of the published figure."""
        return self.count / (1e6 if self.quantity == "params" else 1e9)

    @property
    def difference(self) -> float:
        """Percent of the published figure, positive where the spec costs more."""
        return 100 * (self.computed / self.published - 1)

    @property
    def verdict(self) -> Verdict:
        """`rounds`: to the published decimal; `near`: within `NEAR` percent; else `off`."""
        if abs(self.computed - self.published) <= 0.05 + 1e-9:
            return "rounds"
        return "near" if abs(self.difference) <= NEAR else "off"


@dataclass(frozen=True)
class Row:
    """One row of a table: its spec, its exact costs, and the published cells (none in a table without costs).

    `base` is the preset or row that it edits; `inferred` says what it adds to it without the text saying so; `off` why
    a cell cannot be met.
    """

    table: str
    name: str
    label: str
    resolution: int
    spec: ArchSpec
    params: int
    paper_macs: int
    cells: tuple[Cell, ...]
    base: str
    inferred: str
    off: str

    @property
    def construction(self) -> Literal["stated", "inferred"]:
        """Whether the text states what the row adds to its base."""
        return "inferred" if self.inferred else "stated"


@dataclass(frozen=True)
class Paper:
    """All rows under one family of the reconstruction."""

    name: str
    title: str
    family: str
    description: str
    rows: tuple[Row, ...]

    @cached_property
    def cells(self) -> tuple[tuple[Row, Cell], ...]:
        """Every published cell with its row."""
        return tuple((row, cell) for row in self.rows for cell in row.cells)

    def count(self, *verdicts: Verdict) -> int:
        """Number of cells with one of these verdicts."""
        return sum(cell.verdict in verdicts for _, cell in self.cells)


def papers() -> tuple[str, ...]:
    """Names of the papers whose tables are shipped."""
    entries = (files("archspec") / "papers").iterdir()
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in entries if entry.name.endswith(".yaml")))


def paper(name: str, family: str = "W") -> Paper:
    """Every cost cell of the paper called `name`.

    Raises:
        SpecError: no such paper or family, or a row whose edits lead nowhere.
    """
    if name not in papers():
        raise SpecError(f"{name!r:.80} is no paper{suggest(name, papers())}; there is {either(papers())}")
    source = files("archspec") / "papers" / f"{name}.yaml"
    return compute(parse_document(source.read_bytes(), f"{name}.yaml"), name, family)


def compute(document: Document, name: str, family: str = "W") -> Paper:
    """Every cost cell of the rows in `document`; see `paper`.

    Raises:
        SpecError: malformed, no such family, or a row whose edits lead nowhere.
    """
    try:
        file = _File.model_validate(document.data)
    except ValidationError as error:
        place = error.errors()[0]["loc"]
        rule = f"{'.'.join(map(str, place))}: {error.errors()[0]['msg']}"
        raise SpecError(rule, source=document.source, line=document.line(place)) from None
    if family not in file.families:
        raise SpecError(f"must be {either(file.families)}, not {family!r:.40}", field="--family")
    plans = {plan.name: (index, plan) for index, plan in enumerate(file.rows)}
    builder = _Specs(document, file.families[family], plans)
    rows = tuple(_row(index, plan, builder) for index, plan in enumerate(file.rows))
    return Paper(name, file.title, family, file.families[family].description, _ordered(rows))


@dataclass(frozen=True)
class _Specs:
    """Makes the specs of rows, each from a preset or from a row that stands anywhere in the file."""

    document: Document
    family: _Family
    plans: Mapping[str, tuple[int, _Plan]]

    def spec(self, index: int, plan: _Plan) -> ArchSpec:
        data = _filled(self._data(index, plan, ()), self.family.parts)
        data |= {"name": plan.name, "description": plan.label, "status": "reconstruction", "resolution": plan.at}
        return parse(Document(data, f"{self.document.source}: {plan.name}"))

    def _data(self, index: int, plan: _Plan, above: tuple[str, ...]) -> dict[str, Any]:
        """The row form of a row's spec, before the family's options."""
        base = plan.base or ""
        if (not base) == (plan.spec is None) or plan.name in above:
            raise self._error(index, "base", "a row needs a spec, or a base that does not lead back to it")
        if plan.spec is not None:
            data = deepcopy(plan.spec)
        elif base in self.plans:
            data = self._data(*self.plans[base], (*above, plan.name))
        else:
            try:
                data = deepcopy(find_document(base).data)
            except SpecError as error:
                raise self._error(index, "base", error.rule) from None
            self._edit(data, self.family.edits.get(base, {}), index)
        self._edit(data, plan.edits, index)
        return data

    def _edit(self, data: dict[str, Any], edits: Mapping[str, Any], index: int) -> None:
        for path, value in edits.items():
            try:
                put(data, path, value)
            except FieldError as error:
                raise self._error(index, "edits", f"{error}") from None

    def _error(self, index: int, key: str, rule: str) -> SpecError:
        line = self.document.line(("rows", index, key))
        return SpecError(rule, field=f"rows[{index}].{key}", source=self.document.source, line=line)


def _row(index: int, plan: _Plan, builder: _Specs) -> Row:
    spec = builder.spec(index, plan)
    cost = measure(spec, plan.at)
    cells: list[Cell] = []
    for table, where in plan.published.items():
        line = _line(table, where)
        cells += [Cell("params", line["params_m"], cost.params), Cell("GMACs", line["gmacs"], cost.paper_macs)]
    counts = (cost.params, cost.paper_macs)
    words = {"base": plan.base or "", "inferred": plan.inferred, "off": plan.off}
    return Row(plan.table, plan.name, plan.label, plan.at, spec, *counts, tuple(cells), **words)


def _line(name: str, where: Mapping[str, Any]) -> dict[str, Any]:
    """The one line of a published table whose cells have these values."""
    table = published(name)
    for column, value in where.items():
        table = table[table[column] == value]
    if len(table) != 1:
        raise SpecError(f"{dict(where)} must name one line, not {len(table)}", source=f"{name}.csv")
    return cast("dict[str, Any]", table.iloc[0].to_dict())


def _filled(node: Any, options: Mapping[str, Mapping[str, Any]]) -> Any:
    """A copy of `node` in which parts have these options wherever they do not state others."""
    if isinstance(node, list):
        return [_filled(item, options) for item in cast("list[Any]", node)]
    if isinstance(node, dict):
        data = cast("dict[str, Any]", node)
        filled = {key: value if key == "type" else _filled(value, options) for key, value in data.items()}
        return {**options.get(str(data.get("type")), {}), **filled}
    return {"type": node, **options[node]} if isinstance(node, str) and node in options else node


def _ordered(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Rows of one table together, tables in the order of their first rows."""
    tables = list(dict.fromkeys(row.table for row in rows))
    return tuple(sorted(rows, key=lambda row: tables.index(row.table)))
