"""The formulas of `archspec flops --symbolic` against `measure`, for every preset.

    python benchmarks/symbolic.py [--sides 12]

Per preset: on how many sides where the formula claims to hold it equals `measure` to the integer, in every operator
of every part; how far it is off on sides where it does not claim to; and that the formula of such a side's own
remainder is exact there. Ends with exit code 1 if a claim fails.
"""

import argparse
import sys
import time
from itertools import islice

from archspec import __version__
from archspec.cost.measure import measure
from archspec.cost.symbolic import Formula, deviations, symbolic, varying_metrics
from archspec.loader import load, presets
from archspec.spec.schema import ArchSpec

OTHER = (100, 225, 250, 321, 385, 449, 500, 511, 609, 700, 901, 1023)


def agrees(spec: ArchSpec, formula: Formula, side: int) -> bool:
    """Whether formula and `measure` agree on `side`, in every metric of every operator of every part."""
    cost = measure(spec, side)
    metrics = varying_metrics()
    found = {(part.name, line.operator): [0] * len(metrics) for part in cost.parts for line in part.lines}
    for part in cost.parts:
        for line in part.lines:
            sums = found[part.name, line.operator]
            sums[:] = [total + metric.of((line,)) for total, metric in zip(sums, metrics, strict=True)]
    given = {(term.part, term.operator): [one(side) for one in term.polynomials.values()] for term in formula.terms}
    return {key: sums for key, sums in found.items() if any(sums)} == given


def report(name: str, count: int) -> bool:
    """Print the lines of one preset; whether every claim held."""
    spec = load(name)
    start = time.process_time()
    formula = symbolic(spec)
    seconds = time.process_time() - start
    sides = list(islice(formula.sides(), count))
    equal = [side for side in sides if agrees(spec, formula, side)]
    print(
        f"{name}: {formula.steps(formula.polynomial()).text('n')} MACs, n = r / {formula.modulus}; {seconds:.2f} CPU s"
    )
    print(
        f"  holds for {formula.domain}; equal to measure on {len(equal)} of {len(sides)}: {', '.join(map(str, equal))}"
    )
    variants = [side for side in spec.variants if spec.variants[side]]
    off = ", ".join(f"{d.side} {100 * d.error:+.1f} %" for d in deviations(spec, formula, sorted({*OTHER, *variants})))
    print(f"  claims nothing on other sides and variants, where it is off by: {off}")
    own = [(side, symbolic(spec, side)) for side in OTHER]
    exact = [side for side, other in own if other.holds(side) and agrees(spec, other, side)]
    print(f"  the formula of its own remainder is exact on {len(exact)} of {len(own)} other sides")
    print(f"  attention's matmuls first exceed convolutions and linear layers at r = {formula.crossover()}")
    claimed = any(formula.holds(side) for side in (*OTHER, *variants))
    return len(equal) == len(sides) == count and len(exact) == len(own) and not claimed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, default=12)
    count = parser.parse_args().sides
    print(f"archspec {__version__}, Python {sys.version.split()[0]}")
    names = sorted(presets(), key=lambda name: (name != "hiri-vit-s", name))
    held = [report(name, count) for name in names]
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
