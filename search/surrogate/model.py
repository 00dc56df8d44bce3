"""An additive surrogate: accuracy as a sum of one effect per component, fitted to the trials of a study.

The effects are linear in `search.surrogate.features` and found by ridge regression: least squares plus a penalty on
large effects. The penalty is the one with the smallest leave-one-out error, which for ridge has a closed form: with the
hat matrix H that takes observations to predictions, leaving trial i out changes its residual r_i to r_i / (1 - H_ii)
exactly (Allen's PRESS), so all n refits cost one decomposition.

How far an effect is known is its standard deviation under the Bayesian reading of ridge. The deviation of a sum is at
most the sum of the deviations (triangle inequality), so

    sum over components of (effect + kappa * deviation of the effect)

is never below the layout's prediction plus kappa times its deviation: an upper confidence bound, a cautious one, and
still a sum over components, hence one that `search.front.front` maximises exactly over every layout of the space.

Accuracy grows with cost before anything else is known of a space, so with the costs of the trials the effects explain
what a line in log cost leaves: intercept and slope are not penalised, the effects are. Ridge with columns that are not
penalised is ridge on what is orthogonal to them, and its hat matrix the sum of both, so leave-one-out stays closed. The
prediction is then a sum of effects plus the slope times log(1 + cost), which `search.front.front` takes as such. The
deviations are those of the effects about the fitted line; how far the slope itself is known they do not say.

A covariate that is itself a sum over components (`search.surrogate.covariate`) stands beside the line, and its share is
added to the effects: the prediction stays such a sum. Means of several trainings have weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from search.estimate.rank_correlation import kendall, spearman
from search.front.cost_term import CostTerm
from search.surrogate.features import Features, Floats

PENALTIES = np.logspace(-2, 5, 29)
"""Penalties that are tried; with features between 0 and 1, all from hardly any to nearly infinite."""
LINE = 5
"""Trials from which on a line in log cost is fitted; for each covariate there must be one more, and so many beside."""
MANY = 512
"""Trials up to which the decomposition is that of the trials themselves."""
NEW = 1e-6
"""Share of its variance by which a covariate must differ from a line in the columns before it."""


@final
@dataclass(frozen=True, slots=True)
class Surrogate:
    """A fitted surrogate.

    Attributes:
        scores: per component [options]: effects; the first component's hold the mean (the intercept) too.
        deviations: per component [options]: standard deviations of the effects.
        penalty: the ridge penalty.
        left_out: [trials], the prediction of each trial by a fit to all others.
        loo_error: root mean square error of `left_out`, in the unit of the values.
        kendall: rank correlation of `left_out` and the values, Kendall's tau b. A surrogate that has learnt nothing
            predicts the mean of the others, which is the lower the better the trial, so -1 means that, too.
        spearman: the same, Spearman's rho.
        slope: over log(1 + cost); 0 where costs were not given or say nothing.
    """

    scores: list[Floats]
    deviations: list[Floats]
    penalty: float
    left_out: Floats
    loo_error: float
    kendall: float
    spearman: float
    slope: float = 0.0

    def predict(self, choices: NDArray[np.integer], costs: NDArray[np.integer] | None = None) -> Floats:
        """Predictions [layouts] for layouts [layouts, components] and, where there is a slope, their costs [layouts].

        Raises:
            ValueError: a slope without costs.
        """
        return self.total(self.scores, choices, costs)

    def total(self, scores: list[Floats], choices: NDArray[np.integer], costs: NDArray[np.integer] | None) -> Floats:
        """The sums [layouts] of some scores of the components, and the term of the cost."""
        if not self.slope:
            return add_up(scores, choices)
        if costs is None:
            raise ValueError("the surrogate has a slope over log cost: predictions need the costs of the layouts")
        return add_up(scores, choices) + CostTerm(self.slope).value(np.asarray(costs, np.int64))

    def optimistic(self, kappa: float) -> list[Floats]:
        """Scores per component whose sum is an upper confidence bound: effects plus `kappa` deviations."""
        return [score + kappa * deviation for score, deviation in zip(self.scores, self.deviations, strict=True)]


def add_up(scores: list[Floats], choices: NDArray[np.integer]) -> Floats:
    """Sums [layouts] of scores [options] per component, added from left to right as `search.front.front` does."""
    total = np.zeros(len(choices))
    for index, score in enumerate(scores):
        total += score[choices[:, index]]
    return total


def fit_surrogate(
    features: Features,
    choices: NDArray[np.integer],
    values: Floats,
    *,
    costs: NDArray[np.integer] | None = None,
    monotone: bool = False,
    weights: Floats | None = None,
    covariates: Sequence[Sequence[Floats]] = (),
) -> Surrogate:
    """Fit a surrogate to trials.

    Args:
        features: of the space.
        choices: [trials, components].
        values: [trials], what is predicted; larger is better.
        costs: [trials], not negative; None for no line in log cost. With fewer than `LINE` trials, or costs that do
            not differ once any one of them is left out, there is none either.
        monotone: effects do not decrease with a depth or a width, whatever the other holes of the component. The
            leave-one-out predictions are then by refitting, at the penalty of the unconstrained fit.
        weights: [trials], positive: what each one's squared error counts for; None where all count alike.
        covariates: sums over components as well, each as its terms [options] per component. Like the line in log cost
            they are not penalised; one that adds nothing to the columns before it is left out.

    Raises:
        ValueError: fewer than two trials.
    """
    if len(values) < 2:
        raise ValueError(f"a surrogate needs at least 2 trials, not {len(values)}")
    rows = features.rows(choices)
    line = _line(len(values), costs)
    sloped = line.shape[1] > 1
    line, kept = _with_covariates(line, [add_up(list(one), choices) for one in covariates])
    root = None if weights is None else np.sqrt(weights)
    ridge = _Ridge.of(rows, values, line, root)
    penalty = float(min(PENALTIES, key=lambda penalty: float(np.square(ridge.left_out(penalty)).sum())))
    residuals = ridge.left_out(penalty) if root is None else ridge.left_out(penalty) / root
    effects = ridge.effects(penalty)
    if monotone:
        effects = bounded_ridge(ridge.x, ridge.y, penalty, features.rising)
        residuals = _refit(rows, values, line, penalty, features.rising, effects <= 0, root)
    error = float(np.sqrt(np.square(residuals).mean()))
    free = _least_squares(line, values - rows @ effects, root)
    slope = float(free[1]) if sloped else 0.0
    center = rows.mean(0)
    parts, centers = features.split(effects), features.split(center)
    scores = [(table - c) @ part for table, c, part in zip(features.tables, centers, parts, strict=True)]
    scores[0] = scores[0] + (float(free[0]) + float(center @ effects))
    for index, factor in zip(kept, free[len(free) - len(kept) :], strict=True):
        scores = [score + factor * term for score, term in zip(scores, covariates[index], strict=True)]
    explained = slope * line[:, -1] if sloped and not kept else line[:, 1:] @ free[1:]
    deviations = _Ridge.of(rows, values - explained, line[:, :1], root).deviations(features, center, penalty)
    left_out = values - residuals
    ranks = kendall(left_out, values), spearman(left_out, values)
    return Surrogate(scores, deviations, penalty, left_out, error, *ranks, slope)


def _line(trials: int, costs: NDArray[np.integer] | None) -> Floats:
    """The columns that are not penalised [trials, 1 or 2]: ones and, if it can be told from them, log(1 + cost)."""
    ones = np.ones((trials, 1))
    if costs is None or trials < LINE or len(np.unique(np.sort(costs)[1:-1])) < 2:
        return ones
    return np.column_stack([ones, np.log1p(costs)])


def _with_covariates(line: Floats, columns: list[Floats]) -> tuple[Floats, list[int]]:
    """The columns that are not penalised with those of covariates, and which of these are among them."""
    kept: list[int] = []
    for index, column in enumerate(columns):
        centred = column - column.mean()
        left = centred - line @ np.linalg.lstsq(line, centred, rcond=None)[0]
        if len(column) > line.shape[1] + LINE and left @ left > NEW * (centred @ centred):
            line = np.column_stack([line, column])
            kept.append(index)
    return line, kept


def _least_squares(line: Floats, values: Floats, root: Floats | None) -> Floats:
    if root is not None:
        line, values = line * root[:, None], values * root
    return np.asarray(np.linalg.lstsq(line, values, rcond=None)[0], np.float64)


@final
@dataclass(frozen=True, slots=True)
class _Ridge:
    """Ridge regression beside columns that are not penalised. With weights, all rows are times their roots.

    Attributes:
        x: [trials, features], the features less what those columns explain of them.
        y: [trials], the observations likewise.
        free: [trials, columns], an orthonormal basis of those columns.
        u, s, vt: the thin SVD of `x`, u * s * vt.
    """

    x: Floats
    y: Floats
    free: Floats
    u: Floats
    s: Floats
    vt: Floats

    @classmethod
    def of(cls, rows: Floats, values: Floats, line: Floats, root: Floats | None = None) -> _Ridge:
        if root is not None:
            free = np.linalg.qr(line * root[:, None])[0]
            x, y = rows * root[:, None], values * root
            x, y = x - free @ (free.T @ x), y - free @ (free.T @ y)
            return cls(x, y, free, *_decompose(x))
        free = np.full((len(values), 1), len(values) ** -0.5)
        x, y = rows - rows.mean(0), values - values.mean()  # of constants exactly zero
        if line.shape[1] > 1:
            tilt = np.linalg.qr(line[:, 1:] - line[:, 1:].mean(0))[0]
            free, x, y = np.column_stack([free, tilt]), x - tilt @ (tilt.T @ x), y - tilt @ (tilt.T @ y)
        return cls(x, y, free, *_decompose(x))

    def effects(self, penalty: float) -> Floats:
        """[features]."""
        return self.vt.T @ (self.s / (self.s**2 + penalty) * (self.u.T @ self.y))

    def left_out(self, penalty: float) -> Floats:
        """[trials]: how far each one lies above its prediction by a fit to all others."""
        shrink = self.s**2 / (self.s**2 + penalty)
        hat = np.square(self.u) @ shrink + np.square(self.free).sum(1)
        residual = self.y - self.u @ (shrink * (self.u.T @ self.y))
        return residual / np.maximum(1 - hat, 1e-12)

    def deviations(self, features: Features, center: Floats, penalty: float) -> list[Floats]:
        """Per component [options]: scale * sqrt(z' (1 - X'(XX' + penalty)^-1 X) z) for the centred features z.

        This is the deviation of an effect given the trials, if effects were normal with deviation `scale` and the
        trials' noise had the variance penalty * scale^2; `scale` is the one under which the trials are likeliest.
        """
        shrink = self.s**2 / (self.s**2 + penalty)
        inside = np.square(self.u.T @ self.y)
        fit = float((inside / (self.s**2 + penalty)).sum()) + float(self.y @ self.y - inside.sum()) / penalty
        scale = np.sqrt(max(fit, 0.0) / (len(self.y) - 1))
        out: list[Floats] = []
        parts = zip(features.tables, features.split(center), features.split(self.vt.T), strict=True)
        for table, middle, axes in parts:
            z = table - middle
            left = np.square(z).sum(1) - np.square(z @ axes) @ shrink
            out.append(scale * np.sqrt(np.maximum(left, 0)))
        return out


def _decompose(x: Floats) -> tuple[Floats, Floats, Floats]:
    """The thin SVD u, s, vt of [trials, features]; of many trials by the eigenvectors of their Gram matrix.

    The latter is several times as fast, and loses directions whose s is below the largest one times the root of the
    rounding error, of which the smallest penalty leaves nothing either.
    """
    if len(x) <= MANY:
        u, s, vt = np.linalg.svd(x, full_matrices=False)
        return u, s, vt
    squares, axes = np.linalg.eigh(x.T @ x)
    kept = squares > squares[-1] * len(x) * np.finfo(np.float64).eps
    s, v = np.sqrt(squares[kept]), axes[:, kept]
    return (x @ v) / s, s, v.T


def bounded_ridge(
    x: Floats, y: Floats, penalty: float, bounded: NDArray[np.bool_], pinned: NDArray[np.bool_] | None = None
) -> Floats:
    """Ridge regression with some effects not below zero, exactly.

    The active set method of Lawson and Hanson: effects are freed one at a time, the one with the largest gradient
    first; a step that would take others below zero ends there and pins them. Each round lowers the error, so it ends.

    Args:
        x: [trials, features], centred.
        y: [trials], centred.
        penalty: positive.
        bounded: [features].
        pinned: [features], a guess at those that will be zero, which saves time.
    """
    gram, pull = x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y
    free = ~bounded if pinned is None else ~(bounded & pinned)
    tolerance = 1e-10 * max(1.0, float(np.abs(pull).max(initial=0)))
    effects = np.zeros(len(pull))
    for _ in range(100 * len(pull)):
        aim = np.zeros(len(pull))
        aim[free] = np.linalg.solve(gram[np.ix_(free, free)], pull[free])
        (below,) = np.nonzero(bounded & free & (aim < 0))
        if len(below):
            reach = effects[below] / (effects[below] - aim[below])
            effects += reach.min() * (aim - effects)
            stopped = below[reach <= reach.min()]
            effects[stopped] = 0
            free[stopped] = False
            continue
        effects = aim
        gradient = np.where(free, -np.inf, pull - gram @ effects)
        if gradient.max(initial=-np.inf) <= tolerance:
            break
        free[gradient.argmax()] = True
    return effects


def _refit(
    rows: Floats,
    values: Floats,
    line: Floats,
    penalty: float,
    bounded: NDArray[np.bool_],
    pinned: NDArray[np.bool_],
    root: Floats | None,
) -> Floats:
    """`_Ridge.left_out` with bounds, by as many fits as there are trials."""
    residuals = np.empty(len(values))
    for index in range(len(values)):
        others = np.arange(len(values)) != index
        own = None if root is None else root[others]
        ridge = _Ridge.of(rows[others], values[others], line[others], own)
        effects = bounded_ridge(ridge.x, ridge.y, penalty, bounded, pinned)
        free = _least_squares(line[others], values[others] - rows[others] @ effects, own)
        residuals[index] = values[index] - line[index] @ free - rows[index] @ effects
    return residuals
