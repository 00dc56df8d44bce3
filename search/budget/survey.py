"""The population of a design space: how many layouts there are, what they cost, and how many a budget leaves.

After Radosavovic et al., "Designing Network Design Spaces" (2020): a space is judged by the distribution over its
layouts, not by its best one. Here the distributions of cost are those of all layouts, counted, not estimated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, final

import numpy as np

from archspec.cost.metrics import additive_names
from archspec.cost.tables import Chain, MetricAt
from archspec.documents.wording import either
from archspec.errors import FieldError, SpecError
from archspec.progress import doing, known
from archspec.spec.schema import ArchSpec
from search.budget import count as budget
from search.counting.big_integers import Ints
from search.front.front import solve_front
from search.space.encoding import Encoding
from search.space.limits import Box, Limit, join, settle

BINS = 48


@final
@dataclass(frozen=True)
class Part:
    """A component of a space: its name, its options, and the holes that make them, with the options of each."""

    name: str
    options: int
    holes: tuple[tuple[str, int], ...]


@final
@dataclass(frozen=True)
class Spread:
    """The distribution of the possible layouts' costs in one metric.

    Where nobody asked for the histogram, or the costs are too many to be counted (`reason`), there are no bins.

    Attributes:
        metric: the cost.
        smallest, largest: the ends, each reached by a layout.
        edges: [bins + 1]; bin i holds the costs from edges[i] to below edges[i + 1].
        layouts: [bins], exact numbers.
        reason: why there are no bins.
    """

    metric: MetricAt
    smallest: int
    largest: int
    edges: tuple[int, ...] = ()
    layouts: tuple[int, ...] = ()
    reason: str = ""

    @property
    def cumulative(self) -> tuple[int, ...]:
        """[bins], layouts that cost less than each bin's upper edge."""
        return tuple(sum(self.layouts[: index + 1]) for index in range(len(self.layouts)))

    def coarse(self, times: int) -> Spread:
        """The same with every `times` bins as one."""
        starts = range(0, len(self.layouts), times)
        edges = tuple(self.edges[start] for start in starts) + self.edges[-1:]
        layouts = tuple(sum(self.layouts[start : start + times]) for start in starts)
        return Spread(self.metric, self.smallest, self.largest, edges, layouts)


@final
@dataclass(frozen=True)
class Population:
    """A space, counted.

    Attributes:
        name, description: of the space.
        resolution: of the space; None where its layouts have different ones.
        ways: ways to fill the holes.
        layouts: those that are possible at every resolution that was asked about.
        parts: the components of the space with a choice.
        spreads: per metric; the histogram of params, MACs, and what the budget limits.
        box: the budget.
        alone: layouts inside each limit.
        inside: layouts inside all of them.
    """

    name: str
    description: str
    resolution: int | None
    ways: int
    layouts: int
    parts: tuple[Part, ...]
    spreads: tuple[Spread, ...]
    box: Box
    alone: tuple[int, ...]
    inside: int

    @property
    def share(self) -> Fraction:
        """The share inside the budget."""
        return Fraction(self.inside, self.layouts)

    def spread(self, metric: MetricAt) -> Spread:
        """The distribution of the layouts' costs in one of the metrics."""
        return next(spread for spread in self.spreads if spread.metric == metric)


@final
class Survey:
    """A space, the costs that are looked at, and a budget.

    Args:
        encoding: of the space.
        box: the budget; limits without a resolution mean the space's own.
        resolutions: at which costs are stated; none for the space's own.

    Attributes:
        metrics: what is looked at: the costs at each resolution, then what else the budget limits.
        box: the budget with every resolution stated.
        chain: the tables of `metrics`.

    Raises:
        SpecError: the budget excludes itself, or no layout is possible at a resolution.
    """

    def __init__(self, encoding: Encoding, box: Box = (), resolutions: Sequence[int] = ()) -> None:
        self.encoding = encoding
        self.resolution = _resolution(encoding.template)
        self._varies = "variants" in encoding.template
        try:
            stated = settle(box, self.resolution) if self.resolution else box
            self.box = join(Limit(self._metric(one.metric), one.low, one.high) for one in stated)
        except FieldError as error:
            raise SpecError(error.rule, field="--budget") from None
        sizes = resolutions or [self.resolution]
        wanted = [self._metric(MetricAt(name, size)) for size in sizes for name in additive_names()]
        self.metrics = tuple(dict.fromkeys([*wanted, *(limit.metric for limit in self.box)]))
        self.chain: Chain = self._chain()

    def first(self, name: str) -> MetricAt:
        """The metric of a name at the first resolution."""
        return next(metric for metric in self.metrics if metric.name == name)

    def count(self, bins: int = BINS) -> Population:
        """Everything that is to be counted.

        Args:
            bins: of each histogram.

        Raises:
            SpecError: no layout is inside the budget, or too many to be counted.
        """
        space = self.encoding.space
        doing("counting the layouts")
        layouts = budget.count(self.chain)
        if not layouts:
            raise SpecError("no layout is possible", source=space.document.source)
        known(f"{layouts:,} layouts in all")
        alone, inside = self._inside(layouts)
        return Population(
            space.name,
            space.description,
            self.resolution,
            space.count(),
            layouts,
            tuple(_part(self.encoding, index) for index, count in enumerate(self.encoding.options) if count > 1),
            tuple(self._spread(metric, bins) for metric in self.metrics),
            self.box,
            alone,
            inside,
        )

    def front(self, cost: MetricAt, score: MetricAt) -> Ints:
        """The exact front: layouts with the most of `score` among those of at most their cost, inside the budget.

        Limits on other metrics say among which layouts; limits on the two themselves cut the front off there.

        Returns:
            Choices [layouts, components], by increasing cost.

        Raises:
            SpecError: the budget leaves too many candidates.
        """
        chain = self.chain
        columns = [chain.metrics.index(metric) for metric in (cost, score)]
        scores = [part.costs[..., columns[1]].astype(float) for part in chain.components]
        others = [limit for limit in self.box if limit.metric not in (cost, score)]
        doing("looking for the front")
        choices = solve_front(chain, columns[0], scores, others).choices
        ends = chain.price(choices)[:, columns].tolist()
        cuts = [limit_on(self.box, metric) for metric in (cost, score)]
        kept = [all(cut is None or cut.holds(end) for cut, end in zip(cuts, pair, strict=True)) for pair in ends]
        return choices[np.array(kept, bool)]

    def _metric(self, metric: MetricAt) -> MetricAt:
        """A metric without the resolution that it does not depend on: only a variant changes the parameters."""
        return MetricAt("params") if metric.name == "params" and not self._varies else metric

    def _chain(self) -> Chain:
        self.encoding.chain((MetricAt("params"),))  # what is wrong with the space itself is said as it is
        try:
            return self.encoding.chain(self.metrics)
        except SpecError as error:
            sizes = sorted({metric.resolution for metric in self.metrics if metric.resolution})
            raise SpecError(f"{error.rule} at {either(map(str, sizes))} px", field="--res") from None

    def _inside(self, layouts: int) -> tuple[tuple[int, ...], int]:
        alone = tuple(self._alone(limit) for limit in self.box)
        inside = layouts if not alone else alone[0]
        if len(alone) > 1:
            doing("counting those inside all limits")
            inside = budget.count(self.chain, self.box) if all(alone) else 0
        if not inside:
            doing("looking for the reason why none is inside")
            raise SpecError(budget.explain(self.chain, self.box), field="--budget")
        return alone, inside

    def _alone(self, limit: Limit) -> int:
        doing(f"counting those with {limit}")
        inside = budget.count(self.chain, (limit,))
        known(f"{inside:,} with {limit}")
        return inside

    def _spread(self, metric: MetricAt, bins: int) -> Spread:
        smallest, largest = budget.extremes(self.chain, metric)
        if metric.name not in ("params", "macs") and metric not in (limit.metric for limit in self.box):
            return Spread(metric, smallest, largest)
        doing(f"counting the layouts by {metric}")
        try:
            edges, layouts = budget.distribution(self.chain, metric, bins)
        except SpecError as error:
            return Spread(metric, smallest, largest, reason=error.rule)
        return Spread(metric, smallest, largest, tuple(edges.tolist()), tuple(layouts))


def limit_on(box: Box, metric: MetricAt) -> Limit | None:
    """The limit of a budget on one metric."""
    return next((limit for limit in box if limit.metric == metric), None)


def _resolution(template: dict[str, Any]) -> int | None:
    value = template.get("resolution", ArchSpec.model_fields["resolution"].default)
    return value if isinstance(value, int) else None


def _part(encoding: Encoding, component: int) -> Part:
    name = encoding.names[component]
    paths = {path for option in range(encoding.options[component]) for path in encoding.assignment(component, option)}
    place = name.replace(".", "[") + "]" if "." in name else name
    holes = tuple(
        (slot.path.removeprefix(f"{place}."), len(slot.options))
        for slot in encoding.slots
        if slot.path in paths and len(slot.options) > 1
    )
    return Part(name, encoding.options[component], holes)
