"""The costs of `archspec.cost.measure` for millions of layouts at once: integer tables per component, gathered with
NumPy.

A layout is a chain: stem, stages, head. What a component costs depends on nothing but its own option and the *border*
at which it is entered: shape of the map, whether its memory is already kept for backward, whether a block came before.
Hence a table per component, [borders, options, metrics], and the cost of a layout is a sum of one entry of each. The
entries come from the same walk over the same layers as `measure`, so the sums are equal to the integer. The stem's cost
depends on the width of the first stage and is stated there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast, final

import numpy as np
from numpy.typing import NDArray

from archspec.cost.components import ComponentOptions, ComponentTracer, State, Step
from archspec.cost.metrics import additive_names
from archspec.errors import SpecError
from archspec.progress import doing
from archspec.spec.schema import MAX_BLOCKS

BLOCK = 8192
"""Layouts that are priced together; their intermediate sums stay in the cache of a core."""
FOLDED = 16_384
"""Most rows of a table that stands for several components."""

Ints = NDArray[np.int64]


@final
@dataclass(frozen=True, slots=True)
class MetricAt:
    """An additive metric by name, and the side of the square image for which it is stated; None for the space's own."""

    name: str
    resolution: int | None = None

    def __str__(self) -> str:
        return self.name if self.resolution is None else f"{self.name}@{self.resolution}"


@final
@dataclass(frozen=True, slots=True)
class Component:
    """One component of a chain.

    Attributes:
        name: `global`, `stem`, `stages.0`, ..., `head`.
        costs: [states, options, metrics] int64; 0 where the option is impossible.
        after: [states, options] int32, the state in which the next component is entered; -1 where impossible.
    """

    name: str
    costs: Ints
    after: NDArray[np.int32]

    @property
    def states(self) -> int:
        """Number of borders at which the component may be entered."""
        return self.after.shape[0]

    @property
    def options(self) -> int:
        """Number of options."""
        return self.after.shape[1]


@final
@dataclass(frozen=True)
class Chain:
    """The tables of a space; it begins in state 0 of its first component and its last one leads to state 0."""

    metrics: tuple[MetricAt, ...]
    components: tuple[Component, ...]

    @property
    def options(self) -> tuple[int, ...]:
        """Number of options of each component."""
        return tuple(component.options for component in self.components)

    def price(self, choices: NDArray[np.integer]) -> Ints:
        """Exact costs of layouts.

        Args:
            choices: [layouts, components], the option of each component.

        Returns:
            [layouts, metrics]; -1 in every metric of an impossible layout.

        Raises:
            IndexError: an option that does not exist.
        """
        if choices.ndim != 2 or choices.shape[1] != len(self.components):
            raise IndexError(f"choices must have shape [layouts, {len(self.components)}], not {list(choices.shape)}")
        totals = np.empty((len(choices), len(self.metrics)), np.int64)
        for start in range(0, len(choices), BLOCK):
            part = slice(start, start + BLOCK)
            self._price(choices[part].T.astype(np.intp, order="C"), totals[part])
        return totals

    def select(self, metrics: Sequence[MetricAt]) -> Chain:
        """The chain with some of its metrics, in the order given."""
        columns = [self.metrics.index(metric) for metric in metrics]
        parts = tuple(Component(p.name, np.ascontiguousarray(p.costs[..., columns]), p.after) for p in self.components)
        return Chain(tuple(metrics), parts)

    def _price(self, columns: NDArray[np.intp], totals: Ints) -> None:
        # A negative option is a huge one without a sign.
        if (columns.view(np.uintp).max(1) >= np.array(self.options, np.uintp)).any():
            raise IndexError(f"choices must lie within the options {list(self.options)} of the components")
        offset: NDArray[np.intp] | None = None
        for step in self._steps:
            row = columns[step.columns[0]]
            for column, options in zip(step.columns[1:], step.options[1:], strict=True):
                row *= options
                row += columns[column]
            if offset is None:
                step.costs.take(row, axis=0, mode="clip", out=totals)
            else:
                row += offset
                totals += step.costs.take(row, axis=0, mode="clip")
            offset = step.after.take(row, mode="clip")
        totals[np.asarray(offset) > 0] = -1

    @cached_property
    def _steps(self) -> list[_Gather]:
        """The components as they are gathered: those without a choice folded into the one before, the small ones at
        the beginning into one.

        One more state, the last, stands for what is impossible; the last component leads to 0 or, there, to 1.
        """
        folded: list[tuple[tuple[int, ...], Component]] = []
        for index, part in enumerate(self.components):
            if folded and (part.options == 1 or _foldable(folded[-1][1], part)):
                columns, before = folded[-1]
                own = (index,) if part.options > 1 else ()
                folded[-1] = (columns + own, _fold(before, part))
            else:
                folded.append(((index,), part))
        following = [(part.states, part.options) for _, part in folded[1:]] + [(1, 1)]
        return [
            _Gather.of(part, columns, tuple(self.options[column] for column in columns), *then)
            for (columns, part), then in zip(folded, following, strict=True)
        ]


@final
@dataclass(frozen=True, slots=True)
class _Gather:
    """A table as it is gathered: the row is the state's offset plus the choices at `columns` in mixed radix."""

    columns: tuple[int, ...]
    options: tuple[int, ...]
    costs: Ints
    after: NDArray[np.intp]

    @classmethod
    def of(cls, part: Component, columns: tuple[int, ...], options: tuple[int, ...], lost: int, width: int) -> _Gather:
        """The table of `part`, before one of `lost` states and `width` options."""
        after = np.where(part.after < 0, lost, part.after)
        after = np.vstack([after, np.full((1, part.options), lost)]).astype(np.intp) * width
        costs = np.concatenate([part.costs, np.zeros((1, *part.costs.shape[1:]), np.int64)])
        return cls(columns, options, costs.reshape(-1, costs.shape[-1]), after.ravel())


def _foldable(first: Component, second: Component) -> bool:
    return first.states == 1 and first.options * second.options <= FOLDED


def _fold(first: Component, second: Component) -> Component:
    """Two components as one, whose options are the pairs, the second one's running faster."""
    reached = first.after.clip(min=0)
    after = np.where(first.after[..., None] < 0, -1, second.after[reached])
    costs = np.where(after[..., None] < 0, 0, first.costs[:, :, None] + second.costs[reached])
    shape = (first.states, first.options * second.options)
    return Component(second.name, costs.reshape(*shape, -1), after.reshape(shape))


def tabulate(menus: Sequence[Mapping[int, ComponentOptions]], metrics: Sequence[MetricAt]) -> Chain:
    """The chain of a space.

    Args:
        menus: for each option of what belongs to no part, its menu at each resolution: under 0 at the layout's own,
            then at those of `metrics`, and at every other one at which a layout must be possible.
        metrics: what is counted.

    Raises:
        SpecError: no layout is possible, or one may hold more blocks than a spec can.
    """
    _check_depth(menus)
    resolutions = sorted({resolution for menu in menus for resolution in menu})
    names = additive_names()
    columns = [(resolutions.index(metric.resolution or 0), names.index(metric.name)) for metric in metrics]
    tracers = [ComponentTracer([menu.get(resolution) for menu in menus]) for resolution in resolutions]
    places = ["stem", *(f"stages.{index}" for index in range(len(menus[0][0].stages))), "head"]
    count = len(menus)
    components = [
        Component("global", np.zeros((1, count, len(metrics)), np.int64), np.arange(count, dtype=np.int32)[None])
    ]
    states: list[tuple[State, ...]] = [tuple((index, None) for _ in tracers) for index in range(count)]
    for place, name in enumerate(places):
        component, states = _component(name, place - 1, states, tracers, columns)
        components.append(component)
    return Chain(tuple(metrics), tuple(components))


def _component(
    name: str,
    place: int,
    states: list[tuple[State, ...]],
    tracers: list[ComponentTracer],
    columns: list[tuple[int, int]],
) -> tuple[Component, list[tuple[State, ...]]]:
    """The table of one component, entered in `states` (one border per resolution), and the states after it."""
    options = max(tracer.count(place) for tracer in tracers)
    costs = np.zeros((len(states), options, len(columns)), np.int64)
    after = np.full((len(states), options), -1, np.int32)
    reached: dict[tuple[State, ...], int] = {}
    for row, state in enumerate(states):
        doing(f"pricing {name}: {row * options:,} of {len(states) * options:,} options")
        for option in range(options):
            steps = [tracer.step(place, part, option) for tracer, part in zip(tracers, state, strict=True)]
            if None not in steps:
                possible = cast("list[Step]", steps)
                # What came before no longer matters after the head.
                parts = zip(state, possible, strict=True)
                following = tuple((0 if name == "head" else part[0], step[1]) for part, step in parts)
                after[row, option] = reached.setdefault(following, len(reached))
                costs[row, option] = [possible[index][0][metric] for index, metric in columns]
    if not reached:
        raise SpecError(f"no option of {name} is possible")
    return Component(name, costs, after), list(reached)


def _check_depth(menus: Sequence[Mapping[int, ComponentOptions]]) -> None:
    for menu in (menu for by_resolution in menus for menu in by_resolution.values()):
        deepest = sum(max((stage.depth for stage in options if stage), default=0) for options in menu.stages)
        if deepest > MAX_BLOCKS:
            raise SpecError(f"the deepest layout makes {deepest} blocks in all; a spec holds at most {MAX_BLOCKS}")
