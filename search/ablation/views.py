"""Views of a plan: which edits are made together, and which row each row is compared with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, Literal, cast, final

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny, model_validator

from archspec.documents.paths import suggest
from archspec.documents.safe_text import PlainLine
from archspec.documents.wording import either
from archspec.errors import FieldError
from search.ablation.fractional import FractionalDesign, design
from search.plugins import parse_config

MAX_DESIGN = 1024


@final
@dataclass(frozen=True, slots=True)
class Combination:
    """A row before its spec is made.

    Attributes:
        label: for tables.
        edits: names of edits in the order in which they are made.
        against: index of the row of the same view that it is compared with; None for the reference.
    """

    label: str
    edits: tuple[str, ...]
    against: int | None


class View(BaseModel, ABC):
    """Rows of one table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Any
    name: str = Field(
        default="", pattern=r"^[A-Za-z0-9._-]*$", max_length=60, description="of its files; its type if empty"
    )
    title: PlainLine = Field(default="", max_length=200, description="of its table")
    edits: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="names of edits in order; all if left out"
    )

    @abstractmethod
    def combine(self, labels: Mapping[str, str], base: str) -> tuple[Combination, ...]:
        """The rows.

        Args:
            labels: the label of every edit of the plan, in the plan's order.
            base: label of the base.

        Raises:
            FieldError: an edit that the plan does not have, or too many rows.
        """

    def own_edits(self) -> dict[str, dict[str, Any]]:
        """Edits that the view makes up, by name: the paths and values of each."""
        return {}

    def design(self, labels: Mapping[str, str]) -> FractionalDesign | None:
        """The two-level design behind the rows, where there is one."""
        del labels
        return None

    def chosen(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        """The names of the view's edits in order.

        Raises:
            FieldError: a name that the plan does not have, or one that occurs twice.
        """
        names = self.edits if self.edits is not None else tuple(labels)
        return _known(names, labels, "edits")


@final
class Progressive(View):
    """One edit after the other, each row compared with the one before (as HIRI-ViT's Table VII)."""

    type: Literal["progressive"] = "progressive"

    def combine(self, labels: Mapping[str, str], base: str) -> tuple[Combination, ...]:
        names = self.chosen(labels)
        rows = [Combination(labels[name], names[: index + 1], index) for index, name in enumerate(names)]
        return (Combination(base, (), None), *rows)


@final
class LeaveOneOut(View):
    """All edits, and all but one, each compared with all."""

    type: Literal["leave_one_out"] = "leave_one_out"

    def combine(self, labels: Mapping[str, str], base: str) -> tuple[Combination, ...]:
        del base
        names = self.chosen(labels)
        rows = [Combination(f"without {labels[out]}", tuple(n for n in names if n != out), 0) for out in names]
        return (Combination("all edits", names, None), *rows)


@final
class LeaveOneIn(View):
    """The base, and one edit at a time, each compared with the base."""

    type: Literal["leave_one_in"] = "leave_one_in"

    def combine(self, labels: Mapping[str, str], base: str) -> tuple[Combination, ...]:
        rows = [Combination(labels[name], (name,), 0) for name in self.chosen(labels)]
        return (Combination(base, (), None), *rows)


@final
class Factorial(View):
    """Every combination of edits, or the 2^-p fraction of them that tells main effects apart best."""

    type: Literal["factorial"] = "factorial"
    fraction: int = Field(
        default=0, ge=0, le=8, strict=True, description="p: 2^(k-p) of the 2^k combinations; 0 for all"
    )
    generators: dict[str, tuple[str, ...]] = Field(
        default_factory=dict[str, tuple[str, ...]],
        description="edits whose column is the product of others' columns; chosen for the highest resolution if empty",
    )

    def combine(self, labels: Mapping[str, str], base: str) -> tuple[Combination, ...]:
        found = self.design(labels)
        kept = [tuple(n for n, on in zip(found.factors, run, strict=True) if on) for run in found.runs]
        rows = [" + ".join(labels[name] for name in names) or base for names in kept]
        return tuple(
            Combination(label, names, 0 if index else None)
            for index, (label, names) in enumerate(zip(rows, kept, strict=True))
        )

    def design(self, labels: Mapping[str, str]) -> FractionalDesign:
        names = self.chosen(labels)
        if 2 ** (len(names) - self.fraction) > MAX_DESIGN:
            rule = f"2^{len(names) - self.fraction} rows are more than {MAX_DESIGN}; raise fraction or name fewer edits"
            raise FieldError("fraction", rule)
        return design(names, self.fraction, self.generators or None)


@final
class ListedRow(BaseModel):
    """One row of an enumeration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: PlainLine = Field(default="", max_length=200, description="for the table; the labels of its edits if empty")
    edits: tuple[str, ...] = Field(default=(), description="names of edits in order")


def _listed(raw: Any) -> Any:
    return {"edits": raw} if isinstance(raw, list) else raw


@final
class Enumerate(View):
    """Listed rows, or every combination of listed values (as HIRI-ViT's Table VIII: kinds of blocks per stage)."""

    type: Literal["enumerate"] = "enumerate"
    rows: tuple[Annotated[ListedRow, BeforeValidator(_listed)], ...] = Field(
        default=(), max_length=MAX_DESIGN, description="edits of each row"
    )
    over: dict[str, tuple[Any, ...]] = Field(
        default_factory=dict[str, tuple[Any, ...]], description="values by dotted path; a row for each combination"
    )
    against: str = Field(
        default="", max_length=200, description="label of the reference row; the unedited or first if empty"
    )

    @model_validator(mode="after")
    def _check(self) -> Enumerate:
        if bool(self.rows) == bool(self.over):
            raise FieldError("rows", "view enumerate needs either rows (lists of edits) or over (values by path)")
        if self.edits is not None:
            raise FieldError("edits", "view enumerate names its edits in rows")
        return self

    def own_edits(self) -> dict[str, dict[str, Any]]:
        return {_made(path, value): {path: value} for path, values in self.over.items() for value in values}

    def combine(self, labels: Mapping[str, str], base: str) -> tuple[Combination, ...]:
        rows = [(row.label, _known(row.edits, labels, f"rows[{i}]")) for i, row in enumerate(self.rows)]
        if self.over:
            pairs = [[(path, value) for value in values] for path, values in self.over.items()]
            rows = [
                (", ".join(_value(value) for _, value in chosen), tuple(_made(*pair) for pair in chosen))
                for chosen in product(*pairs)
            ]
        texts = [label or " + ".join(labels[name] for name in names) or base for label, names in rows]
        reference = self._reference(texts, [names for _, names in rows])
        return tuple(
            Combination(text, names, None if index == reference else reference)
            for index, (text, (_, names)) in enumerate(zip(texts, rows, strict=True))
        )

    def _reference(self, texts: Sequence[str], edits: Sequence[tuple[str, ...]]) -> int:
        if not self.against:
            return next((index for index, names in enumerate(edits) if not names), 0)
        if self.against not in texts:
            hint = suggest(self.against, texts) or f"; there are {', '.join(texts[:8])}"
            raise FieldError("against", f"no row is called {self.against!r:.60}{hint}")
        return texts.index(self.against)


def _made(path: str, value: Any) -> str:
    return f"{path} = {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        return str(given["type"]) if list(given) == ["type"] else _flow(given)
    return value if isinstance(value, str) else _flow(value)


def _flow(value: Any) -> str:
    """`value` as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def _known(names: Sequence[str], labels: Mapping[str, str], field: str) -> tuple[str, ...]:
    for index, name in enumerate(names):
        if name not in labels:
            hint = suggest(name, labels) or f"; there are {', '.join(labels) or 'none'}"
            raise FieldError(field, f"names no edit of the plan: {name!r:.60}{hint}")
        if name in names[:index]:
            raise FieldError(field, f"names {name!r:.60} twice")
    return tuple(names)


VIEWS: tuple[type[View], ...] = (Progressive, LeaveOneOut, LeaveOneIn, Factorial, Enumerate)


def parse_view(raw: object) -> View:
    """A view from its type, from a mapping with `type`, or from itself.

    Raises:
        FieldError: the first field that breaks a rule.
    """
    return parse_config(raw, "view", _find)


def _find(name: str) -> type[View]:
    types = {kind.model_fields["type"].default: kind for kind in VIEWS}
    if name not in types:
        raise FieldError("type", f"unknown view {name!r:.40}{suggest(name, types)}: must be {either(types)}")
    return types[name]


AnyView = Annotated[SerializeAsAny[View], BeforeValidator(parse_view)]
"""Type of a pydantic field that holds whichever view its `type` names; a bare type is the view at its defaults."""
