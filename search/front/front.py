"""The exact front of cost against an additive score over every layout of a space, by dynamic programming.

A layout's cost and score are sums along its chain. What may follow a beginning of a layout depends on the border alone
that it has reached, so of the beginnings that reach the same border only the nondominated ones matter: lists of them
are carried from component to component, and only those options between two borders that are nondominated themselves
extend them.

Scores are added from left to right, in the order of the components, and in no other way. Addition of floating-point
numbers is not associative, but it is monotone: a beginning that is no better than another one before something is
added is no better after. So pruning loses nothing, and the front equals that of all such sums bit for bit.

Limits add dimensions. A limit is turned into a *burden*, a sum that must not exceed a bound (a lower limit by changing
all signs), and a beginning is dominated only by one of at most its burdens. What cannot keep a limit any more is
dropped. Where nothing that may follow breaks the limit any more, all burdens are the same, and count as the largest of
that kind: so a limit that does not bind costs nothing.

A multiple of the logarithm of the cost may be added to the sums (a surrogate's prior mean). It is no sum over
components, and what a beginning is worth then depends on what follows it; `search.front.cost_term` says which one is
dominated all the same. That comparison leaves a margin for rounding, so the front is still that of all such sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from archspec.cost.tables import Chain, Component
from archspec.errors import SpecError
from search.front.cost_term import NO_TERM, ROUNDING, CostTerm
from search.front.dominance import DominanceFilter, Floats, Ints, Places, nondominated, nondominated_rows
from search.space.limits import Limit

DIRECT = 1 << 13
"""So many candidates are compared as they are; more are screened by about as many of them first, and a grain counts."""
MOST = (1 << 31, 500_000, 30_000)
"""Candidates that are compared at one border with no, one, and several dimensions added; more are refused."""
PIECE = 1 << 15
"""Candidates in a piece; so many fit into the cache of a core."""
FAR = 1 << 61
"""More than any cost."""


@final
@dataclass(frozen=True, slots=True)
class Front:
    """Nondominated layouts by increasing cost, and so by increasing score; one for each cost and score.

    Attributes:
        costs: [layouts] int64.
        scores: [layouts] float64.
        choices: [layouts, components] int64, the option of each component.
    """

    costs: Ints
    scores: Floats
    choices: Ints


def solve_front(
    chain: Chain,
    metric: int,
    scores: Sequence[Floats],
    limits: Sequence[Limit] = (),
    *,
    slope: float = 0.0,
    grain: float = 0.0,
) -> Front:
    """All nondominated layouts: the cheapest for their score, and the best for their cost.

    Args:
        chain: the tables of the space.
        metric: index of the cost among the chain's metrics.
        scores: per component [options], or [states, options] where a score depends on the border; larger is better.
        limits: on any metrics of the chain. An upper limit on the cost is free; any other one adds a dimension to the
            search, and a lower one on the cost a hard one, as beginnings compare only where their costs are equal.
        slope: of the scores over log(1 + cost), which is added to each sum at last.
        grain: with a slope, nearly every cost may be on the front. Then a layout may be missing that is better by no
            more than this at each component than one of the front that costs no more; with 0 none is.

    Returns:
        The front of the layouts that keep every limit; empty if none does. Of layouts that are equal in cost and
        score always the same one.

    Raises:
        SpecError: the limits leave too many candidates.
        ValueError: a score that is not finite, a limit on a metric that the chain does not have.
    """
    if not all(np.isfinite(score).all() for score in [*scores, np.array(slope)]):
        raise ValueError("scores must be finite")
    rules = _rules(chain, metric, limits)
    terms = _terms(chain, metric, scores, slope, grain)
    start = _Labels(
        np.zeros(1, np.int64), np.zeros(1), np.zeros((1, len(rules.bounds)), np.int64), np.zeros(1, np.int64)
    )
    borders: list[_Labels] = [start]
    history: list[list[_Labels]] = []
    for index, part in enumerate(chain.components):
        bundles = _bundles(part, metric, scores[index], rules.burdens[index], borders, terms[index])
        borders = [
            _merge(bundles.get(state, []), rules.at(index, state), terms[index][state])
            for state in range(rules.states(index))
        ]
        history.append(borders)
    last = borders[0]
    if not slope:
        return Front(last.cost, last.score, _trace(chain, history))
    total = last.score + CostTerm(slope).value(last.cost)
    kept = nondominated(last.cost, total)
    return Front(last.cost[kept], total[kept], _trace(chain, history)[kept])


@final
@dataclass(frozen=True, slots=True)
class _Labels:
    """The nondominated beginnings that reach one border, [labels] each, burdens [labels, limits].

    `code` tells where each came from: (state * options + option) * (longest list before) + place in its list.
    """

    cost: Ints
    score: Floats
    burden: Ints
    code: Ints

    def take(self, places: Places) -> _Labels:
        return _Labels(self.cost[places], self.score[places], self.burden[places], self.code[places])


@final
@dataclass(frozen=True, slots=True)
class _Rule:
    """Limits at one border: what the burdens may be, and what they all count as that stay below; [limits] each."""

    highest: Ints
    floor: Ints
    compared: Places


@final
@dataclass(frozen=True, slots=True)
class _Rules:
    """Limits along the chain.

    Attributes:
        burdens: per component [states, options, limits].
        bounds: [limits], the largest sum allowed.
        least: per component [states after it, limits], the smallest burden that may follow.
        most: the same, the largest.
        compared: the limits that add a dimension: not those on the cost itself from above, which its order implies.
    """

    burdens: list[Ints]
    bounds: Ints
    least: list[Ints]
    most: list[Ints]
    compared: Places

    def states(self, component: int) -> int:
        return len(self.least[component])

    def at(self, component: int, state: int) -> _Rule:
        """The limits after a component."""
        least, most = self.least[component][state], self.most[component][state]
        return _Rule(self.bounds - least, self.bounds - most, self.compared)


@final
@dataclass(frozen=True, slots=True)
class _Bundle:
    """The beginnings at one border and the options that lead from it to one other; every pair is a candidate."""

    labels: _Labels
    cost: Ints
    score: Floats
    burden: Ints
    code: Ints

    @property
    def size(self) -> int:
        return len(self.labels.cost) * len(self.cost)

    def ends(self) -> Ints:
        """[2, 1 + limits]: the least and the largest cost and burdens of the candidates."""
        sides = [(self.labels.cost, self.cost), *zip(self.labels.burden.T, self.burden.T, strict=True)]
        least = [before.min() + option.min() for before, option in sides]
        return np.array([least, [before.max() + option.max() for before, option in sides]])

    def candidates(self, rule: _Rule, screen: DominanceFilter | None = None, step: int = 1) -> _Labels:
        """The pairs with every `step`-th beginning that keep the limits and pass the screen."""
        before = self.labels
        cost = (self.cost[:, None] + before.cost[::step]).ravel()
        score = (before.score[::step] + self.score[:, None]).ravel()
        kept: Places | None = None
        burden = np.zeros((len(cost), 0), np.int64)
        if len(rule.highest):
            burden = (self.burden[:, None] + before.burden[::step]).reshape(len(cost), -1)
            kept = np.flatnonzero((burden <= rule.highest).all(1))
            cost, score, burden = cost[kept], score[kept], np.maximum(burden[kept], rule.floor)
        if screen is not None:
            passed = np.flatnonzero(screen.passes(cost, score, burden[:, rule.compared]))
            cost, score, burden = cost[passed], score[passed], burden[passed]
            kept = passed if kept is None else kept[passed]
        if kept is None:
            return _Labels(cost, score, burden, (self.code[:, None] + np.arange(0, len(before.cost), step)).ravel())
        row, column = np.divmod(kept, -(-len(before.cost) // step))
        return _Labels(cost, score, burden, self.code[row] + column * step)


def _rules(chain: Chain, metric: int, limits: Sequence[Limit]) -> _Rules:
    columns: list[tuple[int, int, int]] = []  # metric, sign, bound
    for limit in limits:
        column = chain.metrics.index(limit.metric)
        columns += [] if limit.high is None else [(column, 1, min(limit.high, FAR))]
        columns += [] if limit.low is None else [(column, -1, max(-limit.low, -FAR))]
    signs = np.array([sign for _, sign, _ in columns], np.int64)
    burdens = [part.costs[..., [column for column, _, _ in columns]] * signs for part in chain.components]
    least = [np.zeros((1, len(columns)), np.int64)]
    most = least.copy()
    for part, burden in zip(chain.components[:0:-1], burdens[:0:-1], strict=True):
        free = np.zeros((part.states, 0), np.int64)
        least.insert(0, _ahead(part, burden, least[0]) if columns else free)
        most.insert(0, -_ahead(part, -burden, -most[0]) if columns else free)
    bounds = np.array([bound for _, _, bound in columns], np.int64)
    compared = np.array([index for index, (c, sign, _) in enumerate(columns) if (c, sign) != (metric, 1)], np.intp)
    return _Rules(burdens, bounds, least, most, compared)


def _ahead(part: Component, burden: Ints, after: Ints) -> Ints:
    """[states, limits]: the smallest burden from each state to the end; FAR where no way leads there."""
    possible = part.after >= 0
    total = np.where(possible[..., None], burden + after[np.maximum(part.after, 0)], FAR)
    return np.minimum(total.min(1), FAR)


def _terms(chain: Chain, metric: int, scores: Sequence[Floats], slope: float, grain: float) -> list[list[CostTerm]]:
    """Per component, for each state after it: the term of the cost with what follows from there."""
    if not slope:
        return [[NO_TERM] * (part.states) for part in chain.components[1:]] + [[NO_TERM]]
    sign = 1 if slope > 0 else -1
    rests = [np.zeros((1, 1), np.int64)]
    for part in chain.components[:0:-1]:
        rests.insert(0, _ahead(part, sign * part.costs[..., [metric]], rests[0]))
    most = sum(int(part.costs[..., metric].max(initial=0)) for part in chain.components)
    size = sum(float(np.abs(score).max(initial=0)) for score in scores) + abs(slope) * float(np.log1p(most))
    term = CostTerm(slope, slack=ROUNDING * size, grain=grain)
    return [[term.at(sign * rest) if abs(rest) < FAR else term for rest in after[:, 0].tolist()] for after in rests]


def _bundles(
    part: Component,
    metric: int,
    score: Floats,
    burden: Ints,
    borders: Sequence[_Labels],
    terms: Sequence[CostTerm],
) -> dict[int, list[_Bundle]]:
    """The nondominated options from each border to each other, by the border that they lead to."""
    sizes = np.array([len(labels.cost) for labels in borders])
    source, option = np.nonzero((part.after >= 0) & (sizes > 0)[:, None])
    target = part.after[source, option]
    order = np.lexsort((target, source))
    source, option, target = source[order], option[order], target[order]
    new = np.ones(len(order), bool)
    new[1:] = (source[1:] != source[:-1]) | (target[1:] != target[:-1])
    cost, load = part.costs[source, option, metric], burden[source, option]
    value = score[option] if score.ndim == 1 else score[source, option]
    starts = np.flatnonzero(new)
    among = [
        terms[after].at(
            terms[after].rest
            + int(borders[before].cost.max() if terms[after].slope < 0 else borders[before].cost.min())
        )
        for before, after in zip(source[starts].tolist(), target[starts].tolist(), strict=True)
    ]
    run, kept = _thin(cost, value, load, starts, among)
    cost, value, load = cost[kept], value[kept], load[kept]
    source, target = source[kept], target[kept]
    code = (source * part.options + option[kept]) * sizes.max()
    bundles: dict[int, list[_Bundle]] = {}
    ends = np.append(np.flatnonzero(run[1:] != run[:-1]) + 1, len(run)).tolist() if len(run) else []
    for start, end in zip([0, *ends], ends, strict=False):
        labels, found = borders[int(source[start])], bundles.setdefault(int(target[start]), [])
        step = max(1, PIECE // len(labels.cost))
        for piece in (slice(low, min(low + step, end)) for low in range(start, end, step)):
            found.append(_Bundle(labels, cost[piece], value[piece], load[piece], code[piece]))
    return bundles


def _thin(cost: Ints, score: Floats, burden: Ints, starts: Places, terms: Sequence[CostTerm]) -> tuple[Places, Places]:
    """The nondominated of each run of points, with the number of the run; the runs begin at `starts`."""
    sizes = np.diff(starts, append=len(cost))
    if burden.shape[1] or not all(term.is_zero for term in terms):
        runs = [np.arange(start, start + size) for start, size in zip(starts.tolist(), sizes.tolist(), strict=True)]
        kept = [
            run[nondominated(cost[run], score[run], burden[run], term)] for run, term in zip(runs, terms, strict=True)
        ] or [starts]
        return np.repeat(np.arange(len(kept)), [len(part) for part in kept]), np.concatenate(kept)
    row = np.repeat(np.arange(len(starts)), sizes)
    column = np.arange(len(cost)) - starts[row]
    costs = np.zeros((len(starts), sizes.max(initial=1)), np.int64)
    scores = np.full(costs.shape, -np.inf)
    costs[row, column] = cost
    scores[row, column] = score
    row, column = nondominated_rows(costs, scores)
    return row, starts[row] + column


def _merge(bundles: Sequence[_Bundle], rule: _Rule, term: CostTerm) -> _Labels:
    """The nondominated candidates of all bundles, which lead to the same border."""
    total = sum(bundle.size for bundle in bundles)
    term = term if total > DIRECT else replace(term, grain=0.0)
    screen = _screen(bundles, rule, term, -(-total // DIRECT)) if total > DIRECT else None
    found = _join([bundle.candidates(rule, screen) for bundle in bundles], len(rule.highest))
    most = MOST[min(len(rule.compared), 2)]
    if len(found.cost) > most:
        raise SpecError(
            f"the limits leave more than {most:,} layouts to compare at once: lower limits are hard, and upper ones "
            "harder the more there are; give fewer, or wider ones"
        )
    found = found.take(nondominated(found.cost, found.score, found.burden[:, rule.compared], term))
    if term.grain:
        steps = term.step(found.cost, found.score)
        found = found.take(nondominated(found.cost, steps, found.burden[:, rule.compared]))
    return found


def _screen(bundles: Sequence[_Bundle], rule: _Rule, term: CostTerm, step: int) -> DominanceFilter | None:
    some = _join([bundle.candidates(rule, step=step) for bundle in bundles], len(rule.highest))
    if not len(some.cost):
        return None
    sides = np.append(0, 1 + rule.compared)
    ends = np.array([bundle.ends() for bundle in bundles])
    low, high = ends[:, 0].min(0), ends[:, 1].max(0)
    low[1:], high[1:] = np.maximum(low[1:], rule.floor), np.minimum(high[1:], rule.highest)
    high = np.maximum(high, low)
    burden = some.burden[:, rule.compared]
    kept = nondominated(some.cost, some.score, burden, term)
    return DominanceFilter(some.cost[kept], some.score[kept], burden[kept], low[sides], high[sides], term)


def _join(labels: Sequence[_Labels], limits: int) -> _Labels:
    if not labels:
        none = np.zeros(0, np.int64)
        return _Labels(none, none.astype(np.float64), np.zeros((0, limits), np.int64), none)
    return _Labels(
        np.concatenate([part.cost for part in labels]),
        np.concatenate([part.score for part in labels]),
        np.concatenate([part.burden for part in labels]),
        np.concatenate([part.code for part in labels]),
    )


def _trace(chain: Chain, history: Sequence[Sequence[_Labels]]) -> Ints:
    """[layouts, components]: the options along the way to each layout of the front."""
    code = history[-1][0].code
    choices = np.empty((len(code), len(chain.components)), np.int64)
    for index in range(len(history) - 1, -1, -1):
        before = history[index - 1] if index else []
        sizes = [len(labels.code) for labels in before] or [1]
        row, place = np.divmod(code, max(sizes))
        state, choices[:, index] = np.divmod(row, chain.components[index].options)
        if index:
            codes = np.concatenate([labels.code for labels in before])
            code = codes[np.cumsum([0, *sizes])[state] + place]
    return choices
