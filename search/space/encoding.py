"""A space in integers: a layout is a row of choices, one per component, or a vector, one per hole.

The components are those of `archspec.cost.tables`: `global` for the holes that belong to no part, then stem, stages and
head, each with every way to fill its own holes as its options, in the order of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property
from math import prod
from typing import Any, cast, final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, TypeAdapter, ValidationError

from archspec.cost.components import ComponentOptions
from archspec.cost.tables import Chain, MetricAt, tabulate
from archspec.documents.paths import Place, parse_path
from archspec.errors import FieldError, SpecError
from archspec.loader import MAX_PARAMS
from archspec.progress import doing
from archspec.spec.forms import COLUMNS, expand_part, expand_stage, row_from_columns
from archspec.spec.schema import AnyHead, AnyStem, ArchSpec, StageSpec
from archspec.spec.variants import change
from blocks.catalog import tag
from blocks.component import MapsHead, Stem
from search.space.holes import FAMILY, Hole, Params, Scalar, assignments, fill
from search.space.space import Space

MAX_OPTIONS = 200_000
Rows = NDArray[np.int64]


@final
class Encoding:
    """The integer form of a space.

    Attributes:
        space: the space.
        names: its components.
        slots: every hole, those inside options included, component by component.

    Raises:
        SpecError: a component with more options than can be tabulated, or layouts that are no pyramid of stages.
    """

    def __init__(self, space: Space) -> None:
        if FAMILY in space.template:
            rule = "whole layouts to choose from cannot be tabulated, only one pyramid: leave out what needs tables"
            raise space.document.refuse((FAMILY,), rule)
        if space.template.get("topology", "pyramid") != "pyramid":
            rule = "costs cannot be tabulated for parallel branches, only for a pyramid: leave out what needs tables"
            raise space.document.refuse(("topology",), rule)
        self.space = space
        self.template = space.template
        loose = tuple(hole for hole in space.holes if _part(hole) is None)
        self._contexts = list(assignments(_capped(loose, "what belongs to no stage", space)))
        stages = len(self._stages(self._contexts[0]))
        self.names = ("global", "stem", *(f"stages.{index}" for index in range(stages)), "head")
        self._holes = [loose, *(_of_part(space, name) for name in self.names[1:])]
        self._assignments = [list(assignments(_capped(holes, name, space))) for name, holes in self._named]
        self.slots = tuple(slot for holes in self._holes for slot in _flatten(holes))

    @property
    def options(self) -> tuple[int, ...]:
        """Number of options of each component."""
        return tuple(len(options) for options in self._assignments)

    def assignment(self, component: int, option: int) -> Params:
        """The holes that one option of one component fills."""
        return self._assignments[component][option]

    def params(self, choices: Sequence[int] | NDArray[np.integer]) -> Params:
        """The parameters of one layout, in the order of the file.

        Args:
            choices: [components].
        """
        params: Params = {}
        for component, option in enumerate(choices):
            params |= self.assignment(component, int(option))
        return {path: params[path] for path in self._order if path in params}

    def encode(self, params: Params) -> Rows:
        """The choices [components] that some parameters make; holes that they leave closed are ignored.

        Raises:
            SpecError: a hole without a value, or a value that is no option.
        """
        row = np.zeros(len(self.names), np.int64)
        for component, holes in enumerate(self._holes):
            own = dict(_pick(holes, params))
            row[component] = self._index[component][_key(own)]
        return row

    def spec(self, choices: Sequence[int] | NDArray[np.integer]) -> ArchSpec:
        """The spec of one layout.

        Raises:
            SpecError: the layout is impossible.
        """
        return self.space.decode(self.params(choices))

    def locate(self, spec: ArchSpec) -> Iterator[Rows]:
        """The choices [components] whose stem, stages and head are those of a spec, one for each choice of the rest."""
        wanted = (spec.stem, *spec.stages, spec.head)
        if len(wanted) != len(self.names) - 1:
            return
        for first, parts in enumerate(self._parts):
            options = [
                next((at for at, part in enumerate(known) if part == one), -1)
                for known, one in zip(parts, wanted, strict=True)
            ]
            if min(options) >= 0:
                yield np.array([first, *options], np.int64)

    def vectors(self, choices: NDArray[np.integer]) -> Rows:
        """Choices [layouts, components] as vectors [layouts, slots]: the index of each hole's option, -1 if closed."""
        parts = [table[choices[:, component]] for component, table in enumerate(self._tables)]
        return np.concatenate(parts, axis=1)

    def choices(self, vectors: NDArray[np.integer]) -> Rows:
        """Vectors [layouts, slots] as choices [layouts, components]; the inverse of `vectors`.

        Raises:
            SpecError: a vector that is no layout.
        """
        rows = np.zeros((len(vectors), len(self.names)), np.int64)
        start = 0
        for component, table in enumerate(self._tables):
            part = vectors[:, start : start + table.shape[1]]
            start += table.shape[1]
            radix = table.max(0, initial=0) + 2
            if prod(radix.tolist()) >= 2**63 or ((part < -1) | (part >= radix - 1)).any():
                raise SpecError(f"component {self.names[component]}: a vector that is no layout")
            weights = np.cumprod(np.concatenate([np.ones(1, np.int64), radix[:-1]]))[: len(radix)]
            codes, wanted = (table + 1) @ weights, (part + 1) @ weights
            order = np.argsort(codes, kind="stable")
            found = order[np.searchsorted(codes, wanted, sorter=order).clip(max=len(codes) - 1)]
            if (codes[found] != wanted).any():
                raise SpecError(f"component {self.names[component]}: a vector that is no layout")
            rows[:, component] = found
        return rows

    def chain(self, metrics: Sequence[MetricAt]) -> Chain:
        """The exact cost tables for `metrics`.

        Raises:
            SpecError: layouts with different numbers of stages, or larger than a spec may be.
        """
        doing("reading the options of the stages")
        wanted = (*metrics, *(metric for metric in (MetricAt("params"),) if metric not in metrics))
        if wanted not in self._chains:
            sizes = {metric.resolution for metric in metrics if metric.resolution}
            chain = tabulate([self._menus(params, sizes) for params in self._contexts], wanted)
            largest = sum(int(part.costs[..., wanted.index(MetricAt("params"))].max()) for part in chain.components)
            if largest > MAX_PARAMS:
                raise SpecError(
                    f"layouts reach {largest:.1e} parameters, more than {MAX_PARAMS:.0e}: a spec may not be so large",
                    source=self.space.document.source,
                )
            self._chains[wanted] = chain
        return self._chains[wanted].select(metrics)

    @property
    def contexts(self) -> tuple[Params, ...]:
        """Every way to fill the holes that belong to no stage, stem or head."""
        return tuple(self._contexts)

    def parts(self, context: Params, changes: dict[str, Any]) -> tuple[list[Stem | None], list[list[StageSpec | None]]]:
        """The options of the stem, and those of each stage, under a context; None where one gives no possible part.

        Args:
            context: one of `contexts`.
            changes: what a variant changes, by dotted path.
        """
        stems = [self._part("stem", context | own, changes) for own in self._assignments[1]]
        stages = [
            [self._stage(index, context | own, changes) for own in options]
            for index, options in enumerate(self._assignments[2:-1])
        ]
        return stems, stages

    @property
    def _named(self) -> Iterator[tuple[str, tuple[Hole, ...]]]:
        return zip(self.names, self._holes, strict=True)

    @cached_property
    def _chains(self) -> dict[tuple[MetricAt, ...], Chain]:
        return {}

    @cached_property
    def _parts(self) -> list[list[list[Any]]]:
        """For each option of the first component, the parts that the options of every other one give."""
        found: list[list[list[Any]]] = []
        for context in self._contexts:
            stem, *stages, head = self._assignments[1:]
            parts: list[list[Any]] = [[self._part("stem", context | own, {}) for own in stem]]
            for index, options in enumerate(stages):
                parts.append([self._stage(index, context | own, {}) for own in options])
            heads = [self._head(context | own, {}) for own in head]
            parts.append([one[0] if one else None for one in heads])
            found.append(parts)
        return found

    @cached_property
    def _index(self) -> list[dict[frozenset[tuple[str, Scalar]], int]]:
        return [{_key(params): index for index, params in enumerate(options)} for options in self._assignments]

    @cached_property
    def _order(self) -> list[str]:
        return [slot.path for slot in _flatten(self.space.holes)]

    @cached_property
    def _tables(self) -> list[Rows]:
        """Per component, the vector of each option: [options, slots of the component]."""
        tables: list[Rows] = []
        for holes, options in zip(self._holes, self._assignments, strict=True):
            slots = [
                (slot.path, {option: index for index, option in enumerate(slot.options)}) for slot in _flatten(holes)
            ]
            rows = [[ranks[params[path]] if path in params else -1 for path, ranks in slots] for params in options]
            tables.append(np.array(rows, np.int64).reshape(len(options), len(slots)))
        return tables

    def _menus(self, context: Params, sizes: set[int]) -> dict[int, ComponentOptions]:
        """What may stand where under a context, at the layout's own resolution (0), its variants' and `sizes`."""
        fields = ArchSpec.model_fields
        top: dict[str, Any] = {}
        for key in ("resolution", "channels", "drop_path", "variants"):
            top[key] = (
                fill(self.template[key], (key,), context)
                if key in self.template
                else fields[key].get_default(call_default_factory=True)
            )
        variants: dict[int, dict[str, Any]] = {int(key): changes for key, changes in top["variants"].items()}
        own: int = top["resolution"]
        resolutions = {0: own} | {size: size for size in {*variants, *sizes} if size != own}
        menus = {key: self._menu(context, top, size, variants.get(size, {})) for key, size in resolutions.items()}
        return menus | {size: menus[0] for size in sizes if size == own}

    def _menu(self, context: Params, top: dict[str, Any], size: int, changes: dict[str, Any]) -> ComponentOptions:
        if len(self._stages(context)) != len(self.names) - 3:
            raise SpecError(
                "layouts with different numbers of stages cannot be tabulated", source=self.space.document.source
            )
        drop_path = float(changes.get("drop_path", top["drop_path"]))
        stems, stages = self.parts(context, changes)
        heads = [self._head(context | own, changes) for own in self._assignments[-1]]
        return ComponentOptions(top["channels"], size, drop_path, stems, stages, heads)

    def _head(self, params: Params, changes: dict[str, Any]) -> Any:
        if fill(self.template.get("head"), ("head",), params) is None and "head" not in changes:
            return ()
        part = self._part("head", params, changes)
        if isinstance(part, MapsHead):
            rule = f"costs cannot be tabulated with {tag(type(part))}, which reads the maps of all stages"
            raise self.space.document.refuse(("head",), rule)
        return None if part is None else (part,)

    def _part(self, key: str, params: Params, changes: dict[str, Any]) -> Any:
        adapter = _adapter(key)
        try:
            data = {key: expand_part(fill(self.template.get(key), (key,), params))}
            return adapter.validate_python(_varied(data, (key,), changes, adapter.validate_python)[key])
        except (ValidationError, FieldError):
            return None

    def _stage(self, index: int, params: Params, changes: dict[str, Any]) -> StageSpec | None:
        place = ("stages", index)
        try:
            data: dict[str, Any] = {"stages": [None] * index + [expand_stage(self._row(index, params), index)]}
            return StageSpec.model_validate(_varied(data, place, changes, StageSpec.model_validate)["stages"][index])
        except (ValidationError, FieldError):
            return None

    def _row(self, index: int, params: Params) -> Any:
        if "stages" in self.template:
            stages = self.template["stages"]
            if isinstance(stages, list):
                return fill(cast("list[Any]", stages)[index], ("stages", index), params)
            return fill(stages, ("stages",), params)[index]
        entries: dict[str, Any] = {}
        for key in COLUMNS:
            column = self.template.get(key)
            if isinstance(column, list):
                entries[key] = fill(cast("list[Any]", column)[index], (key, index), params)
            elif column is not None:
                entries[key] = fill(column, (key,), params)[index]
        return row_from_columns(entries)

    def _stages(self, context: Params) -> list[Any]:
        """The stages, or the blocks of each, as far as a context fills them."""
        key = "stages" if "stages" in self.template else "blocks"
        stages = self.template[key]
        return stages if isinstance(stages, list) else fill(stages, (key,), context)


def _part(hole: Hole) -> str | None:
    """The component that a hole belongs to, None for what belongs to no part."""
    place = parse_path(hole.path)
    if place[0] in ("stem", "head"):
        return str(place[0])
    if place[0] in ("stages", *COLUMNS) and len(place) > 1:
        return f"stages.{place[1]}"
    return None


def _of_part(space: Space, name: str) -> tuple[Hole, ...]:
    return tuple(hole for hole in space.holes if _part(hole) == name)


def _capped(holes: tuple[Hole, ...], name: str, space: Space) -> tuple[Hole, ...]:
    count = prod(hole.count() for hole in holes)
    if count > MAX_OPTIONS:
        rule = f"{name} alone has {count:,} options; at most {MAX_OPTIONS:,} can be tabulated"
        raise SpecError(rule, source=space.document.source)
    return holes


def _flatten(holes: tuple[Hole, ...]) -> Iterator[Hole]:
    for hole in holes:
        yield hole
        for inner in hole.nested.values():
            yield from _flatten(inner)


def _pick(holes: tuple[Hole, ...], params: Params) -> Iterator[tuple[str, Scalar]]:
    """The open holes among `holes`, with their values.

    Raises:
        SpecError: a hole without a value, or a value that is no option.
    """
    for hole in holes:
        if hole.path not in params:
            raise SpecError("has no value", field=hole.path)
        value = params[hole.path]
        if value not in hole.options:
            raise SpecError(f"has no option {value!r:.40}", field=hole.path)
        yield hole.path, value
        yield from _pick(hole.nested.get(value, ()), params)


def _key(params: Params) -> frozenset[tuple[str, Scalar]]:
    return frozenset(params.items())


@cache
def _adapter(key: str) -> TypeAdapter[Any]:
    return TypeAdapter[Any](AnyStem if key == "stem" else AnyHead)


def _varied(data: dict[str, Any], place: Place, changes: dict[str, Any], check: Callable[[Any], Any]) -> dict[str, Any]:
    """Canonical data of one part after those changes of a variant that concern it.

    Raises:
        FieldError: a path that cannot be followed.
        ValidationError: the part as written is impossible.
    """
    own = {path: value for path, value in changes.items() if parse_path(path)[: len(place)] == place}
    if not own:
        return data
    node: Any = data[str(place[0])]
    stages = len(place) > 1
    part: BaseModel | None = check(node[place[1]] if stages else node)
    plain = None if part is None else part.model_dump(mode="json")
    out: dict[str, Any] = {str(place[0]): [*node[:-1], plain] if stages else plain}
    change(out, own)
    return out
