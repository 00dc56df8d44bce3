"""Command lines with faults, in real processes: each ends in 10 s CPU and 1 GB, with one line where it is refused.

`python benchmarks/fuzz_commands.py --lines 500`
"""

from __future__ import annotations

import argparse
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# isort: split
from fuzz_kinds import KINDS, mutated

CPU = 10
"""Seconds of CPU that a command may take."""
WALL = 120
"""Seconds of wall time after which it hangs, on a machine that others use as well."""
MEMORY = 1 << 30
PATIENCE = "--timeout=4"
"""What is told to commands that may search for long."""

NUMBERS = (
    *(
        "0",
        "1",
        "-1",
        "2",
        "448",
        "1e3",
        "nan",
        "inf",
        "-inf",
        "1.5",
        "٣",
        "9" * 30,
        "9" * 5000,
        "0x10",
        "",
        " ",
        "1_0",
    ),
    *("-0", "1e400", "true", "½", "1,000", "448x448", "448x", "x448", "1x2x3"),
)
BUDGETS = (
    *(
        "<= 5G @ 448",
        "params <= 35M",
        "4..5G",
        "macs@224: 4..5G",
        "<= 0",
        ">= 0",
        "<= 1e400",
        "5G",
        "<= -1",
        "..",
        "1..0",
    ),
    *(
        "3.0001G..3.0002G",
        "params 1..2",
        "latency_ms <= 1",
        "<= 5G @ 0",
        "<= 5G @ " + "9" * 400,
        "macs@٣ <= 1",
        "<=",
        "@",
    ),
    *("<= 5G @ 448 @ 224", "activations <= 1M", "saved_bytes <= 10MB", "x" * 2000, "macs: <= 5G: 3", "params >= 1e18"),
)
NAMES = (
    *(
        "hiri-vit-s",
        "tiny",
        "swin-t",
        "HR2x32-T2x64h2",
        "HR1x48e4+CFFN1x48e4",
        "five_stage_tiny",
        "demo",
        "table8_small",
    ),
    *(
        "hiri-vit",
        "none.yaml",
        "/",
        ".",
        "..",
        "-",
        "--",
        "-x",
        "",
        " ",
        "a\nb",
        "[/x]",
        "\x1b[31m",
        "$foo$",
        "x" * 5000,
    ),
    *(
        "../../etc/passwd",
        "/dev/null",
        "/proc/self/mem",
        "~nobody/x",
        "tiny.yaml",
        "Tiny",
        "runs/none",
        "é",
        "\udcff",
        "=1",
    ),
)
SETTINGS = (
    *(
        "stages[3].depth=6",
        "stages[99].depth=6",
        "stages[3].depth=",
        "=",
        "a=b",
        "stages[3]=5",
        "stages=[[1]]",
        "x" * 999,
    ),
    *(
        "stages[0].width=" + "9" * 400,
        "stages[-1].depth=1",
        "head=null",
        "stem.type=hr_stem",
        "stages[0].block=[HR,T]",
        "..=1",
    ),
)
OPTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "flops": {"--res": NUMBERS, "--set": SETTINGS, "--json": (), "--csv": (), "--per-layer": (), "--as": NAMES},
    "validate": {"--json": ()},
    "lint": {"--res": NUMBERS, "--set": SETTINGS, "--strict": (), "--json": ()},
    "show": {"--form": ("rows", "columns", "canonical", *NAMES), "--json": ()},
    "fix": {"--budget": BUDGETS, "--set": SETTINGS, "--scale": ("width", "depth", "resolution", *NAMES), "--json": ()},
    "space": {
        "--budget": BUDGETS,
        "--res": NUMBERS,
        "--sample": ("0", "3", *NUMBERS),
        "--seed": NUMBERS,
        "--front": (),
    },
    "hiri": {"--set": SETTINGS},
    "infer": {"--top": NUMBERS, "--json": ()},
    "paper": {"--family": NAMES, "--json": (), "--csv": (), "--md": ()},
    "presets": {"--json": ()},
    "power": {
        "--sd": NUMBERS,
        "--effect": NUMBERS,
        "--seeds": NUMBERS,
        "--rows": NUMBERS,
        "--pilot": NUMBERS,
        "--looks": ("2,3,4", "2,2", "1", "5,3", *NUMBERS),
        "--power": NUMBERS,
        "--level": NUMBERS,
    },
    "ablate": {"--dry-run": (), "--seeds": NUMBERS, "--set": SETTINGS, "--json": ()},
    "review": {"--json": ()},
    "report": {},
    "edf": {"--budget": BUDGETS, "--seed": NUMBERS},
    "schema": {},
}
"""Options of the commands that neither train nor build; those without values are flags."""
WITHOUT_INPUT = ("presets", "schema")
LIMITED = ("fix", "space", "infer", "edf", "review")
FILES = {"space": "space", "infer": "case", "paper": "paper", "ablate": "plan", "power": "plan"}
"""The kind of file that a command takes, where that is no spec."""


def command_line(rng: random.Random, folder: Path, texts: dict[str, list[str]]) -> list[str]:
    """A command with options, most of them odd, and a file, a name, or something odd."""
    name = rng.choice(list(OPTIONS))
    line = [name]
    if name not in WITHOUT_INPUT or rng.random() < 0.1:
        kind = FILES.get(name, "spec")
        if rng.random() < 0.35:
            path = folder / f"{rng.randrange(10**9)}.yaml"
            path.write_bytes(mutated(rng, KINDS[kind], texts[kind]))
            line.append(str(path))
        else:
            line.append(rng.choice((*NAMES, *NAMES[:9], *NAMES[:9])))
    for option, values in OPTIONS[name].items():
        if rng.random() < 0.35:
            line += [option, *([rng.choice(values)] if values else [])]
    if name == "ablate" and "--dry-run" not in line:
        line.append("--dry-run")
    if name in LIMITED:
        line.append(PATIENCE)
    if rng.random() < 0.05:
        rng.shuffle(line)
    if rng.random() < 0.05:
        line.append(rng.choice(("--none", "--json", "extra", "-h", "--help", "")))
    return [word for word in line if "\0" not in word]


def fault_of(line: list[str], folder: Path) -> tuple[str, str]:
    """What is wrong with how a command line ends, empty where nothing is; and its exit code."""
    command = [sys.executable, "-X", "faulthandler", "-m", "archspec", *line]
    environment = {**os.environ, "COLUMNS": "100", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [os.fsencode(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=environment,
    )
    resource.prlimit(process.pid, resource.RLIMIT_CPU, (2 * CPU, 2 * CPU + 2))
    killer = threading.Timer(WALL, process.kill)
    killer.start()
    with process, ThreadPoolExecutor(2) as readers:
        texts = [readers.submit(stream.read) for stream in (process.stdout, process.stderr) if stream]
        _, status, usage = os.wait4(process.pid, 0)
        out, errors = (text.result().decode("utf-8", "replace") for text in texts)
        process.returncode = os.waitstatus_to_exitcode(status)
    killer.cancel()
    return _judge(process.returncode, out, errors, usage), str(process.returncode)


def _judge(code: int, out: str, errors: str, usage: resource.struct_rusage) -> str:
    if "Traceback" in errors or "Traceback" in out:
        return f"traceback: {errors.strip().splitlines()[-1]}"
    if usage.ru_utime + usage.ru_stime > CPU or code < 0:
        return f"{usage.ru_utime + usage.ru_stime:.0f} s CPU, exit code {code}"
    inherited = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # of this process, until the child becomes another
    if usage.ru_maxrss << 10 > max(MEMORY, inherited << 10):
        return f"{usage.ru_maxrss >> 10} MB"
    if code not in (0, 1, 2):
        return f"exit code {code}"
    usage_error = "Usage: " in errors  # typer's own, which is a box of several lines
    if code == 2 and not usage_error:
        if len(errors.splitlines()) != 1:
            return f"{len(errors.splitlines())} lines: {errors[:300]!r}"
        if not re.match(r"(archspec: )?(.*?: |give |.* is no )", errors):
            return f"no place: {errors[:300]!r}"
        if not errors.rstrip("\n").isprintable():
            return f"not printable: {errors[:300]!r}"
    if code == 1 and len(errors.splitlines()) > 1:
        return f"exit code 1 and {len(errors.splitlines())} lines: {errors[:300]!r}"
    return ""


def run(count: int, seed: int, folder: Path) -> tuple[Counter[str], list[str]]:
    """How so many command lines end, by command and exit code, and what is wrong with any of them."""
    rng = random.Random(seed)
    texts = {name: kind.seeds(rng) for name, kind in KINDS.items()}
    answers: Counter[str] = Counter()
    wrong: list[str] = []
    for _ in range(count):
        line = command_line(rng, folder, texts)
        fault, code = fault_of(line, folder)
        answers[f"{line[0] if line[0] in OPTIONS else 'other'} {code}"] += 1
        if fault:
            shown = " ".join(word if len(word) < 60 else f"{word[:57]}..." for word in map(repr, line))
            wrong.append(f"{shown}: {fault}")
            print(wrong[-1][:500], flush=True)
    return answers, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=500, help="how many command lines")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    parser.add_argument("--keep", type=Path, help="folder for the files, which stay there")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp())
    folder.mkdir(exist_ok=True, parents=True)
    answers, wrong = run(options.lines, options.seed, folder)
    print(f"{options.lines} command lines, seed {options.seed}: {len(wrong)} wrong answers")
    print(", ".join(f"{count} {answer}" for answer, count in sorted(answers.items())))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
