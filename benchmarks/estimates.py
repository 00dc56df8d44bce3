"""Do cheap estimates beat cost? Cost alone, NASWOT, SynFlow and ZiCo against layouts that were trained to the end.

Kendall's tau b with the mean accuracy over seeds, the partial tau given MACs, and the difference to MACs alone, each
with its 95 % bootstrap interval over layouts, on the shipped tables. `--simulate` adds how often an estimate that is
noisy cost and nothing else would pass for a covariate, by the partial tau that the gate takes and by Kendall's own.

What a table with curves says of its task comes first: how far layouts and seeds lie apart, the rank of the accuracy
after each epoch against the end, and whether curves are flat. With `--estimates` and no name after it that is all. A
table may be a file; `--against` names a second one, of shorter trainings of the same layouts, whose ranks are compared
with those of the first:

    python benchmarks/estimates.py --estimates --tables long.csv --against short.csv
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from table_curves import accuracies_of, costs_of, describe, open_table, tell_against, tell_curves
from table_tasks import TableTask, task_of

from archspec.errors import RunError
from archspec.loader import load
from search.data.dataset import Dataset, parse_dataset
from search.data.trained_layouts import TrainedLayouts
from search.estimate.gate import judge
from search.estimate.resampling import ResampledTaus, interval, partial_tau
from search.evaluator import Task, parse_evaluator

TABLES = ("five_stage_grid", "five_stage_curves")
ESTIMATES = {
    "macs": {"type": "cost"},
    "params": {"type": "cost", "by": "params"},
    "naswot": {"type": "naswot"},
    "synflow": {"type": "synflow"},
    "zico": {"type": "zico"},
}


FEW = {"train": 400, "validation": 100, "test": 100}
"""Images of a table's task, of which a score sees some batches."""


def images(task: TableTask) -> Dataset:
    """A few images of the task that a table's layouts were trained on."""
    return parse_dataset(task.data | FEW)


def choose(known: TrainedLayouts, count: int, seed: int) -> list[str]:
    """At most so many layouts of a table, drawn at random, in its order."""
    rng = np.random.default_rng(seed)
    return [list(known.rows)[index] for index in sorted(rng.permutation(len(known.rows))[:count])]


def examine(known: TrainedLayouts, task: TableTask, chosen: Sequence[str], names: Sequence[str], seed: int) -> None:
    """Print what estimates are worth on some layouts of a table."""
    full, costs = accuracies_of(known, chosen), costs_of(known, chosen)
    specs = {digest: load(known.codes[digest]) for digest in chosen}
    print("\n| estimate | tau | given MACs | less MACs | less params | CPU s each | verdict |\n|" + 7 * "---|")
    for name in names:
        evaluator = parse_evaluator({**ESTIMATES[name], "data": images(task)})
        session, values = evaluator.open(), []
        start = time.process_time()
        with TemporaryDirectory() as folder:
            for digest in chosen:
                asked = Task(specs[digest], seed, Path(folder), Path(folder))
                try:
                    values.append(session.evaluate(asked, lambda: False, lambda said: None)["accuracy"])
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
    parser.add_argument("--tables", nargs="+", default=list(TABLES), help="shipped ones, or CSV files")
    parser.add_argument("--space", default="", help="of a table that is not a shipped one")
    parser.add_argument("--data", default="", help="YAML file: the data set of a table that is not a shipped one")
    parser.add_argument("--against", metavar="TABLE", help="shorter trainings of the same layouts")
    parser.add_argument("--estimates", nargs="*", default=list(ESTIMATES), choices=ESTIMATES, help="none: the table")
    parser.add_argument("--seed", type=int, default=0, help="of weights, images and the choice of layouts")
    parser.add_argument("--simulate", type=int, default=0, metavar="N", help="simulated checks of each size")
    asked = parser.parse_args()
    for table in asked.tables:
        known = open_table(table)
        chosen = choose(known, asked.layouts, asked.seed)
        full = accuracies_of(known, chosen)
        print(f"\n{table}: {len(chosen)} of {len(known.rows)} layouts, {full.shape[1]} seeds; {describe(full)}")
        if known.epochs:
            tell_curves(known)
        if asked.against:
            tell_against(known, open_table(asked.against))
        if asked.estimates:
            examine(known, task_of(table, asked.space, asked.data), chosen, asked.estimates, asked.seed)
    if asked.simulate:
        simulate(asked.simulate)


if __name__ == "__main__":
    main()
