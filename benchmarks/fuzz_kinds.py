"""Mutated files of every kind: each is read, or refused in one line with its place, in 10 s and 1 GB.

Specs, spaces, studies, plans, cases, tables of trained layouts and papers. What is read is used as the command that
takes it would: a space is counted, a plan's rows are priced, a case is solved.

`python benchmarks/fuzz_kinds.py --files 5000`
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

# isort: split
from fuzz import LEAKS, LONGEST, mutate, seeds

from archspec.cli.shared.waiting import waiting
from archspec.cost.measure import measure
from archspec.documents.reader import parse_document, read_document
from archspec.errors import SpecError, UndecidedError
from archspec.lint.lint import lint
from archspec.loader import load
from search.ablation.plan import load_plan
from search.ablation.record import describe
from search.ablation.rows import Ablation
from search.budget.survey import Survey
from search.data.trained_layouts import load_table
from search.infer.case import load_case
from search.infer.infer import infer
from search.space.encoding import Encoding
from search.space.space import load_space
from search.study.reading import load_study

SECONDS = 10
"""CPU time that one file may take."""
PATIENCE = 4
"""Seconds after which a question is left undecided, as --timeout says."""
MEMORY = 1 << 30


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        seeds: the texts that are mutated.
        read: what is done with a file.
        words: names of its fields.
    """

    seeds: Callable[[random.Random], list[str]]
    read: Callable[[Path], object]
    words: tuple[str, ...]


def _shipped(package: str, folder: str, suffix: str = ".yaml") -> list[str]:
    entries = (files(package) / folder).iterdir()
    return [entry.read_text() for entry in sorted(entries, key=lambda e: e.name) if entry.name.endswith(suffix)]


def _documented(*words: str) -> list[str]:
    """The YAML blocks of the documents that have all of these words at the beginning of a line."""
    pages = sorted((Path(__file__).parents[1] / "docs").rglob("*.md"))
    blocks = [part for page in pages for part in page.read_text().split("```yaml\n")[1:]]
    texts = [block.split("```")[0] for block in blocks]
    return [text for text in texts if all(any(line.startswith(word) for line in text.splitlines()) for word in words)]


def _spaces(rng: random.Random) -> list[str]:
    """Shipped and documented spaces, and random specs with holes instead of numbers."""
    out = _shipped("search.space", "spaces") + [text for text in _documented("stages:") if "choice" in text]
    for text in rng.sample(seeds(rng), 12):
        data = parse_document(text, "seed").data
        for node, key in _places(data):
            if isinstance(node[key], int) and rng.random() < 0.3:
                node[key] = _hole(rng, node[key])
        out.append(yaml.safe_dump(data, sort_keys=False))
    return out


def _hole(rng: random.Random, value: Any) -> Any:
    if rng.random() < 0.5 and isinstance(value, int):
        return {"range": [value, value * 2, max(1, value // 2)]}
    return {"choice": [value, *rng.sample([8, 16, 1, 2, "HR", None, 0, 64], 2)]}


def _count(path: Path) -> None:
    with waiting(str(path), PATIENCE):
        Survey(Encoding(load_space(str(path)))).count()


def _study(path: Path) -> None:
    with waiting(str(path), PATIENCE):
        load_study(str(path), path.parent / "runs", {})


def _plan(path: Path) -> None:
    with waiting(str(path), PATIENCE):
        describe(Ablation(load_plan(str(path), path.parent / "runs")))


def _case(path: Path) -> None:
    with waiting(str(path), PATIENCE):
        infer(load_case(str(path)))


def _paper(path: Path) -> None:
    from reports.paper.tables import compute
    from reports.paper.text import record

    with waiting(str(path), PATIENCE):
        record(compute(read_document(path), path.stem))


def _spec(path: Path) -> None:
    spec = load(path)
    measure(spec)
    lint(spec)


def _tables(rng: random.Random) -> list[str]:
    del rng
    shipped = [text.splitlines() for text in _shipped("search.data", "tables", ".csv")]
    return ["\n".join(lines[:count]) + "\n" for lines in shipped for count in (2, 5, 30)]


KINDS: dict[str, Kind] = {
    "spec": Kind(seeds, _spec, ("block", "width", "heads", "downsample", "variants")),
    "space": Kind(_spaces, _count, ("choice", "range", "stages", "family", "base", "set", "block", "topology")),
    "study": Kind(
        lambda _: _shipped("search.study", "studies") + _documented("space:"),
        _study,
        ("space", "sampler", "evaluator", "objectives", "budget", "final", "trials", "base", "set", "recipe"),
    ),
    "plan": Kind(
        lambda _: _shipped("search.ablation", "plans") + _documented("views:"),
        _plan,
        ("base", "edits", "views", "evaluator", "seeds", "type", "factors", "stop", "set"),
    ),
    "case": Kind(
        lambda _: _shipped("search.infer", "cases") + _documented("choices:"),
        _case,
        ("specs", "choices", "cells", "known", "options", "tolerance", "excluded", "macs", "params"),
    ),
    "table": Kind(_tables, lambda path: load_table(str(path)), ("digest", "seed", "accuracy")),
    "paper": Kind(
        lambda _: _shipped("reports.paper", "papers"), _paper, ("rows", "families", "spec", "set", "like", "near")
    ),
}


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(data) if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    for key in keys:
        yield data, key
        yield from _places(data[key])


def _nested(depth: int) -> Any:
    return [_nested(depth - 1)] if depth else 1


def _restructure(rng: random.Random, text: str, words: tuple[str, ...]) -> str:
    """`text` with one to three faults of structure."""
    data = deepcopy(parse_document(text, "seed").data)
    for _ in range(rng.randint(1, 3)):
        places = list(_places(data))
        if not places:
            break
        node, key = rng.choice(places)
        value = node[key]
        other, other_key = rng.choice(places)
        wrapped: list[Any] = [
            *([value], [[value]], [value] * rng.choice((2, 9, 60)), {"a": value}, {str(i): value for i in range(6)}),
            *({"choice": [value]}, {"choice": {"a": value, "b": value}}, {"choice": []}, {"choice": {}}),
            *({"choice": {"x": {"choice": {"y": value, "z": value}}, "w": value}}, {"choice": {"a]b": value}}),
            *({"choice": list(range(1, 3000))}, {"range": [1, 9000]}, {"range": [1, 10**9]}, {"range": [1, 10**390]}),
            *({"range": [0, 1, 1e-9]}, {"range": [1.0, float("inf")]}, {"range": [float("nan"), 1]}, {"range": {}}),
            *({"low": 1, "high": 10**9}, _nested(12), _nested(45), "\u202e\x1b[31m", "=1+1", "x" * 5000),
            *(10**18, -(10**18), 2**63, 10**390, 1e308, 1e-308, -0.0, "", None, [], {}, True, "../../../etc/passwd"),
            deepcopy(other[other_key]),
        ]
        node[key] = deepcopy(rng.choice(wrapped))
        if isinstance(node, dict) and rng.random() < 0.2:
            node[rng.choice(words)] = node.pop(key)
    return json.dumps(data) if rng.random() < 0.1 else yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def _dashes(rng: random.Random, text: str) -> str:
    """`text` with a dash doubled, or lost."""
    lines = text.splitlines()
    dashed = [index for index, line in enumerate(lines) if line.lstrip().startswith("- ")]
    if dashed:
        index = rng.choice(dashed)
        lines[index] = lines[index].replace("- ", rng.choice(("- - ", "- - - ", "  ", "-", "- ? ")), 1)
    return "\n".join(lines) + "\n"


def mutated(rng: random.Random, kind: Kind, texts: list[str]) -> bytes:
    """A file of a kind with faults."""
    text = rng.choice(texts)
    fault = rng.random()
    try:
        if fault < 0.4:
            text = _restructure(rng, text, kind.words)
        elif fault < 0.55:
            return _dashes(rng, text).encode("utf-8", "surrogatepass")
        return mutate(rng, text) if fault > 0.3 else text.encode("utf-8", "surrogatepass")
    except (SpecError, ValueError, RecursionError):  # what no YAML can say, or a table, which is none
        return bytes(
            rng.choice((byte, byte, byte, rng.randrange(256))) if rng.random() < 0.05 else byte
            for byte in text.encode()
        )


def fault_of(kind: Kind, path: Path) -> tuple[str, str]:
    """What is wrong with the answer to a file, empty where nothing is; and the kind of answer."""
    used, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    message = ""
    try:
        kind.read(path)
    except (SpecError, UndecidedError) as error:
        message = str(error)
        if isinstance(error, UndecidedError):
            message = ""
        elif len(message.splitlines()) != 1 or not message.isprintable():
            return f"not one printable line: {message!r}", ""
        elif not message.startswith((str(path), "--", "../")):
            return f"no place: {message}", ""
        elif len(message) > LONGEST + 2 * len(str(path)) or LEAKS.search(message):
            return f"too long, or leaks: {message}", ""
    except Exception as error:
        return f"{type(error).__name__}: {error}", ""
    if time.process_time() - started > SECONDS:
        return f"{time.process_time() - started:.0f} s", ""
    if (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used) << 10 > MEMORY:
        return "more than 1 GB", ""
    return "", "refused" if message else "read"


def run(count: int, seed: int, folder: Path, names: tuple[str, ...] = tuple(KINDS)) -> tuple[Counter[str], list[str]]:
    """Answers to so many files of the kinds in turn, by kind, and what is wrong with any of them."""
    rng = random.Random(seed)
    texts = {name: KINDS[name].seeds(rng) for name in names}
    answers: Counter[str] = Counter()
    wrong: list[str] = []
    for index in range(count):
        name = names[index % len(names)]
        raw = mutated(rng, KINDS[name], texts[name])
        suffix = "csv" if name == "table" else rng.choice(("yaml", "yaml", "yml", "json"))
        path = folder / name / f"{name}.{suffix}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(raw)
        faulthandler.dump_traceback_later(12 * SECONDS, exit=True)  # within one call of C no signal is heard
        fault, answer = fault_of(KINDS[name], path)
        faulthandler.cancel_dump_traceback_later()
        answers[f"{name} {answer or 'wrong'}"] += 1
        if fault:
            wrong.append(f"file {index} of seed {seed}, {name}: {fault}")
            print(wrong[-1][:600], flush=True)
            (folder / f"wrong-{index}.{suffix}").write_bytes(raw)
    return answers, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=5000, help="how many mutated files")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations")
    parser.add_argument("--kind", choices=tuple(KINDS), help="only this kind")
    parser.add_argument("--keep", type=Path, help="folder for the files with a wrong answer")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp())
    folder.mkdir(exist_ok=True, parents=True)
    started = time.process_time()
    answers, wrong = run(options.files, options.seed, folder, (options.kind,) if options.kind else tuple(KINDS))
    seconds = time.process_time() - started
    print(f"{options.files} files, seed {options.seed}: {len(wrong)} wrong answers; {seconds:.0f} s CPU")
    print(", ".join(f"{count} {answer}" for answer, count in sorted(answers.items())))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
