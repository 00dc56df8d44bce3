"""Mutated spec files: each either loads or is refused in one line, and what loads can be written and read again.

`python benchmarks/fuzz.py --files 10000`
"""

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from archspec.cost.measure import measure
from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.loader import dump, forms, load, parse, presets
from archspec.testing.random_specs import random_spec

LONGEST = 400
"""Characters of a message; more is not one line on anybody's screen."""

ODD = re.split(
    " +",
    "null ~ true false no yes on 0 1 -1 2 3 1.5 1e3 1e999 .inf -.inf .nan 0x10 0o17 1_000 +7 7. .5 "
    "99999999999999999999 '' \"\" [] {} [[]] [~] {a: b} - ? : HR T CFFN hr hr_stem irds_a conv classifier rows "
    "&a *a !!str !!python/none | > %YAML --- ... @x `x` #x , ] } [ { << 2024-01-01 12:30:00 ٣ é 日本 \u2028 \ufeff "
    "\x7f \x00 stages widths block",
)
WORDS = re.split(
    " +",
    "name resolution stem stages head drop_path variants block blocks depth depths width widths heads sr norm type",
)
LEAKS = re.compile(r"Traceback|pydantic|<class|function-|Union|object at 0x|\('|ValidationError")


def seeds(rng: random.Random) -> list[str]:
    """The texts that are mutated: presets as shipped and in every form, random specs, JSON."""
    texts = [(files("archspec") / "presets" / f"{name}.yaml").read_text() for name in presets()]
    specs = [load(name) for name in presets()] + [random_spec(rng) for _ in range(12)]
    for spec in specs:
        texts += [dump(spec, form) for form in forms(spec)]
        texts.append(json.dumps(spec.canonical(), indent=1))
    return texts


def mutate(rng: random.Random, text: str) -> bytes:
    """`text` with one to four faults."""
    if rng.random() < 0.35:
        data = _mutate_data(rng, parse_document(text, "seed").data)
        text = json.dumps(data) if rng.random() < 0.2 else yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    raw = text.encode()
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        raw = rng.choice(MUTATORS)(rng, raw)
    return raw


def refusal(raw: bytes, path: Path) -> SpecError | None:
    """Load a file of these bytes; None where it loads, and the spec survives writing and reading.

    Raises:
        AssertionError: the message is no single line, or leaks how archspec is made.
    """
    path.write_bytes(raw)
    try:
        spec = load(path)
    except SpecError as error:
        _check_message(error, raw, path)
        return error
    for form in forms(spec):
        assert parse(parse_document(dump(spec, form), form)).digest == spec.digest
    assert measure(spec).macs > 0
    return None


def _check_message(error: SpecError, raw: bytes, path: Path) -> None:
    message = str(error)
    breaks = len(re.findall(rb"\r\n|[\r\n]|\xc2\x85|\xe2\x80[\xa8\xa9]", raw))  # what YAML counts as lines
    assert message.startswith(str(path)), message
    assert len(message.splitlines()) == 1, message
    assert len(message) < LONGEST + len(str(path)), message
    assert not LEAKS.search(message), message
    assert error.line is None or 1 <= error.line <= breaks + 1, message


def _lines(change: Callable[[random.Random, list[bytes]], None]) -> Callable[[random.Random, bytes], bytes]:
    def mutator(rng: random.Random, raw: bytes) -> bytes:
        lines = raw.split(b"\n")
        change(rng, lines)
        return b"\n".join(lines)

    return mutator


def _delete_line(rng: random.Random, lines: list[bytes]) -> None:
    del lines[rng.randrange(len(lines))]


def _repeat_line(rng: random.Random, lines: list[bytes]) -> None:
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))


def _swap_lines(rng: random.Random, lines: list[bytes]) -> None:
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i]


def _indent_line(rng: random.Random, lines: list[bytes]) -> None:
    i = rng.randrange(len(lines))
    lines[i] = rng.choice((b" ", b"  ", b"\t", b"- ", b"#", b"? ", b"&a ", b"!x ")) + lines[i]


def _replace_token(rng: random.Random, raw: bytes) -> bytes:
    tokens = list(re.finditer(rb"[\w.+-]+", raw))
    if not tokens:
        return raw
    token = rng.choice(tokens)
    return raw[: token.start()] + rng.choice((*ODD, *WORDS)).encode() + raw[token.end() :]


def _misspell_token(rng: random.Random, raw: bytes) -> bytes:
    tokens = list(re.finditer(rb"[A-Za-z_]{3,}", raw))
    if not tokens:
        return raw
    start = rng.choice(tokens).start() + 1
    return raw[:start] + rng.choice((b"", b"x", raw[start : start + 1] * 2)) + raw[start + 1 :]


def _insert_bytes(rng: random.Random, raw: bytes) -> bytes:
    start = rng.randrange(len(raw) + 1)
    return raw[:start] + rng.randbytes(rng.randint(1, 4)) + raw[start:]


def _insert_odd(rng: random.Random, raw: bytes) -> bytes:
    start = rng.randrange(len(raw) + 1)
    return raw[:start] + rng.choice(ODD).encode() + raw[start:]


def _delete_bytes(rng: random.Random, raw: bytes) -> bytes:
    start = rng.randrange(len(raw) + 1)
    return raw[:start] + raw[start + rng.randint(1, 6) :]


def _truncate(rng: random.Random, raw: bytes) -> bytes:
    return raw[: rng.randrange(len(raw) + 1)]


def _insert_alias(rng: random.Random, raw: bytes) -> bytes:
    tokens = list(re.finditer(rb"(?<=: )[\w\[{]", raw))
    if len(tokens) < 2:
        return raw
    first, second = sorted(rng.sample(tokens, 2), key=lambda token: token.start())
    end = re.compile(rb"[,}\]\n]").search(raw, second.start())
    tail = raw[end.start() :] if end else b""
    return raw[: first.start()] + b"&x " + raw[first.start() : second.start()] + b"*x" + tail


MUTATORS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *map(_lines, (_delete_line, _repeat_line, _swap_lines, _indent_line)),
    *(_replace_token, _replace_token, _misspell_token, _insert_bytes, _insert_odd, _delete_bytes, _truncate),
    _insert_alias,
)


def _mutate_data(rng: random.Random, data: Any) -> Any:
    data = deepcopy(data)
    for _ in range(rng.randint(1, 3)):
        places = list(_places(data))
        if not places:
            return data
        node, key = rng.choice(places)
        action = rng.random()
        if action < 0.2:
            del node[key]
        elif action < 0.4 and isinstance(node, dict):
            node[rng.choice((*WORDS, 7, "", "a b", "x" * 300, "stages[0].width"))] = node.pop(key)
        elif action < 0.6:
            other, other_key = rng.choice(places)
            node[key] = deepcopy(other.get(other_key) if isinstance(other, dict) else other[other_key])
        else:
            node[key] = deepcopy(rng.choice(VALUES))
    return data


VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 7, 64, 10**6, 10**30, 0.5, 4.0, -0.0, 1e300, float("inf"), float("nan")),
    *(
        "",
        "HR",
        "t",
        "T",
        "no",
        "4",
        "1e3",
        "hr_stem",
        "x" * 500,
        "a\nb",
        "\u2028",
        [],
        [None],
        [[]],
        {},
        {"type": "T"},
    ),
    *({"type": None}, {"a": {"b": {}}}, ["HR", "T"], [["HR"]], [{"type": "CFFN", "heads": 2}], {"224": {}}, {224: 1}),
)


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every mapping or list with each of its keys or indices."""
    keys = list(data) if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    for key in keys:
        yield data, key
        yield from _places(data[key])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000, help="how many mutated files")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    texts = seeds(rng)
    rules: Counter[str] = Counter()
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        for index in range(options.files):
            raw = mutate(rng, rng.choice(texts))
            path = Path(folder) / f"fuzz{rng.choice(('.yaml', '.yml', '.json', '.yaml'))}"
            try:
                error = refusal(raw, path)
            except Exception as error:
                print(f"file {index} of seed {options.seed}: {type(error).__name__}: {error}\n{raw!r}")
                return 1
            rules[_rule(error)] += 1
    seconds = time.process_time() - started
    print(f"{options.files} mutated files, seed {options.seed}: {rules['loads']} load, every other one is refused in")
    print(f"one line of at most {LONGEST} characters; no other exception; {len(rules)} kinds; {seconds:.0f} s CPU")
    for rule, count in rules.most_common(25):
        print(f"{count:6} {rule}")
    return 0


def _rule(error: SpecError | None) -> str:
    """A message without its values."""
    if error is None:
        return "loads"
    rule = re.sub(r"\(did you mean.*|'[^']*'|\"[^\"]*\"|-?\.?[0-9][0-9.e+]*", "…", error.rule)
    return re.sub(r"not …?.*|layer .*|stages\[.*|U\+.*|\*\S+ .*|tag .* is", "…", rule)[:70]


if __name__ == "__main__":
    sys.exit(main())
