"""A part of a data set for quick studies: some of its classes, and fewer images of each to train on."""

from collections.abc import Sequence
from pathlib import Path
from typing import final

from pydantic import BaseModel, ConfigDict, Field

from archspec.documents.paths import suggest
from archspec.documents.safe_text import printable
from archspec.errors import SpecError
from search.data.images.files import some
from search.seeding import mix


@final
class Subset(BaseModel):
    """Classes and images that a data set is reduced to; validation and test keep all images of those classes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_class: int | None = Field(
        default=None, ge=1, le=10_000_000, strict=True, description="most training images of a class; null for all"
    )
    only: tuple[str, ...] = Field(default=(), max_length=100_000, description="names of the classes; none for all")

    def __str__(self) -> str:
        parts = [] if self.per_class is None else [f"per_class {self.per_class}"]
        return ", ".join([*parts, *([f"only {some(self.only)}"] if self.only else [])])

    def choose(self, classes: Sequence[str]) -> list[str]:
        """Those of the classes that are wanted, in their order.

        Raises:
            SpecError: one of `only` is no class, or they are fewer than two.
        """
        for name in self.only:
            if name not in classes:
                rule = f"{printable(name)} is none of the {len(classes)} class folders{suggest(name, classes)}"
                raise SpecError(rule, field="subset.only")
        wanted = frozenset(self.only)
        if self.only and len(wanted) < 2:
            raise SpecError(f"must name at least two classes, not {len(wanted)}", field="subset.only")
        return [name for name in classes if not wanted or name in wanted]

    def reduce(self, files: list[list[str]]) -> int:
        """Take from each class of the training files what is too many, by a hash of the paths; how many these are."""
        most, taken = self.per_class, 0
        for members in files if most is not None else ():
            kept = sorted(sorted(members, key=lambda path: mix("subset", Path(path).as_posix()))[:most])
            taken += len(members) - len(kept)
            members[:] = kept
        return taken
