"""Files that ship inside a package and are called by their names: presets, spaces, studies, plans, cases, recipes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import final

from archspec.documents.reader import Document, is_file_name, parse_document, read_document
from archspec.errors import SpecError


@final
@dataclass(frozen=True, slots=True)
class Shelf:
    """A folder of shipped files.

    Attributes:
        noun: what one of them is, in messages: `plan`.
        package: the package that holds the folder.
        folder: its name.
        ending: of the files' names; the rest is what they are called.
    """

    noun: str
    package: str
    folder: str
    ending: str = ".yaml"

    def names(self) -> tuple[str, ...]:
        """Names of the shipped files, in alphabetical order."""
        entries = (entry.name for entry in (files(self.package) / self.folder).iterdir())
        return tuple(sorted(name.removesuffix(self.ending) for name in entries if name.endswith(self.ending)))

    def file(self, name: str) -> Traversable:
        """The shipped file of that name."""
        return files(self.package) / self.folder / f"{name}{self.ending}"

    def read(self, name: str) -> Document:
        """The shipped YAML document of that name."""
        return parse_document(self.file(name).read_bytes(), name)

    def find(self, source: str, rule: str) -> Document:
        """The document in a file, or the shipped one of that name.

        Args:
            source: a name or a path.
            rule: what is said of a `source` that is neither.

        Raises:
            SpecError: neither, or a file that cannot be read.
        """
        path = Path(source)
        if source in self.names() and not os.path.isfile(path):
            return self.read(source)
        if not os.path.exists(path):
            if not is_file_name(source):
                raise SpecError(rule)
            self.refuse_path(source)
        return read_document(path)

    def refuse_path(self, source: str) -> None:
        """Refuse the path of a file that does not exist, where what it names is shipped.

        Raises:
            SpecError: it is.
        """
        if Path(source).stem in self.names():
            rule = f"no such file; the {self.noun} is called {Path(source).stem}, without folder and ending"
            raise SpecError(rule, source=source)
