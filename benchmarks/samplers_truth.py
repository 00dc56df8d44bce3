"""What a table of trained layouts says when all of it is known: the scale on which searches are scored."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from table_tasks import TableTask

from archspec.cost.measure import measure
from archspec.spec.short_code import encode
from reports.statistics.pareto import hypervolume, hypervolume_history, nondominated
from reports.statistics.summary import Summary, summarise
from search.evaluator import parse_evaluator
from search.seeding import mix
from search.space.encoding import Encoding
from search.space.space import load_space

MARGIN = 0.1
"""The reference's MACs lie this share of the span (of log10 MACs) beyond the dearest layout, as in a report."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """All layouts of a space that a table holds.

    Attributes:
        listed: whether these are some of the layouts of the space, to which a search keeps.
        accuracy: [layouts, seeds], validation accuracy of each training.
        macs: [layouts].
        row: index of a layout by its digest.
        choices: what fills each hole, by layout.
    """

    space: str
    table: str
    accuracy: Floats
    macs: Floats
    codes: list[str]
    row: dict[str, int]
    choices: list[dict[str, object]]
    listed: bool = False

    @property
    def mean(self) -> Floats:
        """The quality of each layout: mean accuracy over seeds."""
        return self.accuracy.mean(axis=1)

    @property
    def reference(self) -> tuple[float, float]:
        """The reference point: lowest quality, and MACs `MARGIN` beyond the dearest."""
        low, high = self.macs.min(), self.macs.max()
        return float(self.mean.min()), float(high * (high / low) ** MARGIN)

    @property
    def front(self) -> list[int]:
        """The true front, by ascending MACs."""
        chosen = np.flatnonzero(nondominated(np.column_stack([-self.mean, self.macs])))
        return sorted(chosen.tolist(), key=lambda index: self.macs[index])

    def losses(self) -> Floats:
        """Each layout in the box from its best corner (0, 0) to the reference (1, 1); MACs by their logarithm."""
        accuracy, macs = self.reference
        best, low = self.mean.max(), self.macs.min()
        return np.column_stack([(best - self.mean) / (best - accuracy), np.log(self.macs / low) / np.log(macs / low)])

    def histories(self, rows: list[int], seen: Floats) -> tuple[list[float], list[float]]:
        """Hypervolume over that of the true front after each of `rows`: of all so far, and of those that look best.

        Args:
            rows: layouts in the order of training.
            seen: the accuracy that the search saw of each, by which it would choose what it reports.
        """
        losses, corner = self.losses(), np.ones(2)
        whole = hypervolume(losses[self.front], corner)
        points = losses[rows]
        looks = np.column_stack([-seen, self.macs[rows]])
        reported = [
            hypervolume(points[:count][nondominated(looks[:count])], corner) / whole
            for count in range(1, len(rows) + 1)
        ]
        return (hypervolume_history(points, corner) / whole).tolist(), reported

    def seen(self, digest: str, seed: int) -> float:
        """What the search with `seed` sees of a layout: the accuracy of one of its trainings.

        Which one is drawn from both: the table's few seeds, each taken for all layouts, would make the noise of
        repeated searches the same few times over. A real search trains every layout with one seed, so what that seed
        does to all of them alike moves no layout past another; it is therefore taken out before rows are mixed.
        """
        column = mix(seed, digest) % self.accuracy.shape[1]
        common = self.accuracy[:, column].mean() - self.accuracy.mean()
        return float(self.accuracy[self.row[digest], column] - common)

    def noise(self) -> float:
        """Standard deviation of a training's accuracy about its layout's mean, apart from what all share of a seed.

        The residual of the two-way layout (layouts by seeds) without replication.
        """
        rows, seeds = self.accuracy.shape
        residual = self.accuracy - self.mean[:, None] - self.accuracy.mean(axis=0) + self.accuracy.mean()
        return float(np.sqrt((residual**2).sum() / ((rows - 1) * (seeds - 1))))

    def spread(self) -> Summary:
        """Of the qualities of layouts."""
        return summarise(self.mean.tolist())

    def taus(self) -> dict[tuple[int, int], float]:
        """Kendall's rank correlation (tau-b) of the layouts between each two seeds."""
        from scipy.stats import kendalltau

        pairs = combinations(range(self.accuracy.shape[1]), 2)
        return {(a, b): float(kendalltau(self.accuracy[:, a], self.accuracy[:, b]).statistic) for a, b in pairs}

    def cost_correlation(self) -> tuple[float, float]:
        """Pearson's and Spearman's correlation of log MACs with quality."""
        from scipy.stats import pearsonr, spearmanr

        logs = np.log(self.macs)
        return float(pearsonr(logs, self.mean).statistic), float(spearmanr(logs, self.mean).statistic)

    def additive_share(self) -> float:
        """Share of the variance of qualities that a sum of one effect per option explains (adjusted R²)."""
        names = list(dict.fromkeys(name for choice in self.choices for name in choice))
        columns = [
            [float(choice.get(name) == option) for choice in self.choices]
            for name in names
            for option in {choice.get(name): None for choice in self.choices}
        ]
        design = np.column_stack([np.ones(len(self.macs)), *columns])
        fitted, _, rank, _ = np.linalg.lstsq(design, self.mean, rcond=None)
        left = self.mean - design @ fitted
        return float(1 - (left**2).sum() / (len(left) - rank) / self.mean.var(ddof=1))


def measure_truth(task: TableTask) -> Truth:
    """Everything that the table of a task says of the layouts of its space, or of those that it lists."""
    from search.evaluators.table import Lookup

    space, table, pool = task.space, task.table, task.listed
    evaluator = parse_evaluator(task.evaluator)
    assert isinstance(evaluator, Lookup)
    opened = load_space(space)
    if pool:
        encoding = Encoding(opened)
        specs = list(evaluator.listed or ())
        found = [next(encoding.locate(spec), None) for spec in specs]
        specs = [spec for spec, row in zip(specs, found, strict=True) if row is not None]
        choices = [encoding.params(row) for row in found if row is not None]
    else:
        layouts = list(opened.enumerate())
        specs = [evaluator.prepare(layout.spec) for layout in layouts]
        choices = [layout.params for layout in layouts]
    return Truth(
        space,
        table,
        np.array([[row.accuracy for row in evaluator.find(spec)] for spec in specs]),
        np.array([measure(spec).macs for spec in specs], np.float64),
        [encode(spec) for spec in specs],
        {spec.digest: index for index, spec in enumerate(specs)},
        [dict(choice) for choice in choices],
        pool,
    )
