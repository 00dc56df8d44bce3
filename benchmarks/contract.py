"""Costs of random specs against fvcore on the built models, integer for integer: `make contract`.

Every spec is measured without torch, built, and counted by fvcore in evaluation and in training, module by module and
operator by operator, by torch's own counter on the meta device, and by autograd's saved tensors.
"""

import argparse
import random
import sys
import time
from collections import Counter
from importlib.metadata import version

import torch

from archspec.cost.measure import measure
from archspec.errors import ArchspecError
from archspec.testing.contract import check_counts, check_forms, check_saved_bytes, naming
from archspec.testing.random_specs import parts_of, random_resolution, random_spec
from blocks.catalog import tag


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--specs", type=int, default=1000, help="how many random specs")
    parser.add_argument("--seed", type=int, default=0, help="of the random specs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    rng = random.Random(options.seed)
    totals: Counter[str] = Counter()
    parts: Counter[str] = Counter()
    started = time.process_time()
    for index in range(options.specs):
        spec = random_spec(rng)
        resolution = random_resolution(rng, spec)
        try:
            with naming(spec, resolution):
                modules, operators = check_counts(spec, resolution)
                check_forms(spec)
                saved = check_saved_bytes(spec, resolution)
        except ArchspecError as error:
            print(f"spec {index} of seed {options.seed}: {error}", *error.__notes__, sep="\n")
            return 1
        parts.update({f"{part.__mro__[1].__name__.lower()} {tag(part)}" for part in parts_of(spec)})
        totals.update(_describe(spec, resolution))
        totals.update(modules=modules, operators=operators, saved=saved)
        totals["macs"] += measure(spec, resolution).macs
        if (index + 1) % 100 == 0:
            print(f"{index + 1} specs, {time.process_time() - started:.0f} s CPU", file=sys.stderr)
    _report(options, totals, parts, time.process_time() - started)
    return 0


def _describe(spec, resolution) -> dict[str, int]:
    sides = (resolution, resolution) if isinstance(resolution, int) else resolution
    return {
        "odd": any(side % 2 for side in sides),
        "oblong": sides[0] != sides[1],
        "mixed": any(len({type(block) for block in stage.blocks}) > 1 for stage in spec.stages),
        "headless": spec.head is None,
        "resized": any(stage.resize is not None for stage in spec.stages),
        "variant": isinstance(resolution, int) and resolution in spec.variants,
        f"stages {len(spec.stages)}": 1,
    }


def _report(options, totals, parts, seconds) -> None:
    stages = ", ".join(f"{totals[f'stages {n}']} of {n}" for n in range(1, 33) if totals[f"stages {n}"])
    lines = [
        f"{options.specs} random specs, seed {options.seed}: cost equals fvcore's count in every one, to the integer",
        f"  params, MACs, activations: {totals['modules']:,} modules, {totals['operators']:,} operators in modules,",
        f"  in evaluation and in training; {totals['macs']:,} MACs in all",
        f"  bytes kept for backward: equal to autograd's in {totals['saved']} specs",
        "  (in the others batch norm meets a single position, which cannot train on one image)",
        "  every spec loads to the same digest from rows, columns, canonical YAML and JSON",
        f"stages: {stages}",
        f"specs with mixed blocks in a stage {totals['mixed']}, a resized stage {totals['resized']}, no head "
        f"{totals['headless']}, odd sides {totals['odd']}, oblong images {totals['oblong']}, a variant in effect "
        f"{totals['variant']}",
        "specs with each part: " + ", ".join(f"{name} {count}" for name, count in sorted(parts.items())),
        f"torch {torch.__version__}, fvcore {version('fvcore')}; {seconds:.0f} s CPU",
    ]
    print(*lines, sep="\n")


if __name__ == "__main__":
    sys.exit(main())
