"""A search space is a spec with holes, and a layout is what fills them.

A hole is `{choice: [a, b, ...]}`, `{choice: {label: sub-spec, ...}}` where what depends on the choice stands under
its label (holes inside included), or `{range: [low, high]}` / `{range: [low, high, step]}` with both ends included.
The parameter of a hole is the dotted path where it stands, such as `stages[3].width`, or `stages[3].block.T.heads`
under a label.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import combinations, product
from math import prod
from pathlib import Path
from typing import Any, cast, final

from archspec.document import Document, Place, parse_document, read_document
from archspec.errors import SpecError
from archspec.loader import parse
from archspec.paths import format_path, suggest
from archspec.schema import ArchSpec

Scalar = None | bool | int | float | str
Params = dict[str, Scalar]

MAX_REPAIRS = 20_000


@final
@dataclass(frozen=True, slots=True)
class Hole:
    """An open value of a space.

    Attributes:
        path: dotted path, the name of the trial's parameter.
        options: what the parameter may be, in the order of the file.
        ordered: whether it is a range, whose options are numbers in order.
        nested: the holes that are open only under an option.
    """

    path: str
    options: tuple[Scalar, ...]
    ordered: bool
    nested: dict[Scalar, tuple[Hole, ...]] = field(default_factory=dict[Scalar, "tuple[Hole, ...]"], hash=False)

    def count(self) -> int:
        """Number of ways to fill this hole and those inside it."""
        return sum(prod(hole.count() for hole in self.nested.get(option, ())) for option in self.options)


@final
@dataclass(frozen=True, slots=True)
class Layout:
    """A filled space: the spec, the parameters that give it, and what had to be repaired to make it possible."""

    spec: ArchSpec
    params: Params
    repaired: tuple[str, ...] = ()


Chooser = Callable[[Hole], Scalar]


@final
class Space:
    """A parsed space; every option of every hole is known to give a possible spec."""

    def __init__(self, document: Document) -> None:
        if not isinstance(document.data, dict):
            raise SpecError("a space must be a mapping: a spec with holes", source=document.source, line=1)
        self.document = document
        self.template = cast("dict[str, Any]", document.data)
        self.name = str(self.template.get("name", "unnamed"))
        self.description = str(self.template.get("description", ""))
        self.holes = _find_holes(self.template, (), (), document)
        if not self.holes:
            raise SpecError("a space needs at least one hole: {choice: [...]} or {range: [low, high]}", **_at(document))
        _check_options(self)

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
        params = self._choose(choose)
        try:
            return Layout(self.decode(params), params)
        except SpecError as error:
            return self._repair(params, error, fixed)

    def decode(self, params: Params) -> ArchSpec:
        """The spec that exactly these parameters give.

        Raises:
            SpecError: it breaks a rule.
        """
        filled = _fill(self.template, (), params)
        lines = _filled_lines(self.template, (), (), (), params, self.document)
        return parse(Document(filled, self.document.source, dict(lines)))

    def sample(self, rng: random.Random) -> Layout:
        """A layout with every hole filled uniformly at random."""
        return self.fill(lambda hole: rng.choice(hole.options))

    def enumerate(self) -> Iterator[Layout]:
        """Every way to fill the holes, in the order of the file; impossible ones are left out."""
        for params in _assignments(self.holes):
            try:
                yield Layout(self.decode(params), params)
            except SpecError:
                continue

    def _choose(self, choose: Chooser) -> Params:
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
                return Layout(self.decode(changed), changed, repaired)
        raise error

    def _repair_once(
        self, params: Params, error: SpecError, fixed: frozenset[str]
    ) -> tuple[Params, SpecError | None] | None:
        """The nearest parameters without `error`, and the next error if there is one."""
        known = {hole.path: hole for hole in _open_holes(self.holes, params) if hole.path not in fixed}
        stage = error.field.split(".")[0]
        near = [hole for path, hole in known.items() if path.startswith(stage)] or list(known.values())
        for tries, candidate in enumerate(_neighbours(params, near)):
            if tries >= MAX_REPAIRS:
                return None
            try:
                self.decode(candidate)
            except SpecError as other:
                if other.field.split(".")[0] == stage:
                    continue
                return candidate, other
            return candidate, None
        return None


def has_holes(data: Any) -> bool:
    """Whether plain data holds a `choice` or `range`."""
    if _is_hole(data):
        return True
    if isinstance(data, dict):
        return any(has_holes(value) for value in cast("dict[Any, Any]", data).values())
    return isinstance(data, list) and any(has_holes(value) for value in cast("list[Any]", data))


def spaces() -> tuple[str, ...]:
    """Names of the shipped spaces."""
    folder = files("search") / "spaces"
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def find_space_document(source: str) -> Document:
    """The document of a space file, or of a shipped space by its name.

    Raises:
        SpecError: neither.
    """
    if source in spaces():
        return parse_document((files("search") / "spaces" / f"{source}.yaml").read_bytes(), source)
    if Path(source).suffix.lower() not in (".yaml", ".yml", ".json") and not Path(source).exists():
        raise SpecError(f"{source!r:.80} is no file and no shipped space{suggest(source, spaces())}")
    return read_document(Path(source))


def load_space(source: str) -> Space:
    """The space that a file or the name of a shipped space gives."""
    return parse_space(find_space_document(source))


def parse_space(document: Document) -> Space:
    """The space in a document.

    Raises:
        SpecError: a malformed hole, or an option that gives no possible spec.
    """
    return Space(document)


def _is_hole(data: Any) -> bool:
    return isinstance(data, dict) and len(cast("dict[Any, Any]", data)) == 1 and next(iter(data)) in ("choice", "range")


def _find_holes(data: Any, place: Place, name: Place, document: Document) -> tuple[Hole, ...]:
    if _is_hole(data):
        kind, value = next(iter(cast("dict[str, Any]", data).items()))
        if kind == "range":
            return (Hole(format_path(name), _range(value, place, document), ordered=True),)
        return (_choice(value, place, name, document),)
    if isinstance(data, dict):
        items: list[tuple[Any, Any]] = list(cast("dict[Any, Any]", data).items())
    elif isinstance(data, list):
        items = list(enumerate(cast("list[Any]", data)))
    else:
        return ()
    found = [_find_holes(value, (*place, key), (*name, key), document) for key, value in items]
    return tuple(hole for holes in found for hole in holes)


def _choice(value: Any, place: Place, name: Place, document: Document) -> Hole:
    options = _options(value)
    if options is None or len(options) < 1:
        rule = "must be a list of values or a mapping of labels to sub-specs, with at least one entry"
        raise SpecError(rule, field=f"{format_path(name)}.choice", **_at(document, place))
    labels = [label for label, _ in options]
    twice = next((label for index, label in enumerate(labels) if label in labels[:index]), None)
    if twice is not None:
        raise SpecError(f"option {twice!r} occurs twice", field=format_path(name), **_at(document, place))
    nested = {
        label: _find_holes(sub, (*place, "choice", str(label)), (*name, str(label)), document) for label, sub in options
    }
    return Hole(format_path(name), tuple(labels), ordered=False, nested={k: v for k, v in nested.items() if v})


def _options(value: Any) -> list[tuple[Scalar, Any]] | None:
    """Labels and sub-specs of a choice; a list inside a list is labelled by its text."""
    if isinstance(value, dict):
        return [(str(label), sub) for label, sub in cast("dict[Any, Any]", value).items()]
    if not isinstance(value, list):
        return None
    entries = cast("list[Any]", value)
    return [(entry if not isinstance(entry, dict | list) else _text(entry), entry) for entry in entries]


def _text(entry: Any) -> str:
    if isinstance(entry, list):
        return "+".join(_text(item) for item in cast("list[Any]", entry))
    if isinstance(entry, dict):
        return ",".join(
            f"{value}" if key == "type" else f"{key}={value}" for key, value in cast("dict[Any, Any]", entry).items()
        )
    return str(entry)


def _range(value: Any, place: Place, document: Document) -> tuple[Scalar, ...]:
    bounds = cast("list[Any]", value) if isinstance(value, list) else []
    numbers = [bound for bound in bounds if isinstance(bound, int | float) and not isinstance(bound, bool)]
    field = f"{format_path(place)}.range"
    if len(bounds) not in (2, 3) or len(numbers) != len(bounds):
        raise SpecError(
            f"must be [low, high] or [low, high, step], not {value!r:.60}", field=field, **_at(document, place)
        )
    low, high, step = (*numbers, 1)[:3]
    if low > high or step <= 0:
        raise SpecError(
            f"must go up from low to high by a positive step, not {value!r:.60}", field=field, **_at(document, place)
        )
    steps = int((high - low) / step + 1e-9)
    if steps > 10_000:
        raise SpecError(f"must have at most 10000 values, not {steps + 1}", field=field, **_at(document, place))
    return tuple(low + index * step for index in range(steps + 1))


def _fill(data: Any, name: Place, params: Params) -> Any:
    if _is_hole(data):
        sub, label = _chosen(data, name, params)
        return _fill(sub, (*name, label), params)
    if isinstance(data, dict):
        entries = cast("dict[Any, Any]", data)
        return {key: _fill(value, (*name, key), params) for key, value in entries.items()}
    if isinstance(data, list):
        return [_fill(value, (*name, index), params) for index, value in enumerate(cast("list[Any]", data))]
    return data


def _filled_lines(
    data: Any, place: Place, name: Place, filled: Place, params: Params, document: Document
) -> Iterator[tuple[Place, int]]:
    """Where in the space file each value of the filled spec comes from: pairs of place in the spec and line."""
    line = document.line(place)
    if line is not None:
        yield filled, line
    if _is_hole(data):
        sub, label = _chosen(data, name, params)
        yield from _filled_lines(sub, (*place, "choice", label), (*name, label), filled, params, document)
        return
    entries = enumerate(cast("list[Any]", data)) if isinstance(data, list) else ()
    entries = cast("dict[Any, Any]", data).items() if isinstance(data, dict) else entries
    for key, value in entries:
        yield from _filled_lines(value, (*place, key), (*name, key), (*filled, key), params, document)


def _chosen(data: Any, name: Place, params: Params) -> tuple[Any, str]:
    """What fills a hole, and its label."""
    kind, value = next(iter(cast("dict[str, Any]", data).items()))
    chosen = params[format_path(name)]
    return (chosen if kind == "range" else dict(_options(value) or [])[chosen]), str(chosen)


def _open_holes(holes: tuple[Hole, ...], params: Params) -> Iterator[Hole]:
    for hole in holes:
        yield hole
        yield from _open_holes(hole.nested.get(params[hole.path], ()), params)


def _assignments(holes: tuple[Hole, ...]) -> Iterator[Params]:
    if not holes:
        yield {}
        return
    first, rest = holes[0], holes[1:]
    for option in first.options:
        for inner in _assignments(first.nested.get(option, ())):
            for other in _assignments(rest):
                yield {first.path: option, **inner, **other}


def _neighbours(params: Params, holes: list[Hole]) -> Iterator[Params]:
    """Parameters with one hole changed, then two, ..., nearer options first; holes without others inside them only."""
    leaves = [hole for hole in holes if not hole.nested]
    moves = {hole.path: _nearest(hole, params[hole.path]) for hole in leaves}
    for changes in range(1, len(leaves) + 1):
        candidates: list[tuple[int, tuple[tuple[str, Scalar], ...]]] = []
        for paths in _combinations(list(moves), changes):
            for steps in product(*(enumerate(moves[path]) for path in paths)):
                distance = sum(rank for rank, _ in steps)
                candidates.append((distance, tuple(zip(paths, (option for _, option in steps), strict=True))))
                if len(candidates) > MAX_REPAIRS:
                    break
        for _, change in sorted(candidates, key=lambda candidate: candidate[0]):
            yield {**params, **dict(change)}


def _combinations(paths: list[str], count: int) -> Iterator[tuple[str, ...]]:
    # What stands deeper gives way first (heads before widths), then what stands later.
    order = sorted(reversed(paths), key=lambda path: -path.count("."))
    yield from combinations(order, count)


def _nearest(hole: Hole, value: Scalar) -> list[Scalar]:
    others = [option for option in hole.options if option != value]
    if isinstance(value, int | float) and all(isinstance(option, int | float) for option in others):
        numbers = cast("list[float]", others)
        return cast("list[Scalar]", sorted(numbers, key=lambda option: (abs(option - value), option)))
    return others


def _check_options(space: Space) -> None:
    """Each option of each hole must give a spec, the others at their first option or, if need be, repaired."""

    def first(forced: dict[str, Scalar]) -> Chooser:
        return lambda hole: forced.get(hole.path, hole.options[0])

    pending: list[tuple[Hole, dict[str, Scalar]]] = [(hole, {}) for hole in space.holes]
    space.fill(first({}))
    while pending:
        hole, forced = pending.pop()
        for option in hole.options[:64]:
            inside = {**forced, hole.path: option}
            space.fill(first(inside), frozenset(inside))
            pending += [(inner, inside) for inner in hole.nested.get(option, ())]


def _at(document: Document, place: Place = ()) -> dict[str, Any]:
    return {"source": document.source, "line": document.line(place)}
