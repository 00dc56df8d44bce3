"""The file `archspec/papers/<name>.yaml`: which spec stands for which row of a paper, and how the row counts."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast, final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from archspec.documents.kinds import PAPER, refuse_kind
from archspec.documents.paths import Place, put
from archspec.documents.reader import Document
from archspec.documents.safe_text import PlainLine, PlainText
from archspec.edits.hiri import to_hiri
from archspec.errors import FieldError, SpecError
from archspec.loader import find_document, parse
from archspec.spec.diagnosis import explain
from archspec.spec.schema import ArchSpec

NEAR = 1.0
"""A cell that differs by more percent than this is off, unless the file says otherwise."""
Whole = Annotated[int, Field(strict=True)]
_STRICT = ConfigDict(frozen=True, extra="forbid")


@final
class Family(BaseModel):
    """Options of parts where rows leave them open, and edits of the presets that rows start from."""

    model_config = _STRICT
    description: PlainText
    parts: dict[str, dict[str, Any]] = Field(default_factory=dict[str, dict[str, Any]])
    edits: dict[str, dict[str, Any]] = Field(default_factory=dict[str, dict[str, Any]])


@final
class WrittenRow(BaseModel):
    """One row of the file.

    Attributes:
        table, row: where it stands; together its name.
        label: its text in the paper; the row when empty.
        at: side of the square image, or [height, width].
        base: the preset or row that it starts from; alternatively `spec`, in row form.
        edits: by dotted path, in row form.
        head: what replaces the base's head; the base's own where the row does not say.
        transform: `hiri` puts HIRI-ViT's first stages in place of the embedding.
        convention: how its multiply-adds count, as `archspec flops --as` names it; null for the `paper_macs` of a cost.
        frozen: parts whose parameters the row leaves out: `stem`, `stages.0`, ...
        published: per table of `reports/published`, the cells that name one line.
        inferred: what the row adds to its base without the text saying so.
        off: why a cell cannot be met.
    """

    model_config = _STRICT
    table: PlainLine
    row: PlainLine | Whole
    label: PlainLine = ""
    at: Whole | tuple[Whole, Whole]
    base: str | None = None
    spec: dict[str, Any] | None = None
    edits: dict[str, Any] = Field(default_factory=dict[str, Any])
    head: dict[str, Any] | str | None = None
    transform: Literal["hiri"] | None = None
    convention: str | None = None
    frozen: tuple[str, ...] = ()
    published: dict[str, dict[str, Any]] = Field(default_factory=dict[str, dict[str, Any]])
    inferred: PlainText = ""
    off: PlainText = ""

    @property
    def name(self) -> str:
        return f"{self.table}-{self.row}"

    @model_validator(mode="after")
    def _check_transform(self) -> WrittenRow:
        if self.transform and not isinstance(self.at, int):
            raise ValueError("transform is for square images")
        return self


@final
class PaperFile(BaseModel):
    """A whole file.

    Attributes:
        title: of the paper.
        families: reconstructions of what the text leaves open, the first one being the presets'; none where nothing is.
        near: percent by which a cell may differ that is not off.
        headings: of tables that are not called Table and their name.
        notes: what holds for all rows, one line each.
        rows: in any order; the rows of a table are shown together.
    """

    model_config = _STRICT
    title: PlainLine
    families: dict[PlainLine, Family] = Field(default_factory=dict[str, Family])
    near: float = Field(NEAR, gt=0, strict=True)
    headings: dict[str, PlainLine] = Field(default_factory=dict[str, str])
    notes: tuple[PlainText, ...] = ()
    rows: tuple[WrittenRow, ...]


def read(document: Document) -> PaperFile:
    """The file in `document`.

    Raises:
        SpecError: malformed.
    """
    try:
        return PaperFile.model_validate(document.data)
    except ValidationError as error:
        refuse_kind(document, PAPER)
        known: dict[Place, set[str]] = {
            (): set(PaperFile.model_fields),
            ("rows", "*"): set(WrittenRow.model_fields),
        }
        raise explain(error, document, known) from None


@final
@dataclass(frozen=True)
class Specs:
    """The specs of rows, each made from a preset or from a row that stands anywhere in the file."""

    document: Document
    family: Family
    plans: Mapping[str, tuple[int, WrittenRow]]

    @classmethod
    def of(cls, document: Document, file: PaperFile, family: Family) -> Specs:
        """For the rows of `file`, which `document` holds."""
        return cls(document, family, {plan.name: (index, plan) for index, plan in enumerate(file.rows)})

    def spec(self, index: int, plan: WrittenRow) -> ArchSpec:
        """The spec of row `index`.

        Raises:
            SpecError: its base or edits lead nowhere, or a rule is broken.
        """
        data = _filled(self._data(index, plan, ()), self.family.parts)
        data["status"] = data.get("status", "own") if plan.convention else "reconstruction"
        own = {"name": plan.name, "description": plan.label}
        source = f"{self.document.source}: {plan.name:.80}"
        if not isinstance(plan.at, int):
            return parse(Document({**data, **own, "input": {"size": list(plan.at)}}, source))
        if plan.transform == "hiri":
            return to_hiri(parse(Document({**data, "resolution": plan.at // 2}, source))).model_copy(update=own)
        return parse(Document({**data, **own, "resolution": plan.at}, source))

    def error(self, index: int, key: str, rule: str) -> SpecError:
        """The error of one field of row `index`."""
        return self.document.refuse(("rows", index, key), rule)

    def _data(self, index: int, plan: WrittenRow, above: tuple[str, ...]) -> dict[str, Any]:
        """The row form of a row's spec, before the family's options."""
        base = plan.base or ""
        if (not base) == (plan.spec is None) or plan.name in above:
            raise self.error(index, "base", "a row needs a spec, or a base that does not lead back to it")
        if plan.spec is not None:
            data = deepcopy(plan.spec)
        elif base in self.plans:
            data = self._data(*self.plans[base], (*above, plan.name))
        else:
            try:
                data = deepcopy(find_document(base).data)
            except SpecError as error:
                raise self.error(index, "base", error.rule) from None
            self._edit(data, self.family.edits.get(base, {}), index)
        self._edit(data, plan.edits, index)
        return {**data, "head": plan.head} if "head" in plan.model_fields_set else data

    def _edit(self, data: dict[str, Any], edits: Mapping[str, Any], index: int) -> None:
        for path, value in edits.items():
            try:
                put(data, path, value)
            except FieldError as error:
                raise self.error(index, "edits", f"{error}") from None


def _filled(node: Any, options: Mapping[str, Mapping[str, Any]]) -> Any:
    """A copy of `node` in which parts have these options wherever they do not state others."""
    if isinstance(node, list):
        return [_filled(item, options) for item in cast("list[Any]", node)]
    if isinstance(node, dict):
        data = cast("dict[str, Any]", node)
        filled = {key: value if key == "type" else _filled(value, options) for key, value in data.items()}
        return {**options.get(str(data.get("type")), {}), **filled}
    return {"type": node, **options[node]} if isinstance(node, str) and node in options else node
