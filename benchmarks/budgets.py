"""Counting and drawing inside budgets: exact against brute force, and how fast.

    python benchmarks/budgets.py [--layouts 20000] [--skip-three]

First: `five_stage` cut down to at least 1e7 layouts, each one enumerated, under one, two and three limits: brute force
and `count` must agree. Then the whole space under the same budgets. Then uniform sampling inside 4.9-5.1 GMACs and at
most 35 M params: speed and acceptance beside plain rejection. Then chi-square tests of 20 samples against the exact
enumeration of a small space: p-values of a uniform sampler are uniform themselves. CPU time of one process.
"""

import argparse
import platform
import sys
import time

import numpy as np
from chains import restrict
from scipy.stats import chi2, kstest

from archspec.cost.tables import Chain, MetricAt
from search.budget.count import BoxSampler, count
from search.counting.enumeration import enumerate_layouts
from search.space.encoding import Encoding
from search.space.limits import Box, describe, parse_budget
from search.space.space import load_space

METRICS = (MetricAt("macs"), MetricAt("params"), MetricAt("macs", 224))
BUDGETS = (
    {"macs": "4.9G..5.1G"},
    {"macs": "4.9G..5.1G", "params": "<= 35M"},
    {"macs": "4.9G..5.1G", "params": "<= 35M", "macs@224": "1.2G..1.25G"},
)
BAND = parse_budget(BUDGETS[1])
SEEDS = 20


def cut(chain: Chain, numbers: list[int]) -> Chain:
    """The chain with so many random options of each component."""
    rng = np.random.default_rng(0)
    kept = [
        sorted(rng.choice(part.options, n, replace=False).tolist())
        for part, n in zip(chain.components, numbers, strict=True)
    ]
    return restrict(chain, kept)


def brute_force(chain: Chain, boxes: list[Box]) -> list[int]:
    """Layouts inside each box, one by one."""
    totals = [0] * len(boxes)
    for _, costs in enumerate_layouts(chain):
        for index, box in enumerate(boxes):
            inside = np.ones(len(costs), bool)
            for limit in box:
                cost = costs[:, chain.metrics.index(limit.metric)]
                inside &= (cost >= (limit.low or 0)) & (cost <= (2**62 if limit.high is None else limit.high))
            totals[index] += int(inside.sum())
    return totals


def check_counts(chain: Chain, boxes: list[Box]) -> bool:
    """Whether `count` equals brute force on a part of the space."""
    small = cut(chain, [1, 3, 12, 12, 16, 40, 64, 1])
    started = time.process_time()
    found = brute_force(small, [(), *boxes])
    brute = time.process_time() - started
    print(f"five_stage cut down to {found[0]:,} layouts: enumerated and compared in {brute:.1f} s CPU")
    for box, wanted in zip([(), *boxes], found, strict=True):
        started = time.process_time()
        ours = count(small, box)
        seconds = time.process_time() - started
        print(f"  {describe(box) or 'no budget'}: brute force {wanted:,}, count {ours:,} in {seconds:.2f} s CPU")
        if ours != wanted:
            return False
    return True


def time_counts(chain: Chain, boxes: list[Box]) -> None:
    """Print counts of the whole space."""
    print(f"five_stage: {count(chain):,} possible layouts")
    for box in boxes:
        started = time.process_time()
        inside = count(chain, box)
        print(f"  {describe(box)}: {inside:,} in {time.process_time() - started:.1f} s CPU")


def time_sampling(chain: Chain, number: int) -> None:
    """Print the speed of drawing inside the band beside plain rejection."""
    started = time.process_time()
    sampler = BoxSampler(chain, BAND)
    building = time.process_time() - started
    rng = np.random.default_rng(0)
    started = time.process_time()
    rows = sampler.sample(number, rng)
    speed = number / (time.process_time() - started)
    anywhere = BoxSampler(chain)
    started = time.process_time()
    plain = inside(chain, anywhere.sample(number, rng))
    plain_speed = plain.sum() / (time.process_time() - started)
    print(
        f"uniform inside {describe(BAND)}: {speed:,.0f} layouts/s, {acceptance(sampler):.1%} accepted "
        f"(tables built in {building:.2f} s), all inside: {bool(inside(chain, rows).all())};\n"
        f"plain rejection: {plain_speed:,.0f} layouts/s, {plain.mean():.1%} accepted "
        f"(exactly {count(chain, BAND) / count(chain):.3%})"
    )


def acceptance(sampler: BoxSampler) -> float:
    """The share of proposals so far that were inside; 1 where layouts are drawn without rejection."""
    return 1.0 if sampler._tracer else sampler._inside.share


def inside(chain: Chain, choices: np.ndarray) -> np.ndarray:
    """Which layouts are in the band."""
    costs = chain.price(choices)
    return (costs[:, 0] >= BAND[0].low) & (costs[:, 0] <= BAND[0].high) & (costs[:, 1] <= BAND[1].high)


def check_uniform(chain: Chain) -> bool:
    """Whether chi-square tests do not reject samples of a small space more often than those of a uniform sampler."""
    small = cut(chain, [1, 2, 4, 4, 6, 10, 12, 1])
    members = np.concatenate([choices[inside(small, choices)] for choices, _ in enumerate_layouts(small)])
    radix = np.array(small.options)
    codes = np.sort(np.ravel_multi_index(members.T, radix))
    sampler = BoxSampler(small, BAND)
    values: list[float] = []
    for seed in range(SEEDS):
        rows = sampler.sample(50 * len(codes), np.random.default_rng(seed))
        seen = np.bincount(np.searchsorted(codes, np.ravel_multi_index(rows.T, radix)), minlength=len(codes))
        values.append(float(chi2.sf(((seen - 50.0) ** 2 / 50.0).sum(), len(codes) - 1)))
    low = sum(value <= 0.01 for value in values)
    print(
        f"chi-square over the {len(codes):,} layouts in the band of a small space ({count(small):,}), {SEEDS} seeds, "
        f"{acceptance(sampler):.1%} accepted:\n"
        f"  p from {min(values):.3f} to {max(values):.3f}, {low} of {SEEDS} at most 0.01; "
        f"p-values against the uniform distribution: p = {kstest(values, 'uniform').pvalue:.2f}"
    )
    return low <= 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layouts", type=int, default=50_000, help="layouts drawn for the speed")
    parser.add_argument("--skip-three", action="store_true", help="no count of the whole space under three limits")
    options = parser.parse_args()
    chain = Encoding(load_space("five_stage")).chain(METRICS)
    boxes = [parse_budget(budget) for budget in BUDGETS]
    passed = check_counts(chain, boxes)
    time_counts(chain, boxes[: 2 if options.skip_three else 3])
    two = chain.select(METRICS[:2])
    time_sampling(two, options.layouts)
    passed &= check_uniform(two)
    print(f"python {platform.python_version()}, numpy {np.__version__}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
