"""A search space is a spec with holes, and a layout is what fills them; see `search.space.holes` for what a hole is."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, cast, final

from archspec.documents.kinds import SPACE, SPEC, recognize, refuse_kind
from archspec.documents.paths import suggest
from archspec.documents.reader import Document
from archspec.documents.safe_text import check_line, check_text
from archspec.documents.shipped import Shelf
from archspec.edits.bases import derive
from archspec.errors import FieldError, SpecError
from archspec.loader import parse
from archspec.spec.schema import ArchSpec
from search.space.holes import (
    Hole,
    Params,
    Scalar,
    assignments,
    fill,
    filled_places,
    find_holes,
    is_hole,
    neighbours,
    open_holes,
)

SPACES = Shelf("space", "search.space", "spaces")
MAX_REPAIRS = 4_000
"""Layouts that are looked at for a repair; a larger number takes longer than anybody waits for a mistyped space."""
MAX_CHECKED = 64
"""Options of a hole that are known to give a possible spec."""


@final
@dataclass(frozen=True, slots=True)
class Layout:
    """A filled space: the spec, the parameters that give it, what was changed of those asked for, and why."""

    spec: ArchSpec
    params: Params
    repaired: tuple[str, ...] = ()
    reason: str = ""


Chooser = Callable[[Hole], Scalar]


@final
class Space:
    """A parsed space; every option of every hole is known to give a possible spec."""

    def __init__(self, document: Document) -> None:
        if not isinstance(document.data, dict):
            raise SpecError("a space must be a mapping: a spec with holes", source=document.source, line=1)
        self.document = document
        self.template = cast("dict[str, Any]", document.data)
        if is_hole(self.template):
            rule = "must be a spec with holes, not one hole: `family: {choice: ...}` chooses among whole layouts"
            raise document.refuse((), rule)
        self.name = self._text("name", "unnamed", check_line)
        self.description = self._text("description", "", check_text)
        self.holes = find_holes(self.template, (), (), document)
        if not self.holes:
            one = "this is a spec (one layout): " if recognize(self.template) == SPEC else ""
            rule = f"{one}a space needs at least one hole: {{choice: [...]}} or {{range: [low, high]}}"
            raise document.refuse((), rule)
        _check_options(self)

    def _text(self, field: str, default: str, check: Callable[[str], str]) -> str:
        try:
            return check(str(self.template.get(field, default)))
        except FieldError as error:
            raise self.document.refuse((field,), error.rule) from None

    def count(self) -> int:
        """Number of ways to fill the holes, exactly; layouts that need a repair included."""
        return prod(hole.count() for hole in self.holes)

    def fill(self, choose: Chooser, fixed: frozenset[str] = frozenset()) -> Layout:
        """The layout that `choose` picks, hole by hole; an impossible one is repaired.

        The repair changes as few holes as possible, then as little as possible, among the holes of the stage that
        is impossible, but none of `fixed`; it depends on nothing but the choice.

        Raises:
            SpecError: no repair exists.
        """
        params = self.choose(choose)
        try:
            return Layout(self.decode(params), params)
        except SpecError as error:
            return self._repair(params, error, fixed)

    def decode(self, params: Params) -> ArchSpec:
        """The spec that exactly these parameters give.

        Raises:
            SpecError: it breaks a rule.
        """
        filled = fill(self.template, (), params)
        return parse(self.document.moved(filled, filled_places(self.template, (), (), (), params)))

    def sample(self, rng: random.Random) -> Layout:
        """A layout with every hole filled uniformly at random."""
        return self.fill(lambda hole: rng.choice(hole.options))

    def enumerate(self) -> Iterator[Layout]:
        """Every way to fill the holes, in the order of the file; impossible ones are left out."""
        for params in assignments(self.holes):
            try:
                yield Layout(self.decode(params), params)
            except SpecError:
                continue

    def choose(self, choose: Chooser) -> Params:
        """The parameters that `choose` picks, hole by hole, those inside chosen options included; possible or not."""
        params: Params = {}
        stack = list(reversed(self.holes))
        while stack:
            hole = stack.pop()
            params[hole.path] = choose(hole)
            stack += reversed(hole.nested.get(params[hole.path], ()))
        return params

    def _repair(self, params: Params, error: SpecError, fixed: frozenset[str]) -> Layout:
        spec_error = error
        changed = dict(params)
        for _ in range(len(self.holes)):
            step = self._repair_once(changed, spec_error, fixed)
            if step is None:
                raise error
            changed, spec_error = step
            if spec_error is None:
                repaired = tuple(
                    f"{path}: {params[path]} -> {changed[path]}" for path in params if params[path] != changed[path]
                )
                return Layout(self.decode(changed), changed, repaired, "impossible")
        raise error

    def _repair_once(
        self, params: Params, error: SpecError, fixed: frozenset[str]
    ) -> tuple[Params, SpecError | None] | None:
        """The nearest parameters without `error`, and the next error if there is one."""
        known = {hole.path: hole for hole in open_holes(self.holes, params) if hole.path not in fixed}
        stage = _stage(error.field)
        near = [hole for path, hole in known.items() if _stage(path) == stage] or list(known.values())
        leaves = [hole for hole in near if not hole.nested]
        if not self._matter(leaves, params, error):
            return None
        matters = False  # whether any hole alone does
        for tries, (changes, candidate) in enumerate(neighbours(params, leaves)):
            if tries >= MAX_REPAIRS or (changes > 1 and not matters):
                return None
            try:
                self.decode(candidate)
            except SpecError as other:
                matters = matters or (other.field, other.rule) != (error.field, error.rule)
                if _stage(other.field) == stage:
                    continue
                return candidate, other
            return candidate, None
        return None

    def _matter(self, holes: list[Hole], params: Params, error: SpecError) -> bool:
        """Whether an error changes with all of `holes`; that of a list where a mapping is due does not."""
        others = {hole.path: [option for option in hole.options if option != params[hole.path]] for hole in holes}
        for place in (0, -1):
            changed = {path: options[place] for path, options in others.items() if options}
            try:
                self.decode({**params, **changed})
            except SpecError as other:
                if (other.field, other.rule) == (error.field, error.rule):
                    continue
            return True
        return False


def spaces() -> tuple[str, ...]:
    """Names of the shipped spaces."""
    return SPACES.names()


def find_space_document(source: str) -> Document:
    """The document of a space file, or of a shipped space by its name.

    Raises:
        SpecError: neither.
    """
    return SPACES.find(source, f"{source!r:.80} is no file and no shipped space{suggest(source, spaces())}")


def load_space(source: str) -> Space:
    """The space that a file or the name of a shipped space gives."""
    return parse_space(find_space_document(source))


def parse_space(document: Document) -> Space:
    """The space in a document, over its `base` and with what its `set` changes.

    Raises:
        SpecError: a base that is not found, a malformed hole, or an option that gives no possible spec.
    """
    refuse_kind(document, SPACE, SPEC)
    return Space(derive(document, find_space_document) if isinstance(document.data, dict) else document)


def _stage(path: str) -> str:
    """What a path speaks of: the stage's number, in row form and column form alike, or the first field."""
    match = re.search(r"\[(\d+)\]", path)
    return match[1] if match else path.split(".", maxsplit=1)[0]


def _check_options(space: Space) -> None:
    """Each option of each hole must give a spec, the others at their first option or, if need be, otherwise."""

    def first(forced: dict[str, Scalar]) -> Chooser:
        return lambda hole: forced.get(hole.path, hole.options[0])

    space.fill(first({}))
    batches = _batches(list(_options(space.holes, {})))
    while batches:
        batch = batches.pop()
        forced = {path: option for one in batch for path, option in one.items()}
        if len(batch) == 1:
            space.fill(first(forced), frozenset(forced))
            continue
        try:  # one layout that is possible shows it of all its options
            space.decode(space.choose(first(forced)))
        except SpecError:
            batches += [batch[len(batch) // 2 :], batch[: len(batch) // 2]]


def _options(holes: tuple[Hole, ...], forced: dict[str, Scalar]) -> Iterator[dict[str, Scalar]]:
    """What is to be chosen for each option of each hole, with the options around it."""
    for hole in holes:
        for option in hole.options[:MAX_CHECKED]:
            yield (inside := {**forced, hole.path: option})
            yield from _options(hole.nested.get(option, ()), inside)


def _batches(choices: list[dict[str, Scalar]]) -> list[list[dict[str, Scalar]]]:
    """Choices that can all be made in one layout together, the first ones last."""
    batches: list[list[dict[str, Scalar]]] = []
    while choices:
        made: dict[str, Scalar] = {}
        batch: list[dict[str, Scalar]] = []
        later: list[dict[str, Scalar]] = []
        for choice in choices:
            fits = all(made.get(path, option) == option for path, option in choice.items())
            (batch if fits else later).append(choice)
            if fits:
                made |= choice
        batches.insert(0, batch)
        choices = later
    return batches
