"""Objections to what a search reports of its front: seeds, splits, recipes, and the order of its members."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, cast

from archspec.documents.wording import plural
from reports.records.front import FrontMember
from reports.records.published import BENCHMARK, IMAGENET, published
from reports.records.search import finished
from reports.review.objection import Objection
from reports.review.search_run import SearchRun
from reports.search_page.best import best_layout
from reports.statistics.comparison import holm
from reports.statistics.power import independent_sd, needed_seeds
from reports.statistics.summary import LEVEL, Summary, pooled_freedom, pooled_sd, scipy_stats, student_p

FEWEST = 3
"""Seeds below which a standard deviation says next to nothing."""
MOST_SEEDS = 1000
"""As many as a study may ask for."""


def untested_best(run: SearchRun) -> Iterator[Objection]:
    """The most accurate member of the front was never trained again: its accuracy is the one it was chosen for."""
    best = max(run.front.members, key=lambda member: member.accuracy)
    if best.test.n:
        return
    word = run.record.full.word
    if best.again.n:
        text = (
            f"trial {best.trial} was re-trained, {100 * best.again.mean:.2f} % on validation over "
            f"{plural(best.again.n, 'fresh seed')}, but has no test {word}: no answer for it held "
            "test_accuracy; make the evaluator give it to finalists first"
        )
        yield Objection("serious", "untested-best", text, "study final", run.shell.again("tested"))
        return
    text = (
        f"trial {best.trial} has the highest estimate of {run.trained} layouts, and was never trained"
        if run.record.estimated
        else f"{100 * best.accuracy:.2f} % is the highest validation {word} of {run.trained} layouts, from one seed, "
        f"and no test {word} stands beside it: it was selected for being high{_shrunk(run)}"
    )
    shell, enough = run.shell, run.wanted("final.seeds") > 0
    command = shell.resume() if enough else shell.extend("final.seeds", FEWEST)
    yield Objection("serious", "untested-best", text, f"trial {best.trial}", command)


def untested_members(run: SearchRun) -> Iterator[Objection]:
    """Some members of the front were trained again, others not."""
    lacking = [member.rank for member in run.front.members if not member.test.n]
    total = len(run.front.members)
    if not 0 < len(lacking) < total:
        return
    text = f"{len(lacking)} of {plural(total, 'member')} of the front have no test {run.record.full.word}"
    members = run.wanted("final.members", total)
    command = run.shell.extend("final.members", total) if members < total else run.shell.resume()
    yield Objection("minor", "untested-members", text, _members(lacking), command)


def few_seeds(run: SearchRun) -> Iterator[Objection]:
    """Members or anchors with fewer than three seeds, or with unequal numbers of them."""
    tested = [one for one in (*run.front.members, *run.front.anchors) if one.test.n]
    least, most = (pick((one.test.n for one in tested), default=FEWEST) for pick in (min, max))
    if least == most >= FEWEST:
        return
    final = run.record.final
    failed = final[(final["state"] == "FAIL") & ~final["requeued"]]
    lost = int(failed.groupby("digest").size().max()) if len(failed) else 0
    if least == most:
        means = f"values of test {run.record.full.word} are means of {plural(least, 'seed')}"
        text = f"{means}: fewer than {FEWEST} hardly show noise"
    else:
        text = f"means of {least} to {most} seeds stand side by side"
    text += f"; {plural(len(failed), 'final training')} failed" if lost else ""
    asked = run.wanted("final.seeds")
    wanted = max(FEWEST, most)
    shell = run.shell
    command = shell.resume() if asked >= wanted else shell.extend("final.seeds", wanted)
    if lost:
        command = shell.retry({} if asked >= wanted else {"final.seeds": wanted})
    yield Objection("serious" if least < FEWEST else "minor", "few-seeds", text, _places(run, least), command)


def test_selection(run: SearchRun) -> Iterator[Objection]:
    """The score that the search maximised is the test accuracy, by what the trials record of both."""
    for name, table in (("search", finished(run.record.search)), ("final", run.record.final)):
        known = table[(table["state"] == "COMPLETE") & table["test_accuracy"].notna()]
        if len(known) < FEWEST or not (known["accuracy"] == known["test_accuracy"]).all():
            continue
        word = run.record.metric.word
        what = f"the search maximised the test {word}" if name == "search" else "test and validation are one split"
        text = f"{what}: test and validation {word} are equal in all {len(known)} trainings that record both"
        # Nothing in this run can be scored on data that did not select it.
        command = run.shell.again("validation")
        note = "; score `accuracy` on other images than `test_accuracy` first"
        yield Objection("serious", "test-selection", text + note, f"study {name}", command)


def order_in_noise(run: SearchRun) -> Iterator[Objection]:
    """Neighbours on the front whose test accuracies no test tells apart, given the noise of all members."""
    tested = [member for member in run.front.members if member.test.n]
    tests = [member.test for member in tested]
    sd, freedom = pooled_sd(tests), pooled_freedom(tests)
    if len(tested) < 2 or not math.isfinite(sd) or sd == 0:
        return
    pairs = list(pairwise(tested))
    values = holm([_p(one.test, two.test, sd, freedom) for one, two in pairs])
    open_ = [pair for pair, p in zip(pairs, values, strict=True) if p >= LEVEL]
    if not open_:
        return
    gaps = sorted(abs(two.test.mean - one.test.mean) for one, two in open_)
    least, most = (needed_seeds(gap, independent_sd(sd), len(pairs)) for gap in (gaps[-1], gaps[0]))
    text = (
        f"{len(open_)} of {plural(len(pairs), 'pair')} of neighbours differ by no more than seed noise explains "
        f"(pooled sd {100 * sd:.2f} points; the gaps are {100 * gaps[0]:.2f} to {100 * gaps[-1]:.2f})"
    )
    if gaps[-1]:
        text += f": the widest takes {_seeds(least)} seeds each"
        text += f", the closest {_seeds(most)}" if most != least else ""
    else:
        text += ": they are equal"
    asked = max(member.test.n for member in tested)
    # A gap that so many seeds should show may still be open by bad luck: then more of them.
    seeds = min(MOST_SEEDS, max(least or 0, asked + 1))
    place = "members " + ", ".join(f"{one.rank}-{two.rank}" for one, two in open_)
    yield Objection("minor", "order-in-noise", text, place, run.shell.extend("final.seeds", seeds))


def anchor_recipe(run: SearchRun) -> Iterator[Objection]:
    """Anchors trained otherwise than the front beside which they stand."""
    own, theirs = (_evaluators(run, anchors=anchors) for anchors in (False, True))
    if not own or not theirs:
        return
    reference = next(iter(own.values()))
    for name, evaluator in theirs.items():
        differing = _differences(reference, evaluator)
        if differing:
            text = f"was trained otherwise than the front: {', '.join(differing)} (front first)"
            yield Objection("serious", "anchor-recipe", text, f"anchor {name}", run.shell.again("alike"))


def search_recipe(run: SearchRun) -> Iterator[Objection]:
    """Layouts chosen under one recipe and reported under another."""
    changes = run.changes
    tested = [member for member in run.front.members if member.test.n]
    if not changes or not tested:
        return
    written = ", ".join(f"{key} {value}" for key, value in changes.items())
    text = f"the front was chosen under the recipe of the trials and is reported under another ({written})"
    tau = _kendall(tested)
    text += f"; Kendall's tau between both orders of its members is {tau:.2f}" if math.isfinite(tau) else ""
    yield Objection("minor", "search-recipe", text, "studies search and final", _alike(run, changes))


def published_beside(run: SearchRun) -> Iterator[Objection]:
    """Published rows drawn beside one's own, of other recipes and in part of another resolution."""
    if run.record.metric.benchmark != BENCHMARK or any(anchor.test.n for anchor in run.front.anchors):
        return
    rows = published(IMAGENET)
    other = int((rows["resolution"] != run.record.resolution).sum())
    text = (
        f"{len(rows)} published points are drawn beside one's own: each has its authors' recipe, and {other} another "
        f"resolution than {run.record.resolution} px; no published network was trained under the recipe of this run"
    )
    yield Objection(
        "minor", "published-beside", text, "figure tradeoff", run.shell.extend("final.anchors", ["hiri-vit-s"])
    )


def _shrunk(run: SearchRun) -> str:
    """What the best is worth, where re-trained layouts show the noise of validation accuracies."""
    found = best_layout(run.record)
    if found is None:
        return ""
    best, noise = found
    return (
        f". Shrunk by the noise of seeds (sd {100 * noise.sd:.2f} points) it is worth {100 * best.corrected:.2f} % "
        f"({100 * best.low:.2f} to {100 * best.high:.2f}), if layouts spread about normally"
    )


def _p(one: Summary, two: Summary, sd: float, freedom: int) -> float:
    """Two-sided p of Student's test with the deviation pooled over all members."""
    t = abs(two.mean - one.mean) / (sd * math.sqrt(1 / one.n + 1 / two.n))
    return student_p(t, freedom, "comparing members")


def _seeds(count: int | None) -> str:
    return f"{count}" if count and count <= MOST_SEEDS else f"more than {MOST_SEEDS}"


def _kendall(members: list[FrontMember]) -> float:
    if len(members) < FEWEST:
        return math.nan
    pairs = [(member.accuracy, member.test.mean) for member in members]
    return float(scipy_stats("ranking members").kendalltau(*zip(*pairs, strict=True)).statistic)


def _alike(run: SearchRun, changes: Mapping[str, Any]) -> str:
    """Search under the settings that the finalists had."""
    evaluator: Any = run.asked.get("evaluator")
    section = "evaluator.recipe" if isinstance(evaluator, Mapping) and "recipe" in evaluator else "evaluator"
    return run.shell.alike(section, changes)


def _evaluators(run: SearchRun, *, anchors: bool) -> dict[str, Mapping[str, Any]]:
    """What each re-trained layout was trained by: the first training of it that notes it."""
    final = run.record.final
    done = final[final["state"] == "COMPLETE"]
    done = done[done["anchor"].notna() if anchors else done["anchor"].isna()]
    found: dict[str, Mapping[str, Any]] = {}
    for row in done.to_dict("records"):
        noted = run.evaluator_of(str(row["digest"]), int(row["seed"])) if math.isfinite(row["seed"]) else None
        if noted is not None:
            found.setdefault(str(row["anchor"] if anchors else row["digest"]), noted)
    return found


def _differences(one: Any, two: Any, path: str = "") -> list[str]:
    """`recipe.epochs 10, 30` for every leaf that differs."""
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        keys = cast("list[str]", list(dict.fromkeys([*one, *two])))  # pyright: ignore
        left, right = cast("Mapping[str, Any]", one), cast("Mapping[str, Any]", two)
        return [text for key in keys for text in _differences(left.get(key), right.get(key), f"{path}.{key}")]
    return [] if one == two else [f"{path.removeprefix('.')} {one!r:.30}, {two!r:.30}"]


def _places(run: SearchRun, seeds: int) -> str:
    """The members and anchors with so many seeds."""
    ranks = [member.rank for member in run.front.members if member.test.n == seeds]
    names = [f"anchor {anchor.name}" for anchor in run.front.anchors if anchor.test.n == seeds]
    return "; ".join([*([_members(ranks)] if ranks else []), *names])


def _members(ranks: list[int]) -> str:
    return f"member{'' if len(ranks) == 1 else 's'} {', '.join(map(str, ranks))}"
