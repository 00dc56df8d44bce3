"""A counted space and a front in print: tables and text histograms for people, exact integers as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any, final

from rich.console import Group, RenderableType

from archspec.cli.shared.cost_tables import JSON
from archspec.cost.metrics import find_metric
from archspec.cost.tables import MetricAt
from archspec.documents.wording import plural, short
from archspec.printing.fitted_table import Column, FittedTable
from archspec.printing.fitted_text import FittedText
from archspec.spec.short_code import encode
from search.budget.survey import Population, Spread, limit_on
from search.counting.big_integers import Ints
from search.space.encoding import Encoding
from search.space.limits import Box, Limit

ROWS = 16
"""Bins of a histogram as text."""
EIGHTHS = " ▏▎▍▌▋▊▉"
OUTSIDE = "░"
FRONT_ROWS = 20


@final
@dataclass(frozen=True)
class FrontRows:
    """A front: choices [layouts, components] and costs [layouts, metrics], from the cheapest on."""

    metrics: tuple[MetricAt, ...]
    cost: MetricAt
    score: MetricAt
    choices: Ints
    costs: Ints


def render(found: Population) -> Group:
    """The size, the components, the costs with their histograms, and what the budget leaves."""
    parts: list[RenderableType] = [_headline(found), _components(found), _costs(found)]
    parts += [_histogram(spread, found) for spread in found.spreads if spread.layouts]
    parts += [FittedText(f"no histogram of {_label(one.metric)}: {one.reason}") for one in found.spreads if one.reason]
    if found.box:
        parts.append(_budget(found))
    return Group(*parts)


def render_front(front: FrontRows, encoding: Encoding, box: Box) -> FittedTable | FittedText:
    """The front, of a long one evenly chosen layouts with both ends."""
    count = len(front.choices)
    cost, score = _title(front.cost), _title(front.score)
    if not count:
        outside = f"no layout with the most {score} for its {cost} is inside the budget: the exact front is outside"
        return FittedText(outside)
    inside = " inside the budget" if box else ""
    heads = [Column("#"), *(Column(_label(metric)) for metric in (front.cost, front.score)), Column("layout", "code")]
    title = f"most {score} for their {cost}: the exact front{inside}, {plural(count, 'layout')}"
    told = f"{FRONT_ROWS} of them, evenly spaced; {JSON}" if count > FRONT_ROWS else ""
    table = FittedTable(title, heads, told)
    chosen = range(count) if count <= FRONT_ROWS else _even(count)
    columns = [front.metrics.index(metric) for metric in (front.cost, front.score)]
    for row in chosen:
        costs = [short(int(front.costs[row, column])) for column in columns]
        table.add_row(f"{row + 1:,}", *costs, encode(encoding.spec(front.choices[row])))
    return table


def population_record(found: Population) -> dict[str, Any]:
    """Plain data for JSON; every number of layouts and every cost is exact."""
    record: dict[str, Any] = {
        "name": found.name,
        "description": found.description,
        "resolution": found.resolution,
        "layouts": found.layouts,
        "ways": found.ways,
        "components": [{"name": part.name, "options": part.options, "holes": dict(part.holes)} for part in found.parts],
        "costs": [_spread_record(spread) for spread in found.spreads],
    }
    if found.box:
        limits = [
            {"metric": limit.metric.name, "resolution": limit.metric.resolution, "low": limit.low, "high": limit.high}
            | {"layouts": alone}
            for limit, alone in zip(found.box, found.alone, strict=True)
        ]
        record["budget"] = {"limits": limits, "layouts": found.inside, "share": float(found.share)}
    return record


def front_record(front: FrontRows, encoding: Encoding) -> dict[str, Any]:
    """Plain data for JSON: every layout of the front with its parameters and exact costs."""
    names = list(map(str, front.metrics))
    return {
        "cost": str(front.cost),
        "score": str(front.score),
        "layouts": [
            dict(zip(names, costs.tolist(), strict=True)) | {"holes": encoding.params(row)}
            for row, costs in zip(front.choices, front.costs, strict=True)
        ],
    }


def scientific(number: int) -> str:
    """A large count as 6.94e12; a small one in full."""
    if number < 10**6:
        return f"{number:,}"
    digits = str(number)
    mantissa = round(Fraction(number, 10 ** (len(digits) - 1)) * 100)
    carried = mantissa >= 1000
    return f"{(mantissa // 10 if carried else mantissa) / 100:.2f}e{len(digits) - 1 + carried}"


def percent(share: Fraction | float) -> str:
    """A share with at least two digits that say something: 4.09 %, 0.00031 %."""
    value = 100 * float(share)
    if value == 0:
        return "0 %"
    if share < 1 and value >= 99.995:
        return ">99.99 %"
    if value >= 0.01:
        return f"{value:.2f} %"
    return f"{value:.2g} %"


def _headline(found: Population) -> Group:
    about = FittedText(f"{found.name}: {found.description}" if found.description else found.name)
    count = FittedText(_large(found.layouts, "possible layouts"), style="bold")
    if found.layouts == found.ways:
        return Group(about, count, FittedText("every way to fill the holes is possible"))
    share = percent(Fraction(found.layouts, found.ways))
    others = f"{share} of {_large(found.ways, 'ways to fill the holes')}; the others do not fit together"
    return Group(about, count, FittedText(others))


def _components(found: Population) -> FittedTable:
    heads = (Column("component", "name"), Column("options"), Column("holes, with the options of each", "words"))
    table = FittedTable("components with a choice", heads)
    for part in found.parts:
        table.add_row(part.name, f"{part.options:,}", ", ".join(f"{path} ({count})" for path, count in part.holes))
    return table


def _costs(found: Population) -> FittedTable:
    heads = (Column("cost", "words"), Column("smallest"), Column("largest"), Column("ratio", rank=1))
    table = FittedTable("costs of the possible layouts, exactly", heads, whole=JSON)
    for spread in found.spreads:
        ratio = f"{spread.largest / spread.smallest:,.1f}" if spread.smallest else "–"
        table.add_row(_label(spread.metric), f"{spread.smallest:,}", f"{spread.largest:,}", ratio)
    return table


def _histogram(spread: Spread, found: Population) -> FittedTable:
    spread = spread.coarse(-(-len(spread.layouts) // ROWS))
    limit = limit_on(found.box, spread.metric)
    heads = (Column("from"), Column("below"), Column("", "bar"))
    heads += (Column("share"), Column("cumulative", rank=1), Column("layouts", rank=2))
    title = f"{_label(spread.metric)} of all {scientific(found.layouts)} layouts"
    told = f"solid: bins that {_limit(limit, found)} reaches into" if limit else ""
    table = FittedTable(title, heads, told, JSON, box=None)
    most = max(spread.layouts)
    ends = zip(spread.edges[:-1], spread.edges[1:], spread.layouts, spread.cumulative, strict=True)
    for low, high, layouts, below in ends:
        solid = limit is None or _reaches(limit, low, high)
        share, cumulative = Fraction(layouts, found.layouts), Fraction(below, found.layouts)
        bar = partial(_bar if solid else _empty_bar, Fraction(layouts, most))
        table.add_row(short(low), short(high), bar, percent(share), percent(cumulative), f"{layouts:,}")
    return table


def _budget(found: Population) -> FittedTable:
    heads = (Column("limit", "words"), Column("layouts"), Column("exactly", rank=1), Column("share"))
    table = FittedTable("inside the budget", heads, whole=JSON)
    for limit, alone in zip(found.box, found.alone, strict=True):
        table.add_row(_limit(limit, found), scientific(alone), f"{alone:,}", percent(Fraction(alone, found.layouts)))
    if len(found.box) > 1:
        table.add_section()
        cells = (scientific(found.inside), f"{found.inside:,}", percent(found.share))
        table.add_row("all of them", *cells, style="bold")
    return table


def _spread_record(spread: Spread) -> dict[str, Any]:
    record: dict[str, Any] = {"metric": spread.metric.name, "resolution": spread.metric.resolution}
    record |= {"smallest": spread.smallest, "largest": spread.largest}
    return record | ({"edges": list(spread.edges), "layouts": list(spread.layouts)} if spread.layouts else {})


def _label(metric: MetricAt) -> str:
    """`MACs at 448 px`."""
    at = f" at {metric.resolution} px" if metric.resolution else ""
    return f"{_title(metric)}{at}"


def _title(metric: MetricAt) -> str:
    """`bytes kept for backward`: behind numbers in full stands no unit."""
    found = find_metric(metric.name)
    return f"bytes {found.text}" if found.unit == "B" else found.text


def _limit(limit: Limit, found: Population) -> str:
    """A limit without the space's own resolution, which goes without saying."""
    own = limit.metric.resolution == found.resolution
    return str(Limit(MetricAt(limit.metric.name), limit.low, limit.high) if own else limit)


def _large(number: int, noun: str) -> str:
    text = scientific(number)
    return f"{text} {noun}" if text == f"{number:,}" else f"{text} {noun} ({number:,})"


def _bar(share: Fraction, width: int) -> str:
    """A bar of `share` of `width` cells; what is there is seen."""
    eighths = -(-8 * width * share.numerator // share.denominator)
    return "█" * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")


def _empty_bar(share: Fraction, width: int) -> str:
    return OUTSIDE * -(-width * share.numerator // share.denominator)


def _reaches(limit: Limit, low: int, high: int) -> bool:
    """Whether a bin holds costs inside a limit."""
    return (limit.low is None or high > limit.low) and (limit.high is None or low <= limit.high)


def _even(count: int) -> Sequence[int]:
    return [step * (count - 1) // (FRONT_ROWS - 1) for step in range(FRONT_ROWS)]
