"""A case for `archspec infer`: choices that a paper leaves open, the specs they belong to, and its cost cells."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any, Literal, cast, final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from archspec.documents.kinds import CASE, refuse_kind
from archspec.documents.paths import Place, format_path, parse_path, suggest
from archspec.documents.reader import Document, is_file_name
from archspec.documents.safe_text import PlainLine, PlainText
from archspec.documents.shipped import Shelf
from archspec.documents.wording import show
from archspec.edits.edit import edit
from archspec.edits.patch import canonical
from archspec.edits.references import Edits, check_paths, resolve_edits, with_edits
from archspec.errors import FieldError, SpecError
from archspec.loader import load
from archspec.spec.diagnosis import explain, first_problem
from archspec.spec.schema import ArchSpec
from search.infer.printed_cells import PrintedCell, Quantity, parse_tolerance, parse_window

CASES = Shelf("case", "search.infer", "cases")
MAX_DESIGNS = 2_000_000
"""Most designs of a case: each is priced."""

Label = str | int | float | bool | None
"""What names an option."""


class _Strict(BaseModel, ABC):
    model_config = ConfigDict(frozen=True, extra="forbid")


@final
class _ChoiceFile(_Strict):
    path: str | None = None
    paths: list[str] | None = Field(default=None, min_length=1)
    times: str | None = None
    values: list[PlainLine | int | float | bool | None] | None = Field(default=None, min_length=1)
    options: dict[PlainLine, dict[str, Any]] | None = Field(default=None, min_length=1)


@final
class _SpecFile(_Strict):
    base: str
    edits: dict[str, Any] = Field(default_factory=dict[str, Any])


class _Cell(BaseModel, ABC):
    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: str
    resolution: int = Field(gt=0, le=16384, strict=True)
    params: Any = None
    macs: Any = None
    tolerance: dict[Quantity, Any] = Field(default_factory=dict[Quantity, Any])


@final
class _CellFile(_Cell):
    pass


@final
class _ExcludedFile(_Cell):
    reason: PlainText = Field(min_length=1)


@final
class _CaseFile(_Strict):
    name: PlainLine = "unnamed"
    description: PlainText = ""
    macs: Literal["paper_macs", "macs"] = "paper_macs"
    tolerance: dict[Quantity, Any] = Field(default_factory=dict[Quantity, Any])
    choices: dict[PlainLine, _ChoiceFile] = Field(min_length=1, max_length=30)
    specs: dict[PlainLine, _SpecFile] = Field(min_length=1)
    cells: list[_CellFile] = Field(min_length=1)
    excluded: list[_ExcludedFile] = Field(default_factory=list[_ExcludedFile])
    known: dict[PlainLine, dict[str, Any]] = Field(default_factory=dict[str, dict[str, Any]])

    @field_validator("choices", mode="before")
    @classmethod
    def _lists(cls, choices: Any) -> Any:
        return _spelt_out(choices, list, "values")

    @field_validator("specs", mode="before")
    @classmethod
    def _names(cls, specs: Any) -> Any:
        return _spelt_out(specs, str, "base")


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """One choice that the paper leaves open.

    Attributes:
        name: its name; where it is a plain list of values, the path that they go to.
        labels: a name for each option, in the order of the file.
        edits: for each spec that the choice belongs to, the edits of each option.
        place: where it stands in the case's file.
    """

    name: str
    labels: tuple[Label, ...]
    edits: dict[str, tuple[Edits, ...]]
    place: Place


@final
@dataclass(frozen=True, slots=True)
class Case:
    """Open choices and published figures. A design is an option of each choice, and holds for all specs at once.

    Attributes:
        name: for people.
        description: for people.
        macs: what is compared with the published MACs: a property of `archspec.cost.measure.NetworkCost`.
        tolerance: the tolerances of the whole case, as written.
        choices: what is open.
        specs: canonical data of each spec.
        cells: what a design must meet.
        excluded: cells that are reported only.
        known: designs with a name, as the index of the option of each choice.
        document: the file.
    """

    name: str
    description: str
    macs: Literal["paper_macs", "macs"]
    tolerance: dict[Quantity, str]
    choices: tuple[Choice, ...]
    specs: dict[str, dict[str, Any]]
    cells: tuple[PrintedCell, ...]
    excluded: tuple[PrintedCell, ...]
    known: dict[str, tuple[int, ...]]
    document: Document

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of options of each choice."""
        return tuple(len(choice.labels) for choice in self.choices)

    def spec(self, name: str, design: tuple[int, ...]) -> ArchSpec:
        """One of the specs under a design, the index of the option of each choice.

        Raises:
            SpecError: the design is impossible.
        """
        data = self.specs[name]
        try:
            for choice, option in zip(self.choices, design, strict=True):
                data = with_edits(data, choice.edits[name][option] if name in choice.edits else {})
            return ArchSpec.model_validate(data)
        except FieldError as error:
            raise SpecError(error.rule, field=error.field, source=name) from None
        except ValidationError as error:
            place, rule = first_problem(error)
            raise SpecError(rule, field=format_path(place), source=name) from None


def cases() -> tuple[str, ...]:
    """Names of the shipped cases."""
    return CASES.names()


def load_case(source: str) -> Case:
    """The case in a file, or a shipped one by its name.

    Raises:
        SpecError: neither, or a rule is broken.
    """
    return parse_case(CASES.find(source, f"{source!r:.80} is no file and no shipped case{suggest(source, cases())}"))


def parse_case(document: Document) -> Case:
    """The case in a document.

    Raises:
        SpecError: a rule is broken.
    """
    if not isinstance(document.data, dict):
        refuse_kind(document, CASE)
        rule = f"must be a mapping with choices, specs and cells, not {show(document.data)}"
        raise SpecError(rule, source=document.source, line=1)
    try:
        found = _CaseFile.model_validate(document.data)
    except ValidationError as error:
        refuse_kind(document, CASE)
        raise explain(error, document, {(): set(_CaseFile.model_fields)}) from None
    return _Reader(found, document).case()


def _check_variant(path: str, value: Any) -> None:
    """Refuse changes of a variant that are no values by dotted path."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in cast("dict[Any, Any]", value)):
        raise FieldError(path, f"must be values by dotted path, not {show(value)}")
    for inner in cast("dict[str, Any]", value):
        try:
            parse_path(inner)
        except FieldError as error:
            raise FieldError(path, f"{inner[:60]!r} {error.rule}") from None


def _spelt_out(entries: Any, short: type, key: str) -> Any:
    if not isinstance(entries, dict):
        return entries
    given = cast("dict[Any, Any]", entries)
    return {name: {key: entry} if isinstance(entry, short) else entry for name, entry in given.items()}


@final
class _Reader:
    """Turns what the file says into a case, with the place of what breaks a rule."""

    def __init__(self, found: _CaseFile, document: Document) -> None:
        self.found = found
        self.document = document

    def case(self) -> Case:
        found = self.found
        specs = {name: self._spec(name, entry) for name, entry in found.specs.items()}
        choices = tuple(self._choice(name, entry, specs) for name, entry in found.choices.items())
        count = prod(len(choice.labels) for choice in choices)
        if count > MAX_DESIGNS:
            raise self._error(("choices",), f"give {count:,} designs; at most {MAX_DESIGNS:,} can be priced")
        cells = self._cells("cells", found.cells)
        excluded = self._cells("excluded", found.excluded)
        known = {name: self._known(name, picks, choices) for name, picks in found.known.items()}
        tolerance: dict[Quantity, str] = {quantity: str(text) for quantity, text in found.tolerance.items()}
        return Case(
            found.name,
            found.description,
            found.macs,
            tolerance,
            choices,
            specs,
            cells,
            excluded,
            known,
            self.document,
        )

    def _error(self, place: Place, rule: str) -> SpecError:
        return self.document.refuse(place, rule)

    def _spec(self, name: str, entry: _SpecFile) -> dict[str, Any]:
        base = entry.base
        try:
            spec = load(self.document.beside(base) if is_file_name(base) else base)
        except SpecError as error:
            raise error if error.line else self._error(("specs", name, "base"), str(error)) from None
        try:
            return canonical(edit(spec, entry.edits) if entry.edits else spec)
        except SpecError as error:
            raise self._error(("specs", name, "edits", error.field), error.rule) from None

    def _choice(self, name: str, entry: _ChoiceFile, specs: dict[str, dict[str, Any]]) -> Choice:
        place = ("choices", name)
        if (entry.values is None) == (entry.options is None):
            raise self._error(place, "needs either values, a list, or options, edits by label")
        options = entry.options if entry.options is not None else self._values(name, entry)
        if entry.options is not None and (entry.path or entry.paths or entry.times):
            raise self._error(place, "options name their own paths: path, paths and times go with values")
        labels: tuple[Label, ...] = tuple(entry.values or options)
        if len({(type(label), label) for label in labels}) < len(labels):
            raise self._error(place, "lists an option twice")
        edits = {spec: self._edits(place, options, data) for spec, data in specs.items()}
        own = {spec: found for spec, found in edits.items() if any(found)}
        self._check_paths(place, options, specs)
        return Choice(name, labels, own, place)

    def _values(self, name: str, entry: _ChoiceFile) -> dict[Any, dict[str, Any]]:
        if entry.path and entry.paths:
            raise self._error(("choices", name), "path and paths cannot stand together")
        paths = entry.paths or [entry.path or name]
        times = entry.times
        values = enumerate(entry.values or [])
        return {
            key: dict.fromkeys(paths, value if times is None or value is None else {"of": times, "times": value})
            for key, value in values
        }

    def _edits(self, place: Place, options: dict[Any, dict[str, Any]], data: dict[str, Any]) -> tuple[Edits, ...]:
        try:
            return tuple(resolve_edits(data, edits, missing=True) for edits in options.values())
        except FieldError as error:
            raise self._error(place, f"{error.field}: {error.rule}") from None

    def _check_paths(self, place: Place, options: dict[Any, dict[str, Any]], specs: dict[str, dict[str, Any]]) -> None:
        for label, edits in options.items():
            for path, value in edits.items():
                try:
                    check_paths(list(specs.values()), path)
                    if parse_path(path)[0] == "variants" and value is not None:
                        _check_variant(path, value)
                except FieldError as error:
                    written = (*place, "options", label, path)
                    raise self._error(written, f"{path}: {error.rule}") from None

    def _cells(self, key: str, entries: Sequence[_Cell]) -> tuple[PrintedCell, ...]:
        cells: list[PrintedCell] = []
        for index, entry in enumerate(entries):
            place = (key, index)
            if entry.spec not in self.found.specs:
                hint = suggest(entry.spec, self.found.specs) or f"; known: {', '.join(self.found.specs)}"
                raise self._error((*place, "spec"), f"unknown spec {entry.spec!r:.40}{hint}")
            if entry.params is None and entry.macs is None:
                raise self._error(place, "needs params, macs or both")
            reason = entry.reason if isinstance(entry, _ExcludedFile) else ""
            quantities: tuple[Quantity, ...] = ("params", "macs")
            for quantity in quantities:
                figure = getattr(entry, quantity)
                if figure is not None:
                    tolerance = self._tolerance(place, entry, quantity)
                    try:
                        window = parse_window(figure, tolerance)
                    except ValueError as error:
                        raise self._error((*place, quantity), str(error)) from None
                    cells.append(PrintedCell(entry.spec, entry.resolution, quantity, window, reason))
        return tuple(cells)

    def _tolerance(self, place: Place, entry: _Cell, quantity: Quantity) -> Fraction:
        for where, given in ((place, entry.tolerance), ((), self.found.tolerance)):
            if quantity in given:
                try:
                    return parse_tolerance(given[quantity])
                except ValueError as error:
                    raise self._error((*where, "tolerance", quantity), str(error)) from None
        return Fraction(0)

    def _known(self, name: str, picks: dict[str, Any], choices: tuple[Choice, ...]) -> tuple[int, ...]:
        names = [choice.name for choice in choices]
        for pick in picks:
            if pick not in names:
                raise self._error(("known", name, pick), f"unknown choice{suggest(pick, names)}")
        design: list[int] = []
        for choice in choices:
            label = picks.get(choice.name, choice.labels[0])
            if label not in choice.labels:
                rule = f"has no option {show(label)}; known: {', '.join(map(show, choice.labels))}"
                raise self._error(("known", name, choice.name), rule)
            design.append(choice.labels.index(label))
        return tuple(design)
