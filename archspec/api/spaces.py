"""Search spaces: counted, drawn from, restricted to a budget and solved for their front, exactly."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from archspec.api.fronts import ParetoFront, ParetoMember
from archspec.documents.html import html_table
from archspec.documents.paths import suggest
from archspec.documents.reader import Document
from archspec.errors import FieldError, SpecError
from archspec.loader import plain_data
from archspec.spec.schema import ArchSpec
from search.budget.count import count
from search.budget.drawn_specs import draw
from search.budget.survey import Survey
from search.counting.enumeration import enumerate_layouts
from search.space.encoding import Encoding
from search.space.holes import FAMILY
from search.space.limits import Box, describe, format_budget, join, parse_budget, parse_limits
from search.space.space import Space, find_space_document, parse_space

if TYPE_CHECKING:
    from archspec.cost.tables import MetricAt

Budget = str | Sequence[str] | Mapping[str, str]
"""`"<= 5G"` (MACs), `["<= 5G @ 448", "params <= 35M"]`, or `{"macs": "<= 5G"}` as in a study."""

MOST_WAYS = 1_000_000
"""Ways to fill the holes of a space without tables that are tried one by one."""
MOST_TRIES = 1000
"""Draws for one possible layout of a space without tables."""


@final
class DesignSpace:
    """A spec with holes, and what fills them inside a budget: a collection of layouts, none of which is stored.

    Iterating gives the spec of every layout, in the order of the file; `len` counts them. Costs come from tables, so
    both are exact for spaces of any size; spaces of parallel branches or of whole layouts to choose from
    (`family`) have no tables: they are gone through one by one, and take no budget.

    Args:
        parsed: the space.
        box: limits on cost; none for all layouts.
    """

    def __init__(self, parsed: Space, box: Box = ()) -> None:
        self.parsed, self.box = parsed, box

    @property
    def name(self) -> str:
        """Its name."""
        return self.parsed.name

    @property
    def description(self) -> str:
        """One line for people."""
        return self.parsed.description

    @property
    def holes(self) -> dict[str, tuple[Any, ...]]:
        """The options of each hole that is always open, by dotted path."""
        return {hole.path: hole.options for hole in self.parsed.holes}

    @property
    def budget(self) -> dict[str, str]:
        """The budget as in a study file; empty without one."""
        return format_budget(self.box)

    def within(self, budget: Budget) -> DesignSpace:
        """The layouts that keep a budget, beside the one that the space has already.

        Raises:
            SpecError: no budget, or one that excludes the one before.
        """
        box = read_budget(budget)
        try:
            return DesignSpace(self.parsed, join((*self.box, *box)))
        except FieldError as error:
            raise SpecError(error.rule, field="budget") from None

    def count(self, budget: Budget | None = None) -> int:
        """The exact number of possible layouts (inside a budget).

        Raises:
            SpecError: no budget, too many distinct costs to be counted, or a space too large to be gone through.
        """
        if budget is not None:
            return self.within(budget).count()
        if self._tabulated:
            return count(self._survey.chain, self._survey.box)
        return sum(1 for _ in self)

    def sample(self, n: int, seed: int = 0, budget: Budget | None = None) -> list[ArchSpec]:
        """`n` different layouts (inside a budget), drawn uniformly without replacement.

        Args:
            n: how many.
            seed: of the draws; the first ones of more are the same.
            budget: beside the space's own.

        Raises:
            SpecError: there are not as many.
        """
        if budget is not None:
            return self.within(budget).sample(n, seed)
        if not self._tabulated:
            return self._draw(n, seed)
        survey = self._survey
        try:
            drawn = draw(survey.encoding, survey.chain, survey.box, self.count(), n, seed)
            return [specimen.spec for specimen in drawn]
        except SpecError as error:
            raise _reworded(error) from None

    def front(self, cost: str = "macs", score: str = "params", budget: Budget | None = None) -> ParetoFront:
        """The exact front: the layouts with the most of `score` among those of at most their `cost`.

        Args:
            cost: a metric that is known before training, to be low.
            score: another one, to be high: the most parameters for their MACs, by default.
            budget: beside the space's own.

        Returns:
            The front by increasing cost, with every exact cost of each member.

        Raises:
            SpecError: no such metric, a budget that leaves too many candidates, or a space without tables.
        """
        if budget is not None:
            return self.within(budget).front(cost, score)
        survey = self._survey
        choices = survey.front(_metric(survey, cost), _metric(survey, score))
        names = [metric.name if metric in self._own else str(metric) for metric in survey.metrics]
        members = [
            ParetoMember(survey.encoding.spec(row), dict(zip(names, costs, strict=True)))
            for row, costs in zip(choices, survey.chain.price(choices).tolist(), strict=True)
        ]
        return ParetoFront(members, (cost, score))

    def __iter__(self) -> Iterator[ArchSpec]:
        if not self._tabulated:
            yield from self._each()
            return
        survey = self._survey
        limits = [(survey.metrics.index(limit.metric), limit) for limit in survey.box]
        for choices, costs in enumerate_layouts(survey.chain):
            for row, cost in zip(choices, costs.tolist(), strict=True):
                if all(limit.holds(cost[column]) for column, limit in limits):
                    yield survey.encoding.spec(row)

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        return True  # a space is something, however many layouts a budget leaves: `len` may take a while

    def __repr__(self) -> str:
        inside = f" with {describe(self.box)}" if self.box else ""
        return f"<DesignSpace {self.name}: {self.parsed.count():,} ways to fill {len(self.holes)} holes{inside}>"

    def _repr_html_(self) -> str:
        rows = [(path, len(options), ", ".join(map(str, options))) for path, options in self.holes.items()]
        return html_table(self.name, ("hole", "options", ""), rows, f"{self.description} {describe(self.box)}".strip())

    @cached_property
    def _tabulated(self) -> bool:
        """Whether it has tables, as far as it says by its form; a budget asks for them."""
        template = self.parsed.template
        return bool(self.box) or (FAMILY not in template and template.get("topology", "pyramid") == "pyramid")

    @cached_property
    def _survey(self) -> Survey:
        try:
            return Survey(Encoding(self.parsed), self.box)
        except SpecError as error:
            raise _reworded(error) from None

    @cached_property
    def _own(self) -> set[MetricAt]:
        """The metrics at the space's own resolution."""
        survey = self._survey
        return {metric for metric in survey.metrics if metric.resolution in (None, survey.resolution)}

    def _each(self) -> Iterator[ArchSpec]:
        ways = self.parsed.count()
        if ways > MOST_WAYS:
            rule = f"{ways:,} ways to fill the holes are too many to go through, more than {MOST_WAYS:,}"
            raise SpecError(rule, source=self.name)
        for layout in self.parsed.enumerate():
            yield layout.spec

    def _draw(self, n: int, seed: int) -> list[ArchSpec]:
        rng, found = random.Random(seed), dict[str, ArchSpec]()
        for _ in range(MOST_TRIES * n):
            if len(found) == n:
                break
            try:
                spec = self.parsed.decode(self.parsed.choose(lambda hole: rng.choice(hole.options)))
            except SpecError:  # impossible: every possible layout stays as likely as any other
                continue
            found.setdefault(spec.digest, spec)
        if len(found) < n:
            raise SpecError(f"gives {len(found):,} different layouts, not {n:,}", source=self.name)
        return list(found.values())


def space(source: str | Path | Mapping[str, Any] | Space | DesignSpace) -> DesignSpace:
    """The search space that `source` names or holds.

    Args:
        source: a file, the name of a shipped space (`archspec presets` lists them), a mapping that holds what a file
            would: a spec with `{choice: [...]}` or `{range: [low, high]}` for values; or a space.

    Raises:
        SpecError: nothing of these, a malformed hole, or an option that gives no possible spec.
    """
    if isinstance(source, DesignSpace):
        return source
    if isinstance(source, Space):
        return DesignSpace(source)
    if isinstance(source, Mapping):
        return DesignSpace(parse_space(Document(plain_data(source), "")))
    document = find_space_document(str(source))
    if isinstance(document.data, dict) and "space" in document.data:
        raise SpecError("is a study: name the space that it searches", source=str(source))
    return DesignSpace(parse_space(document))


def read_budget(budget: Budget) -> Box:
    """The limits of a budget in any of its forms.

    Raises:
        SpecError: a limit that cannot be read.
    """
    try:
        if isinstance(budget, Mapping):
            return parse_budget(budget)
        return parse_limits([budget] if isinstance(budget, str) else list(budget))
    except FieldError as error:
        raise SpecError(error.rule, field="budget") from None


def _metric(survey: Survey, name: str) -> MetricAt:
    known = [metric.name for metric in survey.metrics]
    if name not in known:
        raise SpecError(f"{name!r:.40} is no cost that is known before training{suggest(name, known)}", field="front")
    return survey.first(name)


def _reworded(error: SpecError) -> SpecError:
    """An error that names an option of the command line, in words for Python."""
    field = {"--budget": "budget", "--res": "resolution", "--sample": "n"}.get(error.field, error.field)
    return SpecError(error.rule, field=field, source=error.source, line=error.line)
