"""The exact front of a space of 1e15 layouts, and of one of nearly 1e9 beside brute force: `make bench`.

The large space is the shipped five_stage with eight widths in place of four everywhere and a fifth expansion in the
first two stages; the small one is five_stage with two widths a stage and fewer depths and expansions. A score has an
effect for each hole of each part and for pairs of them, as the additive surrogate of a search has.

Brute force forms every layout's cost and score from those of its beginning, in blocks that fit into the cache, and
drops at once what a table of the best scores so far shows to be dominated.
"""

import argparse
import platform
import sys
import time
from importlib.resources import files

import numpy as np

from archspec.cost.tables import Chain, MetricAt
from archspec.documents.reader import parse_document
from search.front.dominance import DominanceFilter, nondominated
from search.front.front import Front, solve_front
from search.space.encoding import Encoding
from search.space.space import parse_space
from search.surrogate.features import Features

METRICS = (MetricAt("macs"), MetricAt("params"))
WIDER = {
    "[24, 32, 48, 64]": "[24, 28, 32, 40, 48, 56, 64, 72]",
    "[48, 64, 80, 96]": "[48, 56, 64, 72, 80, 88, 96, 112]",
    "[96, 128, 160, 192]": "[96, 112, 128, 144, 160, 176, 192, 224]",
    "[192, 256, 320, 384]": "[192, 224, 256, 288, 320, 352, 384, 448]",
    "[384, 448, 512, 640]": "[384, 416, 448, 480, 512, 576, 640, 768]",
    "[2, 3, 4, 6]": "[2, 3, 4, 5, 6]",
}
FEWER = {
    "width: {choice: [24, 32, 48, 64]}\n": "width: {choice: [32, 64]}\n",
    "[48, 64, 80, 96]": "[64, 96]",
    "[96, 128, 160, 192]": "[128, 160]",
    "[192, 256, 320, 384]": "[256, 320]",
    "[384, 448, 512, 640]": "[512, 640]",
    "[3, 15]": "[6, 11]",
    "[2, 3, 4, 6]": "[2, 4]",
    "[3, 4, 5, 6]": "[4, 6]",
    "depth: {range: [1, 6]}\n    width: {choice: [512, 640]}\n    expansion: {choice: [4, 6]}": (
        "depth: {range: [2, 4]}\n    width: {choice: [512, 640]}\n    expansion: 5"
    ),
}
BLOCK = 1 << 15


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the scores")
    rng = np.random.default_rng(parser.parse_args().seed)
    seconds = large(rng)
    ratio = small(rng)
    print(f"numpy {np.__version__}, Python {platform.python_version()}, {platform.machine()}; CPU time of one process")
    return int(seconds > 0.3 or ratio < 1000)


def large(rng: np.random.Generator) -> float:
    """Time of the front of the large space."""
    chain, scores, layouts = opened(WIDER, rng)
    solve_front(chain, 0, scores)
    seconds, front = timed(lambda: solve_front(chain, 0, scores))
    check(chain, front, scores)
    print(f"front of macs against a score over {layouts:.3e} layouts: {len(front.costs):,} layouts, {seconds:.4f} s")
    random = [rng.normal(size=count) for count in chain.options]
    other, front = timed(lambda: solve_front(chain, 0, random))
    print(f"  with a random score for each option of each part: {len(front.costs):,} layouts, {other:.4f} s")
    return seconds


def small(rng: np.random.Generator) -> float:
    """Ratio of brute force to dynamic programming, whose fronts must be identical."""
    chain, scores, _ = opened(FEWER, rng)
    seconds, front = timed(lambda: solve_front(chain, 0, scores), 50)
    slow, (costs, values, layouts) = timed(lambda: brute_force(chain, scores), 1)
    check(chain, front, scores)
    same = np.array_equal(front.costs, costs) and np.array_equal(front.scores, values)
    print(
        f"front over {layouts:,} layouts: {len(front.costs):,} layouts, {seconds:.5f} s; by brute force {slow:.2f} s, "
        f"{slow / layouts * 1e9:.1f} ns a layout: {slow / seconds:,.0f} times as long; "
        f"{'identical' if same else 'DIFFERENT'}"
    )
    return slow / seconds if same else 0.0


def opened(changes: dict[str, str], rng: np.random.Generator) -> tuple[Chain, list[np.ndarray], int]:
    """The tables of a changed five_stage, random scores for it, and the number of ways to fill its holes."""
    text = (files("search.space") / "spaces" / "five_stage.yaml").read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    space = parse_space(parse_document(text.encode(), "five_stage, changed"))
    encoding = Encoding(space)
    return encoding.chain(METRICS), hole_effects(Features(encoding), rng), space.count()


def hole_effects(features: Features, rng: np.random.Generator) -> list[np.ndarray]:
    """Random effects; those of larger depths and widths are larger, as they are for accuracy."""
    effects = rng.normal(size=len(features.rising))
    effects = np.where(features.rising, np.abs(effects), effects)
    return [table @ part for table, part in zip(features.tables, features.split(effects), strict=True)]


def timed(run, times: int = 5):
    """Median CPU seconds of some runs, and the last result."""
    seconds = []
    for _ in range(times):
        start = time.process_time()
        result = run()
        seconds.append(time.process_time() - start)
    return float(np.median(seconds)), result


def check(chain: Chain, front: Front, scores: list[np.ndarray]) -> None:
    """The layouts of a front have its costs and scores."""
    assert np.array_equal(chain.price(front.choices)[:, 0], front.costs)
    total = np.zeros(len(front.costs))
    for index, score in enumerate(scores):
        total += score[front.choices[:, index]]
    assert np.array_equal(total, front.scores)


def brute_force(chain: Chain, scores: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, int]:
    """Costs and scores of the front, and the number of possible layouts, each of which is formed and looked at."""
    *first, third, fourth, _ = chain.components
    cost, score, state = np.zeros(1, np.int64), np.zeros(1), np.zeros(1, np.intp)
    for part, own in zip(first, scores, strict=False):
        row, option = np.nonzero(part.after[state] >= 0)
        source = state[row]
        cost, score = cost[row] + part.costs[source, option, 0], score[row] + own[option]
        state = part.after[source, option]
    tails = [tail(chain, border, scores) for border in range(fourth.states)]
    found = Found(sum(int(part.costs[..., 0].max()) for part in chain.components))
    step = BLOCK // fourth.options
    for border in range(third.states):
        (here,) = np.nonzero(state == border)
        for start in range(0, len(here), step):
            block = here[start : start + step]
            for option in np.flatnonzero(third.after[border] >= 0):
                end_cost, end_score, end_head = tails[third.after[border, option]]
                costs = (cost[block] + third.costs[border, option, 0])[:, None] + end_cost
                values = (score[block] + scores[-3][option])[:, None] + end_score
                found.look_at(costs, values if end_head is None else values + end_head)
    return *found.front(), found.layouts


def tail(chain: Chain, border: int, scores: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Costs of the last stage with the head behind it, and the scores of both; None for a head without score."""
    stage, head = chain.components[-2:]
    (options,) = np.nonzero(stage.after[border] >= 0)
    after = stage.after[border, options]
    assert head.options == 1
    assert (head.after >= 0).all()
    cost = stage.costs[border, options, 0] + head.costs[after, 0, 0]
    return cost, scores[-2][options], scores[-1][[0] * len(options)] if scores[-1].any() else None


class Found:
    """What may still be nondominated of the layouts that were looked at."""

    def __init__(self, top: int) -> None:
        self.layouts, self.waiting = 0, 0
        self.parts = [(np.zeros(0, np.int64), np.zeros(0))]
        self.none, self.ends = np.zeros((0, 0), np.int64), np.array([[0], [top]])
        self.screen = DominanceFilter(*self.parts[0], self.none, *self.ends)

    def look_at(self, cost: np.ndarray, score: np.ndarray) -> None:
        self.layouts += cost.size
        (kept,) = np.nonzero(self.screen.passes(cost, score, self.none).ravel())
        if len(kept):
            self.parts.append((cost.ravel()[kept], score.ravel()[kept]))
            self.waiting += len(kept)
            if self.waiting > BLOCK:
                self.front()

    def front(self) -> tuple[np.ndarray, np.ndarray]:
        cost, score = (np.concatenate(part) for part in zip(*self.parts, strict=True))
        kept = nondominated(cost, score)
        self.parts, self.waiting = [(cost[kept], score[kept])], 0
        self.screen = DominanceFilter(*self.parts[0], np.zeros((len(kept), 0), np.int64), *self.ends)
        return self.parts[0]


if __name__ == "__main__":
    sys.exit(main())
