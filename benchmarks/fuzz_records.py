"""Mutated journals and records of runs: each is continued and reported, or refused in one line that names the place.

A small search with baseline and finalists is made once by a function; every case damages a copy of its folder, reports
it, continues it, and counts what is there. `python benchmarks/fuzz_records.py --cases 2000`
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import yaml

import archspec
from archspec.api.recorded import RecordedRun
from archspec.errors import ArchspecError
from archspec.spec.schema import ArchSpec

TRIALS, BASELINE, SEEDS, MEMBERS = 6, 4, 2, 2
LONGEST = 600
"""Characters of a message."""
ODD: list[Any] = [None, True, 3, -1, 2.5, 1e400, float("nan"), "", "x", "5", [], {}, [3], {"a": 1}, 10**30]
LEAKS = ("Traceback", "<class", "object at 0x")


def accuracy(spec: ArchSpec, seed: int) -> dict[str, float]:
    """A score from the layout alone."""
    cost = archspec.measure(spec)
    return {"accuracy": min(1.0, cost.params / 1e6 + seed / 1e5), "test_accuracy": min(1.0, cost.params / 1.1e6)}


def make_run(runs: Path) -> Path:
    """A finished search to damage."""
    final = {"seeds": SEEDS, "members": MEMBERS}
    options: dict[str, Any] = {"trials": TRIALS, "baseline": BASELINE, "final": final, "sampler": "random"}
    return archspec.search("five_stage_grid", accuracy, runs=runs, name="run", quiet=True, **options).root


def without_checksums(run: Path) -> None:
    """The journal as earlier versions wrote it."""
    path = run / "journal.log"
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    lines = [json.dumps({key: value for key, value in one.items() if key != "crc"}) for one in entries]
    path.write_text("\n".join(lines) + "\n")


def damage(rng: random.Random, run: Path) -> str:
    """Damage a journal, or a record beside it; what was done."""
    records = sorted(run.glob("artifacts/*/*/result.json"))
    path = rng.choice([*[run / "journal.log"] * 4, rng.choice(records), run / "study.yaml"])
    kind = rng.choice(["flip", "type", "delete", "repeat", "swap", "cut", "drop"])
    if path.suffix == ".json":  # read only where the journal does not know what it says
        (run / "journal.log").unlink()
    raw = path.read_bytes()
    lines = raw.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    if kind == "flip":
        place = rng.randrange(len(raw))
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1 << rng.randrange(8)]) + raw[place + 1 :])
        return f"{path.name}: {kind}"
    if kind in ("type", "drop"):
        if path.suffix == ".yaml":
            return f"{path.name}: nothing"
        data = json.loads(raw) if path.suffix == ".json" else json.loads(lines[at])
        _change(rng, data, drop=kind == "drop")
        text = json.dumps(data, separators=(",", ":")).encode()
        path.write_bytes(text if path.suffix == ".json" else b"".join([*lines[:at], text + b"\n", *lines[at + 1 :]]))
        return f"{path.name}: {kind}"
    if kind == "swap":
        other = rng.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == "cut":
        path.write_bytes(raw[: rng.randrange(len(raw))])
        return f"{path.name}: {kind}"
    else:
        lines[at : at + 1] = [] if kind == "delete" else [lines[at]] * 2
    path.write_bytes(b"".join(lines))
    return f"{path.name}: {kind}"


def check(run: Path) -> str:
    """Report and continue a run; what came of it.

    Raises:
        AssertionError: a count is wrong, or a message is not one line with its place.
    """
    outcome = _attempt(run, lambda: _report(archspec.open_run(run)))
    return outcome + ", " + _attempt(run, lambda: _continue(run))


def _attempt(run: Path, work: Callable[[], None]) -> str:
    journal = run / "journal.log"
    before = journal.read_bytes() if journal.exists() else b""
    try:
        work()
    except ArchspecError as error:
        message = str(error)
        assert "\n" not in message, message
        assert len(message) < LONGEST, message
        assert run.name in message, message
        assert not any(leak in message for leak in LEAKS), message
        now = journal.read_bytes() if journal.exists() else b""
        whole = before[: before.rfind(b"\n") + 1]  # what a kill left of a line is moved aside
        assert now in (before, whole) or now.startswith(whole), message
        return "refused"
    return "right"


def _report(found: RecordedRun) -> None:
    table = found.trials
    done = table[(table["state"] == "COMPLETE")]
    assert len(done["digest"].unique()) <= TRIALS


def _continue(run: Path) -> None:
    found = archspec.open_run(run)
    assert isinstance(found, archspec.RecordedSearch)
    again = found.extend(accuracy=accuracy, quiet=True)
    asked = yaml.safe_load((run / "study.yaml").read_text())
    table = again.trials
    done = table[table["state"] == "COMPLETE"]
    evaluated = done[done["duplicate_of"].isna()] if "duplicate_of" in done else done
    assert len(evaluated) == len(evaluated["digest"].unique()) == max(TRIALS, asked["trials"]), len(evaluated)
    tested = [member for member in again.front if "test_accuracy" in member.metrics]
    wanted = min(asked["final"]["members"] if asked["final"]["seeds"] else MEMBERS, len(again.front))
    assert len(tested) >= wanted, f"{len(tested)} finalists of {wanted}"
    for member in again.front:
        assert member.metrics["accuracy"] == accuracy(member.spec, 0)["accuracy"], member.metrics


def _change(rng: random.Random, data: dict[str, Any], *, drop: bool) -> None:
    """Replace, or take away, a field of a mapping or of one inside it."""
    key = rng.choice(list(data))
    if isinstance(data[key], dict) and data[key] and rng.random() < 0.7:
        _change(rng, data[key], drop=drop)
    elif drop:
        del data[key]
    else:
        data[key] = rng.choice([one for one in ODD if one != data[key] or type(one) is not type(data[key])])


def run_cases(cases: int, seed: int, folder: Path, *, show: bool = False) -> Counter[str]:
    """Outcomes of so many cases, half of them on a journal without checksums."""
    rng = random.Random(seed)
    whole = {False: make_run(folder / "whole")}
    whole[True] = folder / "earlier" / "run"
    shutil.copytree(whole[False], whole[True])
    without_checksums(whole[True])
    outcomes: Counter[str] = Counter()
    for case in range(cases):
        old = bool(case % 2)
        shutil.rmtree(folder / "case", ignore_errors=True)
        shutil.copytree(whole[old], folder / "case" / "run")
        done = damage(rng, folder / "case" / "run")
        try:
            outcome = check(folder / "case" / "run")
        except Exception as error:
            if not show:
                raise
            outcome = f"FAULT {type(error).__name__}: {str(error)[:200]}"
            kept = folder.parent / f"fault-{seed}-{case}"
            shutil.copytree(folder / "case", kept, dirs_exist_ok=True)
            print(f"case {case}, {done}, {'earlier journal' if old else 'journal'}: {outcome} (kept in {kept})")
        outcomes[("earlier " if old else "") + f"{done} -> {outcome[:60]}"] += 1
    return outcomes


def main() -> None:
    """Run the cases, and print how many came out how."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name, Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        outcomes = run_cases(options.cases, options.seed, Path(name) / "fuzz", show=True)
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:6}  {outcome}")
    faults = sum(count for outcome, count in outcomes.items() if "FAULT" in outcome)
    print(f"{options.cases} cases in {time.monotonic() - start:.0f} s, {faults} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
