"""Random small stages of parallel branches, as plain data in canonical form."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from blocks.component import Block, Downsample, Exchange

Draw = Callable[[type[Any]], dict[str, Any]]
"""Random options of a random part of a kind."""


def draw_branched(rng: random.Random, draw: Draw, max_width: int) -> list[dict[str, Any]]:
    """One to three stages; each keeps the branches of the one before, or bears one more."""
    stages: list[dict[str, Any]] = []
    before = 0
    for _ in range(rng.choice((1, 2, 2, 3))):
        count = min(4, rng.choice((before, before + 1)) or 1)
        born = bool(before) and rng.random() < 0.4
        # Transitions everywhere, since what arrives has another width; those of old branches must keep the size.
        fresh = [before > 0 and number >= before and not born for number in range(count)]
        branches = [_draw_branch(rng, draw, max_width, halves=halves) for halves in fresh]
        stage: dict[str, Any] = {"branches": branches, "modules": rng.choice((1, 1, 2))}
        stage["fuse_before"] = _draw_exchange(rng, draw, before or 1, count) if born or rng.random() < 0.2 else None
        stage["fuse"] = _draw_exchange(rng, draw, count, count) if count > 1 and rng.random() < 0.7 else None
        if before == count and stages and rng.random() < 0.5:
            _pass_on(stages[-1], stage)
        stages.append(stage)
        before = count
    return stages


def _draw_exchange(rng: random.Random, draw: Draw, arriving: int, leaving: int) -> dict[str, Any]:
    """An exchange unit, without some of the paths half of the time where it can leave some out."""
    unit = draw(Exchange)
    pairs = [[one, other] for one in range(arriving) for other in range(leaving) if one != other]
    if "paths" in unit and len(pairs) > 1 and rng.random() < 0.5:
        born = [[rng.randrange(arriving), number] for number in range(arriving, leaving)]
        some = rng.sample(pairs, rng.randint(1, len(pairs) - 1))
        unit["paths"] = [pair for pair in pairs if pair in born or pair in some]
    return unit


def _draw_branch(rng: random.Random, draw: Draw, max_width: int, *, halves: bool) -> dict[str, Any]:
    downsample = draw(Downsample)
    if rng.random() < 0.7 and "stride" in downsample:
        downsample["stride"] = 2 if halves else 1
    return {
        "width": rng.choice((rng.randint(1, max_width), 4 * rng.randint(1, 4))),
        "downsample": downsample,
        "blocks": [draw(Block) for _ in range(rng.choice((1, 1, 2)))],
        "final_norm": rng.choice((None, None, "ln", "bn")),
    }


def _pass_on(before: dict[str, Any], stage: dict[str, Any]) -> None:
    """Let the branches keep their width, without transitions."""
    for branch, old in zip(stage["branches"], before["branches"], strict=True):
        branch |= {"width": old["width"], "downsample": None}
