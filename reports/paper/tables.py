"""A paper's cost tables as specs: every published cell beside what the row's spec costs.

`archspec/papers/<name>.yaml` says which spec stands for which row and how the row counts (see `reports.paper.file`);
the published figures are read from `reports/published`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Literal

from archspec.cost.conventions import find_convention
from archspec.cost.measure import NetworkCost, measure
from archspec.documents.paths import suggest
from archspec.documents.reader import Document, parse_document
from archspec.documents.wording import either
from archspec.errors import SpecError
from archspec.spec.schema import ArchSpec, Resolution
from reports.paper.file import NEAR, Family, PaperFile, Specs, WrittenRow, read
from reports.records.published import published, tables

Verdict = Literal["rounds", "near", "off"]
Quantity = Literal["params", "GMACs"]
COLUMNS: Mapping[Quantity, str] = {"params": "params_m", "GMACs": "gmacs"}
"""The column of a published table that holds a quantity."""
UNITS: Mapping[Quantity, float] = {"params": 1e6, "GMACs": 1e9}
"""What the figures of that column are stated in."""


@dataclass(frozen=True)
class PaperCell:
    """One figure as printed, in millions of parameters or 10⁹ multiply-adds, and the exact count.

    `decimals` are those of the printed figure; `near` is the percent by which a cell may differ that is not off.
    """

    quantity: Quantity
    published: float
    count: int
    decimals: int = 1
    near: float = NEAR

    @property
    def computed(self) -> float:
        """The count in the unit of the published figure."""
        return self.count / UNITS[self.quantity]

    @property
    def difference(self) -> float:
        """Percent of the published figure, positive where the spec costs more."""
        return 100 * (self.computed / self.published - 1)

    @property
    def verdict(self) -> Verdict:
        """`rounds`: to the last published decimal; `near`: within `near` percent; else `off`."""
        if abs(self.computed - self.published) <= 0.5 * 10**-self.decimals + 1e-9:
            return "rounds"
        return "near" if abs(self.difference) <= self.near else "off"


@dataclass(frozen=True)
class PaperRow:
    """One row of a table: its spec, its exact costs, and the published cells (none in a table without costs).

    `macs` are counted under `convention`, or `paper_macs` where it is None; `params` leave out those of `frozen` parts.
    `base` is the preset or row that it edits; `inferred` says what it adds to it without the text saying so; `off` why
    a cell cannot be met.
    """

    table: str
    name: str
    label: str
    resolution: Resolution
    spec: ArchSpec
    params: int
    paper_macs: int
    macs: int
    cells: tuple[PaperCell, ...]
    plan: WrittenRow

    @property
    def base(self) -> str:
        """The preset or row that it edits; empty for a spec of its own."""
        return self.plan.base or ""

    @property
    def convention(self) -> str | None:
        """The convention by which `macs` counts; None for `paper_macs`."""
        return self.plan.convention

    @property
    def inferred(self) -> str:
        """Additions to its base that the text does not state."""
        return self.plan.inferred

    @property
    def off(self) -> str:
        """The reason why a cell cannot be met."""
        return self.plan.off

    @property
    def construction(self) -> Literal["stated", "inferred"]:
        """Whether the text states what the row adds to its base."""
        return "inferred" if self.inferred else "stated"

    @property
    def px(self) -> str:
        """The image for people: `224`, `800x600`."""
        return str(self.resolution) if isinstance(self.resolution, int) else "x".join(map(str, self.resolution))

    def cell(self, quantity: Quantity) -> PaperCell | None:
        """The first published cell of a quantity; None where there is none."""
        return next((cell for cell in self.cells if cell.quantity == quantity), None)

    def count(self, quantity: Quantity) -> int:
        """The exact count of a quantity."""
        return self.params if quantity == "params" else self.macs


@dataclass(frozen=True)
class Paper:
    """All rows under one family of the reconstruction; without a family where the paper leaves nothing open."""

    name: str
    file: PaperFile
    family: str
    description: str
    rows: tuple[PaperRow, ...]

    @property
    def title(self) -> str:
        """Title of the paper."""
        return self.file.title

    @cached_property
    def cells(self) -> tuple[tuple[PaperRow, PaperCell], ...]:
        """Every published cell with its row."""
        return tuple((row, cell) for row in self.rows for cell in row.cells)

    @cached_property
    def conventions(self) -> tuple[str, ...]:
        """The conventions that rows name, in order; none where all rows count as `paper_macs`."""
        return tuple(dict.fromkeys(row.convention for row in self.rows if row.convention))

    def heading(self, table: str) -> str:
        """The heading of one of its tables."""
        return self.file.headings.get(table, f"Table {table}")

    def count(self, *verdicts: Verdict) -> int:
        """Number of cells with one of these verdicts."""
        return sum(cell.verdict in verdicts for _, cell in self.cells)


def papers() -> tuple[str, ...]:
    """Names of the papers whose tables are shipped."""
    entries = (files("reports.paper") / "papers").iterdir()
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in entries if entry.name.endswith(".yaml")))


def paper(name: str, family: str | None = None) -> Paper:
    """Every cost cell of the paper called `name`, under its first family unless another is named.

    Raises:
        SpecError: no such paper or family, or a row whose edits lead nowhere.
    """
    if name not in papers():
        raise SpecError(f"{name!r:.80} is no paper{suggest(name, papers())}; there is {either(papers())}")
    source = files("reports.paper") / "papers" / f"{name}.yaml"
    return compute(parse_document(source.read_bytes(), f"{name}.yaml"), name, family)


def compute(document: Document, name: str, family: str | None = None) -> Paper:
    """Every cost cell of the rows in `document`; see `paper`.

    Raises:
        SpecError: malformed, no such family, or a row whose edits lead nowhere.
    """
    file = read(document)
    chosen = next(iter(file.families), "") if family is None else family
    if chosen not in file.families and (chosen or file.families):
        rule = f"must be {either(file.families)}, not {chosen!r:.40}" if file.families else f"{name} has none"
        raise SpecError(rule, field="--family")
    options = file.families.get(chosen) or Family(description="")
    specs = Specs.of(document, file, options)
    rows = tuple(_row(index, plan, specs, file.near) for index, plan in enumerate(file.rows))
    return Paper(name, file, chosen, options.description, _ordered(rows))


def _row(index: int, plan: WrittenRow, specs: Specs, near: float) -> PaperRow:
    spec = specs.spec(index, plan)
    try:
        cost = measure(spec, plan.at)
        macs = cost.under(find_convention(plan.convention).name).macs if plan.convention else cost.paper_macs
    except SpecError as error:
        raise specs.error(index, "convention" if error.field == "convention" else "at", error.rule) from None
    params = cost.params - _frozen(index, plan, cost, specs)
    cells = tuple(
        PaperCell(quantity, float(line[column]), count, len(line[column].partition(".")[2]), near)
        for line in (_line(table, where, index, specs) for table, where in plan.published.items())
        for (quantity, column), count in zip(COLUMNS.items(), (params, macs), strict=True)
        if line[column]
    )
    label = plan.label or str(plan.row)
    return PaperRow(plan.table, plan.name, label, plan.at, spec, params, cost.paper_macs, macs, cells, plan)


def _frozen(index: int, plan: WrittenRow, cost: NetworkCost, specs: Specs) -> int:
    """Params of the parts that the row leaves out."""
    params = {part.name: part.params for part in cost.parts}
    for name in plan.frozen:
        if name not in params:
            raise specs.error(index, "frozen", f"must be {either(params)}, not {name!r:.40}")
    return sum(params[name] for name in plan.frozen)


def _line(name: str, where: Mapping[str, object], index: int, specs: Specs) -> dict[str, str]:
    """The one line of a published table whose cells have these values, as printed, for row `index` of the paper."""
    if name not in tables():
        raise specs.error(index, "published", f"must name a table: {either(tables())}, not {name!r:.40}")
    table = published(name, as_text=True)
    for column, value in where.items():
        if column not in (names := [str(each) for each in table.columns]):
            raise specs.error(index, "published", f"{name} has no column {column!r:.40}{suggest(str(column), names)}")
        table = table[table[column] == str(value)]
    if len(table) != 1:
        cells = ", ".join(f"{column} {value}" for column, value in where.items())
        raise specs.error(index, "published", f"{cells[:80]} must name one line of {name}.csv, not {len(table)}")
    return {str(column): str(value) for column, value in table.iloc[0].items()}


def _ordered(rows: tuple[PaperRow, ...]) -> tuple[PaperRow, ...]:
    """Rows of one table together, tables in the order of their first rows."""
    tables = list(dict.fromkeys(row.table for row in rows))
    return tuple(sorted(rows, key=lambda row: tables.index(row.table)))
