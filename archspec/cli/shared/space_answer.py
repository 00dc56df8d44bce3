"""The work of `archspec space`: count a space, draw from it, find its front, and hand plain arrays to the figure."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.cli.shared.space_tables import FrontRows, front_record, population_record, render, render_front
from archspec.cli.shared.waiting import waiting
from archspec.cost.tables import MetricAt
from archspec.errors import FieldError, SpecError
from archspec.files.output_folder import fresh_folder
from archspec.files.ownership import OutputCommand
from reports.drawing.canvas import style
from reports.spaces.population_figure import Cloud, Frontier, Histogram
from reports.spaces.population_figure import write as write_figures
from search.budget.count import BoxSampler
from search.budget.drawn_specs import check_folder, draw, write
from search.budget.survey import Population, Survey, limit_on
from search.space.encoding import Encoding
from search.space.limits import Box, parse_limits
from search.space.space import Space, find_space_document, parse_space
from search.study.reading import load_study
from search.study.recorded import STUDY

DRAWN = 20_000
"""Layouts in the cloud of a figure."""


@dataclass(frozen=True)
class Request:
    """The options of the command line."""

    space: str
    budget: Sequence[str] = ()
    resolutions: Sequence[int] = ()
    sample: int = 0
    out: Path | None = None
    seed: int = 0
    front: bool = False
    plot: Path | None = None
    force: bool = False
    timeout: float = math.inf


@dataclass(frozen=True)
class Answer:
    """The result; `written` are lines on what was written."""

    population: Population
    front: FrontRows | None
    survey: Survey
    written: tuple[str, ...]

    @property
    def tables(self) -> list[Any]:
        """Tables for people."""
        tables: list[Any] = [render(self.population)]
        if self.front is not None:
            tables.append(render_front(self.front, self.survey.encoding, self.survey.box))
        return tables

    @property
    def record(self) -> dict[str, Any]:
        """Plain data for programs."""
        record = population_record(self.population)
        if self.front is not None:
            record["front"] = front_record(self.front, self.survey.encoding)
        return record


def answer(request: Request) -> Answer:
    """Count, draw, solve and plot what is asked for.

    Raises:
        SpecError: a bad space, budget or option; a folder that cannot be written, or where files would be lost.
        RunError: the disk is full.
    """
    if request.sample and request.out is None:
        raise SpecError("needs --out DIR, the folder to write to", field="--sample")
    if request.out is not None and not request.sample:
        raise SpecError("needs --sample N, the number of specs to draw", field="--out")
    box, command = _box(request.budget), OutputCommand("space", request.force)
    if request.out is not None:
        check_folder(request.out, command, alone=True)
    if request.plot is not None:
        check_folder(request.plot, command, alone=False)
    drawn, front = None, None
    with waiting(request.space, request.timeout):
        survey = Survey(Encoding(_space(request.space)), box, request.resolutions)
        found = survey.count()
        if request.front:
            front = _front(survey, survey.first("macs"), survey.first("params"))
        if request.out is not None:
            drawn = draw(survey.encoding, survey.chain, survey.box, found.inside, request.sample, request.seed)
    written: list[str] = []
    if request.out is not None and drawn is not None:
        count = write(drawn, survey.metrics, request.out, command)
        written.append(
            f"wrote {count:,} specs, drawn uniformly with seed {request.seed}, and index.csv to {request.out}"
        )
    if request.plot is not None:
        with fresh_folder(request.plot, command) as fresh, style():
            write_figures(_cloud(survey, found, request.seed), fresh)
        written.append(
            f"wrote population.pdf, .svg and .png, the same for one column, and their data to {request.plot}"
        )
    return Answer(found, front, survey, tuple(written))


def _space(source: str) -> Space:
    if os.path.isfile(Path(source) / STUDY):
        return load_study(source, Path(source), {}).open_space()
    document = find_space_document(source)
    if isinstance(document.data, dict) and "space" in document.data:
        raise SpecError("is a study: name the space that it searches", source=source)
    return parse_space(document)


def _box(texts: Sequence[str]) -> Box:
    try:
        return parse_limits(texts)
    except FieldError as error:
        raise SpecError(error.rule, field="--budget") from None


def _front(survey: Survey, cost: MetricAt, score: MetricAt) -> FrontRows:
    choices = survey.front(cost, score)
    return FrontRows(survey.metrics, cost, score, choices, survey.chain.price(choices))


def _cloud(survey: Survey, found: Population, seed: int) -> Cloud:
    macs, params = survey.first("macs"), survey.first("params")
    choices, whole_space = _layouts(BoxSampler(survey.chain), found.layouts, np.random.default_rng(seed))
    costs = survey.chain.price(choices)
    inside = np.ones(len(costs), bool)
    for limit in survey.box:
        column = costs[:, survey.metrics.index(limit.metric)]
        inside &= np.array([limit.holds(cost) for cost in column.tolist()], bool)
    whole = Survey(survey.encoding, (), [macs.resolution] if macs.resolution else [])
    edges = (
        ("most parameters for their MACs (exact)", _front(whole, macs, params)),
        ("most MACs for their parameters (exact)", _front(whole, params, macs)),
    )
    columns = [survey.metrics.index(metric) for metric in (macs, params)]
    return Cloud(
        found.name,
        found.layouts,
        float(found.share) if found.box else None,
        _histogram(found, macs),
        _histogram(found, params),
        costs[:, columns],
        inside,
        tuple(Frontier(label, *_pair(front, macs, params)) for label, front in edges),
        whole_space,
    )


def _layouts(sampler: BoxSampler, count: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], bool]:
    """All `count` layouts where they are no more than a figure draws, and True; else as many draws as that."""
    drawn = sampler.sample(DRAWN, rng)
    if count > DRAWN:
        return drawn, False
    found = np.unique(drawn, axis=0)
    while len(found) < count:  # about ln(count) times count draws find the last one
        found = np.unique(np.concatenate([found, sampler.sample(DRAWN, rng)]), axis=0)
    return found, True


def _pair(front: FrontRows, *metrics: MetricAt) -> tuple[NDArray[np.int64], ...]:
    return tuple(front.costs[:, front.metrics.index(metric)] for metric in metrics)


def _histogram(found: Population, metric: MetricAt) -> Histogram:
    spread, limit = found.spread(metric), limit_on(found.box, metric)
    if spread.reason:
        raise SpecError(spread.reason, field="--plot")
    place = f" at {metric.resolution} px" if metric.resolution else ""
    low, high = (limit.low, limit.high) if limit else (None, None)
    return Histogram(metric.name, place, spread.edges, spread.layouts, low, high)
