"""The cost tables of the shipped spaces: exact against `measure` and fvcore, and how fast.

    python benchmarks/tables.py [--layouts 1000] [--seed 0]

First: random layouts of each shipped space, priced by the tables at two resolutions and in every metric, measured one
by one, and built and counted by fvcore (at 64 px: fvcore needs a real forward pass). Then: CPU of pricing a million
layouts of `five_stage` (params and MACs) beside the CPU of one fvcore count of the built hiri-vit-s at 224 px.
"""

import argparse
import sys
import time
from importlib.metadata import version

import numpy as np
import torch

from archspec.cost.measure import measure
from archspec.cost.metrics import additive_names
from archspec.cost.tables import MetricAt
from archspec.errors import SpecError
from archspec.loader import load
from archspec.model.audit import audit, count
from archspec.model.build import build
from search.space.encoding import Encoding
from search.space.space import load_space, spaces

SIDE = 64
ROUNDS = 5


def draw(encoding: Encoding, number: int, rng: np.random.Generator) -> np.ndarray:
    """Distinct possible layouts, [number, components]; every option is as likely as another."""
    chain = encoding.chain([MetricAt("params"), MetricAt("params", SIDE)])
    rows = np.empty((0, len(encoding.options)), np.int64)
    while len(rows) < number:
        more = np.stack([rng.integers(0, options, 2 * number) for options in encoding.options], axis=1)
        rows = np.unique(np.concatenate([rows, more[(chain.price(more) >= 0).all(1)]]), axis=0)
    return rng.permutation(rows)[:number]


def check(name: str, number: int, rng: np.random.Generator) -> bool:
    """Whether tables, `measure` and fvcore agree on random layouts of a space."""
    encoding = Encoding(load_space(name))
    rows = draw(encoding, number, rng)
    metrics = [MetricAt(metric, resolution) for metric in additive_names() for resolution in (None, SIDE)]
    prices = encoding.chain(metrics).price(rows)
    for row, price in zip(rows, prices.tolist(), strict=True):
        spec = encoding.spec(row)
        costs = {None: measure(spec), SIDE: measure(spec, SIDE)}
        expected = [getattr(costs[metric.resolution], metric.name) for metric in metrics]
        if price != expected:
            print(f"{name}: {encoding.params(row)}: the tables say {price}, measure {expected}")
            return False
        audit(spec, SIDE, model=build(spec.at(SIDE), init="skip").eval())  # raises where fvcore disagrees
    values = prices.size
    print(
        f"{name}: {number} random layouts: {values:,} table sums equal measure, and fvcore equals measure at {SIDE} px"
    )
    return True


def race(number: int, rng: np.random.Generator) -> None:
    """Print the speed of pricing beside that of one fvcore count."""
    encoding = Encoding(load_space("five_stage"))
    started = time.process_time()
    chain = encoding.chain([MetricAt("params"), MetricAt("macs")])
    building = time.process_time() - started
    choices = np.stack([rng.integers(0, options, number) for options in encoding.options], axis=1).astype(np.int16)
    spec = load("hiri-vit-s").at(224)
    network, image = build(spec, init="skip").eval(), torch.zeros(1, 3, 224, 224)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        started = time.process_time()
        chain.price(choices)
        ours.append(time.process_time() - started)
        started = time.process_time()
        count(network, image)
        theirs.append(time.process_time() - started)
    price, fvcore = float(np.median(ours)), float(np.median(theirs))
    print(
        f"{number:,} layouts of five_stage priced, params and MACs: {1000 * price:.0f} ms CPU, "
        f"{number / price / 1e6:.0f} M layouts/s (tables built in {building:.2f} s);\n"
        f"one fvcore count of the built hiri-vit-s at 224 px: {1000 * fvcore:.0f} ms CPU: "
        f"{fvcore / price:.0f} times the million"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layouts", type=int, default=1000, help="random layouts in all")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(options.seed)
    race(1_000_000, rng)
    # The smallest spaces first: what they cannot give, the others do.
    sizes = sorted((load_space(name).count(), name) for name in spaces())
    left = options.layouts
    for index, (size, name) in enumerate(sizes):
        share = min(size, -(-left // (len(sizes) - index)))
        left -= share
        if not check(name, share, rng):
            return 1
    print(f"numpy {np.__version__}, torch {torch.__version__}, fvcore {version('fvcore')}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SpecError as error:
        sys.exit(str(error))
