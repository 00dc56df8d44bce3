"""Layouts drawn from a space and written to a folder: the population that a study of a design space trains."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from archspec.cost.tables import Chain, MetricAt
from archspec.errors import SpecError
from archspec.files.os_errors import unwritable
from archspec.files.output_folder import fresh_folder, is_leftover
from archspec.files.ownership import OutputCommand
from archspec.loader import dump
from archspec.progress import doing
from archspec.spec.schema import ArchSpec
from archspec.spec.short_code import encode
from search.budget.count import BoxSampler
from search.counting.big_integers import Ints
from search.space.encoding import Encoding
from search.space.limits import Box

INDEX = "index.csv"
MAX_SPECIMENS = 1_000_000
"""More files than this in one folder help nobody."""
MAX_NAME = 100


@final
@dataclass(frozen=True)
class Specimen:
    """A layout: its spec, named after the space and its digest, and its costs [metrics]."""

    spec: ArchSpec
    costs: Ints


def draw(encoding: Encoding, chain: Chain, box: Box, inside: int, wanted: int, seed: int) -> Iterator[Specimen]:
    """`wanted` different layouts inside a box, drawn uniformly without replacement.

    Layouts are drawn one after the other, all with the same probability, and what was drawn before is passed over; so
    every set of `wanted` layouts is as likely. Of two ways to fill the holes that give the same spec only one counts.

    Args:
        encoding: of the space.
        chain: its tables.
        box: limits on metrics of the chain.
        inside: number of layouts inside the box.
        wanted: how many.
        seed: of the draws; the first n of more are the same.

    Raises:
        SpecError: there are not as many different layouts inside.
    """
    if wanted > min(inside, MAX_SPECIMENS):
        many = f"the space has {inside:,} inside the budget" if box else f"the space has {inside:,}"
        rule = many if wanted > inside else f"at most {MAX_SPECIMENS:,} can be written at a time"
        raise SpecError(f"cannot draw {wanted:,} different layouts: {rule}", field="--sample")
    doing("making ready to draw")
    return _draws(encoding, chain, BoxSampler(chain, box), inside, wanted, np.random.default_rng(seed))


def _draws(
    encoding: Encoding, chain: Chain, sampler: BoxSampler, inside: int, wanted: int, rng: np.random.Generator
) -> Iterator[Specimen]:
    rows: set[bytes] = set()
    digests: set[str] = set()
    while len(digests) < wanted:
        if len(rows) == inside:
            rule = f"the {inside:,} ways to fill the holes inside give {len(digests):,} different specs"
            raise SpecError(f"cannot draw {wanted:,} different layouts: {rule}", field="--sample")
        # One at a time would be slow; a number that does not depend on `wanted` keeps the first ones the same.
        choices = sampler.sample(1024, rng)
        costs = chain.price(choices)
        for row, cost in zip(choices, costs, strict=True):
            if len(digests) == wanted:
                return
            if row.tobytes() not in rows:
                rows.add(row.tobytes())
                spec = encoding.spec(row)
                if spec.digest not in digests:
                    digests.add(spec.digest)
                    yield Specimen(_named(spec, encoding.space.name), cost)


def check_folder(folder: Path, command: OutputCommand, *, alone: bool) -> None:
    """Make sure, before any work, that files can be written to a folder; if `alone`, that it holds none.

    Raises:
        SpecError: it holds files, or cannot be written.
        RunError: the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if alone and not command.force and not all(is_leftover(path.name) for path in folder.iterdir()):
            rule = "holds files already, which are kept: name a new or an empty folder, or --force replaces a draw"
            raise SpecError(rule, source=str(folder))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SpecError("cannot be written: Permission denied", source=str(folder))
    except OSError as error:
        raise unwritable(error, folder) from None


def write(specimens: Iterator[Specimen], metrics: Sequence[MetricAt], folder: Path, command: OutputCommand) -> int:
    """Write each spec as DIGEST.yaml, and index.csv with digest, code and costs; returns how many.

    What an earlier draw left there, unchanged, is removed: a population is not mixed with another one.

    Raises:
        SpecError: the folder cannot be written, or a file in it would be lost.
        RunError: the disk is full.
    """
    written = 0
    with (
        fresh_folder(folder, command, prune=True) as fresh,
        (fresh / INDEX).open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["file", "digest", "code", *map(str, metrics)])
        for specimen in specimens:
            spec = specimen.spec
            (fresh / f"{spec.digest}.yaml").write_text(dump(spec), encoding="utf-8")
            table.writerow([f"{spec.digest}.yaml", spec.digest, encode(spec), *specimen.costs.tolist()])
            written += 1
    return written


def _named(spec: ArchSpec, space: str) -> ArchSpec:
    return spec.model_copy(update={"name": f"{space[:MAX_NAME]}-{spec.digest}"})
