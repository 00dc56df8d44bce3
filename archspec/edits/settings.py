"""Settings, `--set PATH=VALUE`: one value each by dotted path, written as YAML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from archspec.documents.paths import Place, parse_path
from archspec.documents.reader import Document, Origin, parse_document
from archspec.edits.draft import Draft
from archspec.edits.edit import edit
from archspec.errors import FieldError, SpecError
from archspec.spec.schema import ArchSpec


@final
@dataclass(frozen=True, slots=True)
class Setting:
    """One `--set`.

    Attributes:
        path: as written.
        place: what the path names.
        value: plain data.
    """

    path: str
    place: Place
    value: Any

    @property
    def option(self) -> str:
        """The option as messages name it."""
        return f"--set {self.path}"

    def refuse(self, error: FieldError) -> SpecError:
        """The rule that it breaks, in one line."""
        inner = "" if error.field in ("", self.path) else f"{error.field} "
        return SpecError(f"{inner}{error.rule}", field=self.path, option=self.option)


def parse_settings(texts: Sequence[str]) -> tuple[Setting, ...]:
    """The settings in texts such as `evaluator.recipe.epochs=1` or `stages[1].width={choice: [8, 16]}`.

    Raises:
        SpecError: no path, no value, or a value that is no YAML.
    """
    return tuple(map(_parse, texts))


def _parse(text: str) -> Setting:
    path, mark, value = text.partition("=")
    path = path.strip()
    option = f"--set {' '.join(path.split()):.80}"
    if not mark:
        raise SpecError("must be written PATH=VALUE, such as --set trials=50", field=path, option=option)
    try:
        place = parse_path(path)
    except FieldError as error:
        raise SpecError(error.rule, field=path, option=option) from None
    try:
        return Setting(path, place, parse_document(value, option).data)
    except SpecError as error:
        raise SpecError(f"{error.rule} (the value is read as YAML)", field=path, option=option) from None


def apply_settings(draft: Draft, settings: Sequence[Setting]) -> None:
    """Put settings, in their order, into a document.

    Raises:
        SpecError: a place that cannot be reached, with the option.
    """
    for setting in settings:
        try:
            draft.put(setting.place, Document(setting.value, "", {}, {(): Origin(option=setting.option)}))
        except FieldError as error:
            raise setting.refuse(error) from None


def edit_by_settings(spec: ArchSpec, settings: Sequence[Setting]) -> ArchSpec:
    """`spec` with settings made in their order.

    Raises:
        SpecError: a path that does not exist, or a spec that becomes impossible, with the option to blame.
    """
    try:
        return edit(spec, {setting.path: setting.value for setting in settings})
    except SpecError as error:
        raise SpecError(error.rule, field=error.field, option=f"--set {error.field}") from None
