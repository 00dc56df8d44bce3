"""Whether `exact` is ahead of, level with or behind each other sampler, by paired differences over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

import numpy as np
from convergence import difference
from numpy.typing import NDArray

from search.estimate.resampling import Interval, interval

DECIDED = (20, 40, 60)
"""Trained layouts after which samplers are compared."""
MINE = "exact"
RESAMPLES = 10_000

Floats = NDArray[np.float64]
Qualities = Mapping[str, Floats]
"""Hypervolume [seeds, trials] by sampler, row by row the same seeds; of one with fewer, the first."""


@dataclass(frozen=True)
class Verdict:
    """`exact` against another sampler after so many trained layouts; the difference has its 95 % bootstrap interval."""

    other: str
    trainings: int
    difference: Interval

    @property
    def word(self) -> str:
        """Ahead or behind where the interval excludes 0, else level."""
        return "ahead" if self.difference.low > 0 else "behind" if self.difference.high < 0 else "level"

    def __str__(self) -> str:
        value, low, high = self.difference.value, self.difference.low, self.difference.high
        return f"{self.word} ({value:+.3f} [{low:+.3f}, {high:+.3f}])"


def verdicts(quality: Qualities) -> list[Verdict]:
    """Of every other sampler at every one of `DECIDED` that the searches came to."""
    if MINE not in quality:
        return []
    found: list[Verdict] = []
    for other, curves in quality.items():
        for point in DECIDED if other != MINE else ():
            if point <= curves.shape[1]:
                gain = difference(quality[MINE], curves)[:, point - 1]
                found.append(Verdict(other, point, resampled_mean(gain)))
    return found


def resampled_mean(values: Floats) -> Interval:
    """The mean of values [seeds] with its 95 % bootstrap interval over them, expanded as for few."""
    drawn = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    return interval(np.append(values.mean(), values[drawn].mean(axis=1)), len(values))


def summarise_verdicts(tables: Sequence[tuple[str, Qualities]]) -> str:
    """The part of the page that says of all tables where `exact` is ahead, level or behind; names and qualities."""
    found = {name: verdicts(quality) for name, quality in tables}
    if not any(found.values()):
        return ""
    rows: list[list[str]] = []
    for name, own in found.items():
        for point in dict.fromkeys(one.trainings for one in own):
            at = [one for one in own if one.trainings == point]
            words = {word: [one.other for one in at if one.word == word] for word in ("ahead", "level", "behind")}
            rows.append([f"`{name}`", str(point), *(", ".join(names) or "none" for names in words.values())])
    behind = [
        f"{one.other} on {name} at {one.trainings}"
        for name, own in found.items()
        for one in own
        if one.word == "behind"
    ]
    names = " and ".join(found) if len(found) < 3 else f"{', '.join(list(found)[:-1])} and {list(found)[-1]}"
    points = ", ".join(map(str, dict.fromkeys(one.trainings for own in found.values() for one in own)))
    said = (
        f"`exact` is behind {', '.join(behind)}."
        if behind
        else f"`exact` is ahead of or level with all others at {points} trainings on {names}."
    )
    text = (
        f"{said} Ahead and behind are where the 95 % interval of the paired difference of hypervolume (bootstrap over "
        "seeds) excludes 0; level is where it does not, which is not the same as equal: each table's section has the "
        "intervals. They are not corrected for their number, so one in twenty would exclude 0 by chance."
    )
    table = markdown(["table", "trainings", "ahead of", "level with", "behind"], rows)
    return f"## Is `exact` behind anywhere?\n\n{fill(text, 120)}\n\n{table}"


def verdict_part(name: str, quality: Qualities, additive: float) -> str:
    """The part of a table's section that has the verdict with its intervals, and why.

    Args:
        name: of the table.
        quality: by sampler.
        additive: share of the variance of the table's means that a sum of one effect per option explains.
    """
    own = verdicts(quality)
    if not own:
        return ""
    points = list(dict.fromkeys(one.trainings for one in own))
    rows = [[other, *(str(one) for one in own if one.other == other)] for other in dict.fromkeys(v.other for v in own)]
    behind = [f"{one.other} at {one.trainings}" for one in own if one.word == "behind"]
    lower = [one for one in own if one.word == "level" and one.difference.value < 0]
    said = f"`exact` is behind {', '.join(behind)}." if behind else "`exact` is ahead of or level with all others."
    if lower:
        worst = min(lower, key=lambda one: one.difference.low)
        said += (
            f" Its mean is lower, within the interval, than that of "
            f"{', '.join(f'{one.other} at {one.trainings}' for one in lower)}; the data allow it to be as much as "
            f"{-worst.difference.low:.3f} behind ({worst.other} at {worst.trainings})."
        )
    why = (
        " Its surrogate is a sum of effects on a line in log cost; in this table a sum of effects explains "
        f"{additive:.0%} of the variance of the means. What options do together it cannot learn, and `gp` can."
        if behind or lower
        else ""
    )
    tuned = (
        " Its settings were chosen by trying a few on this table and on simulated problems; the others run at "
        "archspec's defaults."
        if name == "five_stage_grid"
        else ""
    )
    table = markdown([f"`{MINE}` against", *map(str, points)], rows)
    return f"### Verdict on `{name}`\n\n{fill(said + why + tuned, 120)}\n\n{table}"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown, all columns but the first to the right."""
    lines = [f"| {' | '.join(cells)} |" for cells in (header, *rows)]
    lines.insert(1, "|---" + "|--:" * (len(header) - 1) + "|")
    return "\n".join(lines)
