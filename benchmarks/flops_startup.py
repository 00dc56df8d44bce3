"""What `archspec flops` saves by not building the model: CPU of the whole process, beside the same with `--verify`.

    python benchmarks/flops_startup.py [--runs 5]

Prints medians of user + system CPU seconds and their ratio, from interleaved runs.
"""

import argparse
import importlib.metadata
import resource
import statistics
import subprocess
import sys


def cpu_seconds(arguments: list[str]) -> float:
    """CPU seconds of one child process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "archspec", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    plain, verified = ["flops", "hiri-vit-s"], ["flops", "hiri-vit-s", "--verify"]
    cpu_seconds(plain)  # fills the bytecode cache
    times = [(cpu_seconds(plain), cpu_seconds(verified)) for _ in range(runs)]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "fvcore", "pydantic"))
    print(f"CPU seconds of the whole process, {runs} interleaved runs; {versions}")
    for name, values in (("flops hiri-vit-s", [a for a, _ in times]), ("the same --verify", [b for _, b in times])):
        print(f"  {name:<20} median {statistics.median(values):6.3f}  (min {min(values):.3f}, max {max(values):.3f})")
    ratios = [b / a for a, b in times]
    least, most = min(ratios), max(ratios)
    print(f"  ratio                median {statistics.median(ratios):6.2f}  (min {least:.2f}, max {most:.2f})")


if __name__ == "__main__":
    main()
