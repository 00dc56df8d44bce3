"""Do cheap estimates beat cost? Cost alone, NASWOT, SynFlow and ZiCo against layouts that were trained to the end.

Kendall's tau b with the mean accuracy over seeds, the partial tau given MACs, and the difference to MACs alone, each
with its 95 % bootstrap interval over layouts, on the shipped tables. `--simulate` adds how often an estimate that is
noisy cost and nothing else would pass for a covariate, by the partial tau that the gate takes and by Kendall's own.
"""

import argparse
import time
from csv import DictReader
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import yaml

from archspec.cost.measure import measure
from archspec.errors import RunError
from archspec.loader import load
from search.data.dataset import Dataset, parse_dataset
from search.data.trained_layouts import TABLES, load_table
from search.estimate.gate import judge
from search.estimate.rank_correlation import kendall
from search.estimate.resampling import ResampledTaus, interval, partial_tau
from search.evaluator import Task, parse_evaluator

KNOWN = ("five_stage_grid", "five_stage_curves")
ESTIMATES = {
    "macs": {"type": "cost"},
    "params": {"type": "cost", "by": "params"},
    "naswot": {"type": "naswot"},
    "synflow": {"type": "synflow"},
    "zico": {"type": "zico"},
}


FEW = {"train": 400, "validation": 100, "test": 100}
"""Images of a table's task, of which a score sees some batches."""


def images(table: str) -> Dataset:
    """A few images of the task that a table's layouts were trained on."""
    pairs = yaml.safe_load(Path(__file__).with_name("pairs.yaml").read_text(encoding="utf-8"))
    return parse_dataset((pairs if table == "five_stage_curves" else {"type": "cluttered_digits"}) | FEW)


def describe(full: np.ndarray) -> str:
    """How far layouts and how far seeds lie apart, [layouts, seeds], in points."""
    points = 100 * (full - full.mean(0))  # less what a seed does to all layouts alike
    noise = points.var(1, ddof=1).mean()
    means = points.mean(1).var(ddof=1)
    alike = np.mean([kendall(full[:, one], full[:, two]) for one, two in combinations(range(full.shape[1]), 2)])
    return (
        f"accuracy {100 * full.mean(1).min():.1f} to {100 * full.mean(1).max():.1f} % (means); sd between layouts "
        f"{np.sqrt(max(means - noise / full.shape[1], 0)):.1f} points without seed noise, of one seed about its layout "
        f"{np.sqrt(noise):.1f}; tau between two seeds {alike:.2f}"
    )


def layouts(table: str) -> dict:
    """Specs of a table by digest, read back from the short codes of its rows."""
    with TABLES.file(table).open(encoding="utf-8") as file:
        return {row["digest"]: load(row["code"]) for row in DictReader(file)}


def examine(table: str, count: int, seed: int) -> None:
    rows = load_table(table).rows
    specs = layouts(table)
    rng = np.random.default_rng(seed)
    chosen = [list(rows)[index] for index in sorted(rng.permutation(len(rows))[:count])]
    width = max(len(rows[digest]) for digest in chosen)
    full = np.full((len(chosen), width), np.nan)
    for index, digest in enumerate(chosen):
        full[index, : len(rows[digest])] = [row.accuracy for row in rows[digest]]
    totals = [measure(specs[digest]).total for digest in chosen]
    costs = {name: np.array([float(getattr(total, name)) for total in totals]) for name in ("macs", "params")}
    print(f"\n{table}: {len(chosen)} of {len(rows)} layouts, {width} seeds; {describe(full)}")
    print("| estimate | tau | given MACs | less MACs | less params | CPU s each | verdict |\n|" + 7 * "---|")
    for name, asked in ESTIMATES.items():
        evaluator = parse_evaluator({**asked, "data": images(table)})
        session, values = evaluator.open(), []
        start = time.process_time()
        with TemporaryDirectory() as folder:
            for digest in chosen:
                task = Task(specs[digest], seed, Path(folder), Path(folder))
                try:
                    values.append(session.evaluate(task, lambda: False, lambda said: None)["accuracy"])
                except RunError as error:
                    print(f"{name} {digest}: {error}")
                    values.append(np.nan)
        seconds = (time.process_time() - start) / len(chosen)
        gate = judge(np.array(values), full, costs)
        ahead = " | ".join(str(gate.costs[cost].difference) for cost in costs)
        print(f"| {name} | {gate.tau} | {gate.partial} | {ahead} | {seconds:.2f} | {gate.verdict} |", flush=True)
    print(f"a perfect estimate: {gate.ceiling:.2f}")


def simulate(repeats: int) -> None:
    print("\nestimates that are noisy cost and nothing else, which pass for a covariate:")
    print("| layouts | this partial tau | Kendall's own |\n|---|---|---|")
    for count in (24, 40, 120):
        rng = np.random.default_rng(count)
        passed = np.zeros(2)
        for _ in range(repeats):
            cost = rng.normal(size=count)
            estimate, full = cost + 0.7 * rng.normal(size=count), cost + rng.normal(size=count)
            taus = ResampledTaus({"e": estimate, "f": full, "c": cost}, 500, 0)
            x, y, both = taus.tau("e", "c"), taus.tau("f", "c"), taus.tau("e", "f")
            own = (both - x * y) / np.sqrt((1 - x * x) * (1 - y * y))
            passed += [interval(one, count).low > 0 for one in (partial_tau(x, y, both), own)]
        print(f"| {count} | {100 * passed[0] / repeats:.0f} % | {100 * passed[1] / repeats:.0f} % |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layouts", type=int, default=216, help="most layouts of each table")
    parser.add_argument("--tables", nargs="+", default=list(KNOWN), choices=KNOWN)
    parser.add_argument("--seed", type=int, default=0, help="of weights, images and the choice of layouts")
    parser.add_argument("--simulate", type=int, default=0, metavar="N", help="simulated checks of each size")
    asked = parser.parse_args()
    for table in asked.tables:
        examine(table, asked.layouts, asked.seed)
    if asked.simulate:
        simulate(asked.simulate)


if __name__ == "__main__":
    main()
