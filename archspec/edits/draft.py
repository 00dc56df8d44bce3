"""A document under change: values put at dotted paths, over the short forms in which people write it.

Where a path goes on behind a word, the word is spelt out: `evaluator: train` as `{type: train}`, `recipe: small` as
`{base: small}`. A part that is left out is made where the model of the document has one: `recipe.epochs` makes
`recipe`. What is put is not validated here: the model does that, and its errors say where each value came from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from typing import Annotated, Any, cast, final, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from archspec.documents.paths import NOTHING, Place, entry, format_path, get, suggest
from archspec.documents.reader import Document, Origin
from archspec.documents.wording import show
from archspec.errors import ArchspecError, FieldError
from blocks.catalog import find_part

Opener = Callable[[Document], Document]
"""Gives the document that a field of the top names, such as the space of a study."""
NAMES = ("type", "base")
"""Keys of a mapping that say what it is; one that says something else replaces what it would be laid over."""


@final
class Draft:
    """A copy of a document that can be changed.

    Args:
        document: what is changed, a mapping.
        model: the model of the whole document; None where any field may stand anywhere.
        openers: for fields of the top that may name a file: what gives its content once a path leads into it.
    """

    def __init__(
        self, document: Document, model: type[BaseModel] | None = None, openers: Mapping[str, Opener] | None = None
    ) -> None:
        self._data: dict[Any, Any] = deepcopy(document.data)
        self._source = document.source
        self._lines, self._origins = dict(document.lines), dict(document.origins)
        self._model, self._openers = model, openers or {}

    @property
    def document(self) -> Document:
        """The document as it is now."""
        return Document(self._data, self._source, self._lines, self._origins)

    def put(self, place: Place, value: Document) -> None:
        """Put a value, whose document says where it comes from, at a place.

        Raises:
            FieldError: the place cannot be reached.
        """
        node = self._reach(place[:-1])
        _child(node, place)  # a list gets no further entries
        node[place[-1]] = deepcopy(value.data)
        self._adopt(place, value)

    def lay(self, over: Document, *, whole: Collection[str] = (), skip: Collection[str] = ()) -> None:
        """Lay the mapping `over` over this one: its values count, and mappings are laid over mappings.

        Args:
            over: a document that holds a mapping.
            whole: fields of the top that replace what stands there, mappings too.
            skip: fields of the top that are left alone.
        """
        for key, value in cast("dict[Any, Any]", over.data).items():
            if key not in skip:
                self._lay(over, (key,), value, whole=key in whole)

    def _lay(self, over: Document, place: Place, value: Any, *, whole: bool) -> None:
        if not whole and isinstance(value, dict) and value and self._meets(place, cast("dict[Any, Any]", value)):
            for key, inner in cast("dict[Any, Any]", value).items():
                self._lay(over, (*place, key), inner, whole=False)
        else:
            self.put(place, part_of(over, place))

    def _meets(self, place: Place, value: dict[Any, Any]) -> bool:
        """Whether a mapping of the same kind stands at `place`, so that `value` is laid over it."""
        if get(self._data, place) in (NOTHING, None):
            return False
        try:
            node = self._reach(place)
        except FieldError:
            return False
        return isinstance(node, dict) and all(value.get(key, node.get(key)) == node.get(key) for key in NAMES)

    def _reach(self, place: Place) -> Any:
        """The mapping or list at `place`; words on the way are spelt out, and parts that are left out are made."""
        node: Any = self._data
        part: Any = self._model
        for depth, step in enumerate(place):
            here = place[: depth + 1]
            if depth == 0:
                self._open(step)
            inner = _inner(part, node, step)
            node = self._enter(node, here, _fields(part), inner)
            part = inner
        return node

    def _open(self, key: str | int) -> None:
        """Replace what a field of the top names by what it names."""
        value = self._data.get(key)
        named = isinstance(value, str) or (isinstance(value, dict) and not {"base", "set"}.isdisjoint(value))
        if named and key in self._openers:
            opened = self._openers[str(key)](self.document)
            self._data[key] = deepcopy(opened.data)
            self._adopt((key,), opened)

    def _enter(self, node: Any, here: Place, known: Mapping[str, FieldInfo], part: Any) -> Any:
        step, child, fields = here[-1], _child(node, here), _fields(part)
        if child is None and (fields or isinstance(part, Mapping) or (part is None and step in known)):
            kind = getattr(part, "type", None) if isinstance(part, BaseModel) and step not in node else None
            child = node[step] = {} if kind is None else {"type": kind}
        elif isinstance(child, str) and (fields or find_part(child) is not None):
            child = node[step] = {"type" if "type" in fields or not fields else "base": child}
        if isinstance(child, dict | list):
            return cast("Any", child)
        if step not in node:
            raise FieldError(format_path(here), f"does not exist{suggest(str(step), map(str, known or node))}")
        raise FieldError(format_path(here), f"is {show(child)}, which has no fields")

    def _adopt(self, place: Place, value: Document) -> None:
        """Note where what stands at `place` comes from now."""
        for known in (self._lines, self._origins):
            for below in [one for one in known if one[: len(place)] == place]:
                del known[below]
        self._lines |= {(*place, *inner): line for inner, line in value.lines.items()}
        if value.source != self._source:
            self._origins |= {(*place, *inner): Origin(value.source) for inner in value.lines}
        self._origins |= {(*place, *inner): origin for inner, origin in value.origins.items()}


def part_of(document: Document, place: Place) -> Document:
    """The value at a place, as a document of its own with lines and origins."""
    inside = [one for one in {**document.lines, **document.origins} if one[: len(place)] == place]
    moved = ((one[len(place) :], one) for one in (place, *inside))
    return document.moved(get(document.data, place), moved)


def _child(node: Any, here: Place) -> Any:
    *above, step = here
    return entry(cast("list[Any]", node), step, above) if isinstance(node, list) else node.get(step)


def _fields(part: Any) -> Mapping[str, FieldInfo]:
    """The fields of a model, or of the model of a part."""
    kind = part if isinstance(part, type) else type(part)
    return kind.model_fields if issubclass(kind, BaseModel) else {}


def _inner(part: Any, node: Any, step: str | int) -> Any:
    """What the model has at a step: a part with its defaults, a model where no part can be read, or `NOTHING`."""
    fields = _fields(part)
    if step in fields:
        return _value(fields[str(step)], node, step) if isinstance(part, type) else getattr(part, str(step))
    if isinstance(part, Mapping):
        return cast("Mapping[Any, Any]", part).get(step, NOTHING)
    if isinstance(part, tuple) and isinstance(step, int):
        items = cast("Sequence[Any]", part)
        return items[step] if step < len(items) else NOTHING
    return NOTHING


def _value(field: FieldInfo, node: dict[Any, Any], step: str | int) -> Any:
    if node.get(step) is None:
        return field.get_default(call_default_factory=True)
    form: Any = Annotated[field.annotation, field]  # pyright: ignore[reportInvalidTypeForm]
    try:
        return TypeAdapter[Any](form).validate_python(node[step])
    except (ValueError, ArchspecError):  # not a possible part yet; what is put may make it one
        return _model(field.annotation)


def _model(annotation: Any) -> Any:
    """The model that a field holds, or `NOTHING`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inside = get_args(annotation) if get_origin(annotation) not in (dict, list, tuple) else ()
    return next((found for one in inside if (found := _model(one)) is not NOTHING), NOTHING)
