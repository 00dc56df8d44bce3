"""Holes: the open values of a space; finding them in plain data, and filling them.

A hole is `{choice: [a, b, ...]}`, `{choice: {label: sub-spec, ...}}` where what depends on the choice stands under
its label (holes inside included), or `{range: [low, high]}` / `{range: [low, high, step]}` with both ends included.
The parameter of a hole is the dotted path where it stands, such as `stages[3].width`, or `stages[3].block.T.heads`
under a label.

At the top, `family: {choice: {label: fields, ...}}` chooses among whole layouts: the fields under the chosen label
join those that stand beside it, and take the place of fields of the same name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations, islice, product
from math import prod
from typing import Any, cast, final

from archspec.documents.paths import format_path
from archspec.documents.reader import Document, Place
from archspec.documents.safe_text import printable

FAMILY = "family"
"""The field of a space, not of a spec, that chooses among whole layouts."""

Scalar = None | bool | int | float | str
Params = dict[str, Scalar]

MAX_CANDIDATES = 20_000
"""Changes of as many holes among which the nearest come first."""
MAX_VALUES = 10_000
"""Values of a range."""
MAX_NUMBER = 10**15


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


def steps_by(hole: Hole) -> int | None:
    """The step of a range of integers; None for any other hole."""
    if not hole.ordered or not all(isinstance(option, int) for option in hole.options):
        return None
    low, *more = cast("tuple[int, ...]", hole.options)
    return more[0] - low if more else 1


def has_holes(data: Any) -> bool:
    """Whether plain data holds a `choice` or `range`."""
    if is_hole(data):
        return True
    if isinstance(data, dict):
        return any(has_holes(value) for value in cast("dict[Any, Any]", data).values())
    return isinstance(data, list) and any(has_holes(value) for value in cast("list[Any]", data))


def is_hole(data: Any) -> bool:
    return isinstance(data, dict) and len(cast("dict[Any, Any]", data)) == 1 and next(iter(data)) in ("choice", "range")


def find_holes(data: Any, place: Place, name: Place, document: Document) -> tuple[Hole, ...]:
    """The holes in `data`, which stands at `place` in the document and under `name` in the space."""
    if is_hole(data):
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
    found = [find_holes(value, (*place, key), (*name, key), document) for key, value in items]
    return tuple(hole for holes in found for hole in holes)


def _choice(value: Any, place: Place, name: Place, document: Document) -> Hole:
    options = _options(value)
    if options is None or len(options) < 1:
        rule = "must be a list of values or a mapping of labels to sub-specs, with at least one entry"
        raise document.refuse(place, rule, f"{format_path(name)}.choice")
    labels = [label for label, _ in options]
    counts = Counter(labels)
    if len(counts) < len(labels):
        twice = next(label for label in labels if counts[label] > 1)
        raise document.refuse(place, f"option {twice!r:.60} occurs twice", format_path(name))
    raw = next((label for label in labels if isinstance(label, str) and printable(label) != label), None)
    if raw is not None:
        raise document.refuse(place, f"option {raw!r:.60} must be plain text", format_path(name))
    odd = next((label for label, sub in options if name == (FAMILY,) and not isinstance(sub, dict)), None)
    if odd is not None:
        rule = f"option {odd!r:.60} of the family must be a mapping of fields of the spec"
        raise document.refuse(place, rule, f"{FAMILY}.choice")
    nested = {
        label: find_holes(sub, (*place, "choice", str(label)), (*name, str(label)), document) for label, sub in options
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
        raise document.refuse(place, f"must be [low, high] or [low, high, step], not {value!r:.60}", field)
    low, high, step = (*numbers, 1)[:3]
    if not all(abs(number) <= MAX_NUMBER for number in numbers):  # nor does .nan
        raise document.refuse(place, f"must be numbers of at most {MAX_NUMBER:.0e}, not {value!r:.60}", field)
    if low > high or step <= 0:
        raise document.refuse(place, f"must go up from low to high by a positive step, not {value!r:.60}", field)
    steps = (high - low) / step + 1e-9
    if steps >= MAX_VALUES:
        count = f"{int(steps) + 1}" if steps < MAX_NUMBER else "more than can be counted"
        raise document.refuse(place, f"must have at most {MAX_VALUES} values, not {count}", field)
    return tuple(low + index * step for index in range(int(steps) + 1))


def fill(data: Any, name: Place, params: Params) -> Any:
    """`data` with its holes replaced by what `params` choose."""
    if is_hole(data):
        sub, label = _chosen(data, name, params)
        return fill(sub, (*name, label), params)
    if isinstance(data, dict):
        entries = cast("dict[Any, Any]", data)
        filled = {key: fill(value, (*name, key), params) for key, value in entries.items()}
        return filled | filled.pop(FAMILY) if _has_family(entries, name) else filled
    if isinstance(data, list):
        return [fill(value, (*name, index), params) for index, value in enumerate(cast("list[Any]", data))]
    return data


def filled_places(data: Any, place: Place, name: Place, filled: Place, params: Params) -> Iterator[tuple[Place, Place]]:
    """The origin in the space of each value of the filled spec: pairs of place in the spec and in the space."""
    yield filled, place
    if is_hole(data):
        sub, label = _chosen(data, name, params)
        yield from filled_places(sub, (*place, "choice", label), (*name, label), filled, params)
        return
    entries = enumerate(cast("list[Any]", data)) if isinstance(data, list) else ()
    entries = cast("dict[Any, Any]", data).items() if isinstance(data, dict) else entries
    for key, value in entries:
        inside = filled if key == FAMILY and _has_family(data, name) else (*filled, key)
        yield from filled_places(value, (*place, key), (*name, key), inside, params)


def _has_family(data: Any, name: Place) -> bool:
    return name == () and isinstance(data, dict) and is_hole(cast("dict[Any, Any]", data).get(FAMILY))


def _chosen(data: Any, name: Place, params: Params) -> tuple[Any, str]:
    """What fills a hole, and its label."""
    kind, value = next(iter(cast("dict[str, Any]", data).items()))
    chosen = params[format_path(name)]
    return (chosen if kind == "range" else dict(_options(value) or [])[chosen]), str(chosen)


def open_holes(holes: tuple[Hole, ...], params: Params) -> Iterator[Hole]:
    """The holes that are open under `params`, those inside chosen options included."""
    for hole in holes:
        yield hole
        yield from open_holes(hole.nested.get(params[hole.path], ()), params)


def assignments(holes: tuple[Hole, ...]) -> Iterator[Params]:
    """Every way to fill `holes`, in the order of the file."""
    if not holes:
        yield {}
        return
    first, rest = holes[0], holes[1:]
    for option in first.options:
        for inner in assignments(first.nested.get(option, ())):
            for other in assignments(rest):
                yield {first.path: option, **inner, **other}


def neighbours(params: Params, holes: list[Hole]) -> Iterator[tuple[int, Params]]:
    """Parameters with one hole changed, then two, ..., nearer options first, each with the number of changes.

    Holes without others inside them only; of the ways to change so many holes, the first `MAX_CANDIDATES`.
    """
    leaves = [hole for hole in holes if not hole.nested]
    moves = {hole.path: _nearest(hole, params[hole.path]) for hole in leaves}
    for changes in range(1, len(leaves) + 1):
        every = (
            (sum(rank for rank, _ in steps), tuple(zip(paths, (option for _, option in steps), strict=True)))
            for paths in _combinations(list(moves), changes)
            for steps in product(*(enumerate(moves[path]) for path in paths))
        )
        for _, change in sorted(islice(every, MAX_CANDIDATES), key=lambda candidate: candidate[0]):
            yield changes, {**params, **dict(change)}


def _combinations(paths: list[str], count: int) -> Iterator[tuple[str, ...]]:
    # What stands deeper gives way first (heads before widths), then what stands later.
    order = sorted(paths, key=lambda path: path.count("."))[::-1]
    yield from combinations(order, count)


def _nearest(hole: Hole, value: Scalar) -> list[Scalar]:
    others = [option for option in hole.options if option != value]
    if isinstance(value, int | float) and all(isinstance(option, int | float) for option in others):
        numbers = cast("list[float]", others)
        return cast("list[Scalar]", sorted(numbers, key=lambda option: (abs(option - value), option)))
    return others
