"""Do backends rank layouts alike? Eager mode, ONNX Runtime and torch.compile on random layouts of `five_stage_tiny`.

    python benchmarks/latency.py                    # tiny and 12 layouts, eager and onnxruntime; some minutes
    python benchmarks/latency.py --compile          # torch.compile too: up to a minute more per layout

Every layout is timed at batch 1 on one thread, at 64 px, all of them in turns. Its time is the least CPU time per call
of all rounds, which other work on the machine disturbs least; beside it stands the share of rounds within 10 % of it.
"""

import argparse
import random
import time
from itertools import combinations

import torch

from archspec.cost.measure import measure as measure_cost
from archspec.loader import load
from archspec.model.build import build
from archspec.spec.schema import ArchSpec
from archspec.spec.short_code import encode
from reports.statistics.rank_correlation import rank_agreement
from search.latency.backend import Inference, check_answers
from search.latency.spec import BACKENDS
from search.space.space import find_space_document, parse_space

SIDE, CALLS = 64, 2


def layouts(count: int, seed: int) -> dict[str, ArchSpec]:
    """`tiny`, and so many different layouts drawn at random, by name."""
    space, generator = parse_space(find_space_document("five_stage_tiny")), random.Random(seed)
    found = {"tiny": load("tiny").at(SIDE)}
    while len(found) <= count:
        spec = space.fill(lambda hole: generator.choice(list(hole.options))).spec.at(SIDE)
        found.setdefault(encode(spec), spec)
    return found


def measure(runs: dict[tuple[str, str], Inference], rounds: int) -> dict[tuple[str, str], list[float]]:
    """Milliseconds of CPU time per call of every run, one per round; all runs take turns."""
    found: dict[tuple[str, str], list[float]] = {key: [] for key in runs}
    with torch.inference_mode():
        for run in runs.values():
            run()
        for _ in range(rounds):
            for key, run in runs.items():
                start = time.process_time()
                for _ in range(CALLS):
                    run()
                found[key].append(1000 * (time.process_time() - start) / CALLS)
    return found


def tell(what: str, first: list[float], second: list[float]) -> None:
    """Print how well two rankings agree."""
    found = rank_agreement(first, second)
    print(f"{what}: Kendall's tau b {found.tau:.2f}, {found.turned} of {found.pairs} pairs turned")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layouts", type=int, default=12, help="random layouts beside tiny")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compile", action="store_true", help="time torch.compile too")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch._dynamo.config.recompile_limit = 8 * (asked.layouts + 1)  # all of them are kept at once here
    specs = layouts(asked.layouts, asked.seed)
    names = ["eager", "onnxruntime", *(["compile"] if asked.compile else [])]
    runs: dict[tuple[str, str], Inference] = {}
    start = time.perf_counter()
    for code, spec in specs.items():
        torch.manual_seed(0)
        images = torch.randn(1, spec.channels, SIDE, SIDE)
        network = build(spec).eval()
        for name in names:
            runs[name, code] = BACKENDS[name].prepare(network, images)
            with torch.inference_mode():
                check_answers(name, runs[name, code](), network(images))
    print(f"{len(runs)} networks prepared in {time.perf_counter() - start:.0f} s")
    times = measure(runs, asked.rounds)
    print("| layout | " + " | ".join(f"{name} (ms)" for name in names) + " |\n|---|" + "---|" * len(names))
    best = {key: min(values) for key, values in times.items()}
    for code in specs:
        cells = []
        for name in names:
            values = times[name, code]
            calm = sum(value < 1.1 * best[name, code] for value in values) / len(values)
            cells.append(f"{best[name, code]:.2f} ({100 * calm:.0f} %)")
        print(f"| {code} | " + " | ".join(cells) + " |")
    ranked = {name: [best[name, code] for code in specs] for name in names}
    ranked["MACs"] = [measure_cost(spec).macs for spec in specs.values()]
    for first, second in combinations(ranked, 2):
        tell(f"{first} and {second}", ranked[first], ranked[second])
    for name in names:  # what noise alone turns
        halves = [[min(times[name, code][half::2]) for code in specs] for half in (0, 1)]
        tell(f"{name} in even and in odd rounds", *halves)


if __name__ == "__main__":
    main()
