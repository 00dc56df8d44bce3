"""What the trainings of a table say of its task: spread and noise, ranks during training, whether curves are flat."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from archspec.cost.measure import measure
from archspec.loader import load
from search.data.trained_layouts import TrainedLayouts, load_table
from search.estimate.gate import judge
from search.estimate.rank_correlation import kendall
from search.estimate.resampling import Interval, ResampledTaus, interval

RESAMPLES = 2000
SHARES = (0.1, 0.2)
"""Of the epochs, the last ones, over which gains are stated."""
FLAT = 1.0
"""Points that a flat curve gains at most over the longest of `SHARES`, in the mean."""

Floats = NDArray[np.float64]


def describe(full: Floats) -> str:
    """How far layouts and how far seeds lie apart, of accuracies [layouts, seeds], in points.

    A seed that was not trained with every layout is left out, but of the noise where every other one is.
    """
    several = full[np.isfinite(full).sum(1) > 1]
    full = full[:, np.isfinite(full).all(0)]
    means = 100 * full.mean(1)
    ends = f"accuracy {means.min():.1f} to {means.max():.1f} % (means), {np.ptp(means):.1f} points apart"
    text = f"{ends}; best training {100 * full.max():.1f} %; sd between layouts "
    if full.shape[1] < 2:
        text += f"{means.std(ddof=1):.1f} points, seed noise in it"
        if len(several) < 2:
            return text
        noise = 100 * math.sqrt(float(np.nanvar(several, 1, ddof=1).mean()))
        more = f"; the range is {np.ptp(means) / noise:.1f} of these" if noise else ""
        return f"{text}, of one seed about its layout {noise:.1f} (pooled over {len(several)} layouts{more})"
    points = 100 * (full - full.mean(0))  # less what a seed does to all layouts alike
    noise = float(points.var(1, ddof=1).mean())
    spread = math.sqrt(max(float(points.mean(1).var(ddof=1)) - noise / full.shape[1], 0))
    alike = np.mean([kendall(full[:, one], full[:, two]) for one, two in combinations(range(full.shape[1]), 2)])
    sds = f"; the range is {np.ptp(means) / math.sqrt(noise):.1f} of these" if noise else ""
    return (
        f"{text}{spread:.1f} points without seed noise, of one seed about its layout {math.sqrt(noise):.1f} "
        f"(pooled{sds}); tau between two seeds {alike:.2f}"
    )


def accuracies_of(known: TrainedLayouts, digests: Sequence[str]) -> Floats:
    """[layouts, seeds], as many seeds as each layout has; NaN for a training that is missing."""
    width = max(len(known.rows[digest]) for digest in digests)
    full = np.full((len(digests), width), np.nan)
    for index, digest in enumerate(digests):
        full[index, : len(known.rows[digest])] = [row.accuracy for row in known.rows[digest]]
    return full


def costs_of(known: TrainedLayouts, digests: Sequence[str]) -> dict[str, Floats]:
    """Multiply-adds and parameters [layouts], from the short codes of the table."""
    totals = [measure(load(known.codes[digest])).total for digest in digests]
    return {name: np.array([float(getattr(total, name)) for total in totals]) for name in ("macs", "params")}


def curves_of(known: TrainedLayouts, digests: Sequence[str]) -> Floats:
    """Accuracies [layouts, seeds, epochs], of as many seeds as every layout has."""
    seeds = min(len(known.rows[digest]) for digest in digests)
    curves = [[row.curve for row in known.rows[digest][:seeds]] for digest in digests]
    return np.array([[() if curve is None else curve.accuracies for curve in own] for own in curves])


def tell_curves(known: TrainedLayouts) -> None:
    """Print the rank of the accuracy at each epoch against the end, and what the last epochs gained."""
    digests = list(known.rows)
    curves, costs = curves_of(known, digests), costs_of(known, digests)
    seeds, epochs = curves.shape[1:]
    rankings = {f"{seed} {epoch}": curves[:, seed, epoch] for seed in range(seeds) for epoch in range(epochs)} | costs
    others = "others" if seeds > 1 else "own"
    for seed in range(seeds):
        left = [other for other in range(seeds) if other != seed]
        rankings[f"own {seed}"] = curves[:, seed, -1]
        rankings[f"others {seed}"] = curves[:, left, -1].mean(1) if left else curves[:, seed, -1]
    taus = ResampledTaus(rankings, RESAMPLES, 0)

    def against(end: str, epoch: int) -> Floats:
        return np.mean([taus.tau(f"{seed} {epoch}", f"{end} {seed}") for seed in range(seeds)], axis=0)

    alone = {name: np.mean([taus.tau(name, f"{others} {seed}") for seed in range(seeds)], axis=0) for name in costs}
    shown = [f"{name} {interval(tau, len(digests))}" for name, tau in alone.items()]
    ends = ResampledTaus({"end": curves[:, :, -1].mean(1)} | costs, RESAMPLES, 0)
    means = [f"{name} {interval(ends.tau(name, 'end'), len(digests))}" for name in costs]
    what = "the mean of the other seeds' ends" if seeds > 1 else "its own end, the only one there is"
    print(f"\ntau with the mean of {seeds} ends: {', '.join(means)}")
    print(f"tau of the accuracy of one training after so many epochs with {what}; of {', '.join(shown)}")
    print(f"| epochs | {others} | less MACs | own end |\n|" + 4 * "---|")
    for epoch in range(epochs):
        end, own = against(others, epoch), against("own", epoch)
        cells = [interval(values, len(digests)) for values in (end, end - alone["macs"], own)]
        print(f"| {epoch + 1} | {' | '.join(map(str, cells))} |")
    tell_gains(curves)


def tell_gains(curves: Floats) -> None:
    """Print what the last epochs gained, and whether that is little; curves [layouts, seeds, epochs].

    Before its last epoch a training is scored on a part of the validation images only.
    """
    epochs = curves.shape[2]
    last = 0.0
    for share in SHARES:
        count = math.ceil(share * epochs)
        gains = 100 * (curves[:, :, -1] - curves[:, :, -1 - count]) if count < epochs else np.full((1, 1), np.nan)
        own = gains.mean(1)
        error = own.std(ddof=1) / math.sqrt(len(own)) if len(own) > 1 else math.nan
        last = float(own.mean())
        print(
            f"gain over the last {share:.0%} of the epochs ({count}): {last:+.2f} points, sd over layouts "
            f"{own.std(ddof=1) if len(own) > 1 else math.nan:.2f}, 95 % of the mean {last - 1.96 * error:+.2f} to "
            f"{last + 1.96 * error:+.2f}; the largest {own.max():+.2f}"
        )
    print(f"in the mean curves are {'flat' if abs(last) < FLAT else 'not flat'} ({FLAT:g} point over the last fifth)")


def tell_against(long: TrainedLayouts, short: TrainedLayouts) -> None:
    """Print how far shorter trainings of the same layouts rank them as the long ones do.

    Args:
        long: trained until curves are flat.
        short: trained for fewer epochs.

    Raises:
        SystemExit: the tables have fewer than two layouts in common.
    """
    digests = [digest for digest in long.rows if digest in short.rows]
    if len(digests) < 2:
        raise SystemExit(f"tables {long.name} and {short.name} have {len(digests)} layouts in common")
    full, early = accuracies_of(long, digests), accuracies_of(short, digests)
    costs = costs_of(long, digests)
    lengths = [f"{known.epochs} epochs" if known.epochs else "epochs unknown" for known in (short, long)]
    print(f"\n{short.name} ({lengths[0]}) against {long.name} ({lengths[1]}): {len(digests)} layouts in common")
    gate = judge(np.nanmean(early, 1), full, costs)
    print(f"tau of the mean of {early.shape[1]} short trainings {gate.tau}; given MACs {gate.partial}")
    for name, cost in gate.costs.items():
        print(f"{name} alone {cost.tau}; the difference {cost.difference}")
    print(f"tau of one short training, mean over them {_one(early, full)}; a perfect estimate: {gate.ceiling:.2f}")
    if short.epochs:
        curves = curves_of(short, digests)
        print("| epochs | tau of one short training |\n|---|---|")
        for epoch in range(short.epochs):
            print(f"| {epoch + 1} | {_one(curves[:, :, epoch], full)} |")


def _one(early: Floats, full: Floats) -> Interval:
    """The tau of a single training with the mean of the full ones, in the mean over seeds; [layouts, seeds] both."""
    kept = [seed for seed in range(early.shape[1]) if np.isfinite(early[:, seed]).all()]
    rankings = {str(seed): early[:, seed] for seed in kept} | {"full": np.nanmean(full, 1)}
    taus = ResampledTaus(rankings, RESAMPLES, 0)
    return interval(np.mean([taus.tau(str(seed), "full") for seed in kept], axis=0), len(early))


def open_table(source: str) -> TrainedLayouts:
    """A table with the short codes of its layouts.

    Raises:
        SystemExit: a layout has none.
    """
    known = load_table(source)
    if lacking := next((digest for digest in known.rows if digest not in known.codes), ""):
        raise SystemExit(f"table {source} has no code of layout {lacking}")
    return known
