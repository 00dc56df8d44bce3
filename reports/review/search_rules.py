"""Objections to how a search went: its baseline, its hypervolume, and the trials that count in neither."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from archspec.documents.wording import plural
from reports.records.hypervolume_box import MARGIN, unit_losses
from reports.records.search import finished
from reports.review.objection import Objection
from reports.review.search_run import SearchRun
from reports.statistics.pareto import hypervolume

SHARE = 0.1
"""Of failed trials or repaired layouts, above which they may decide what is found."""
MARGINS = (0.0, 0.5, 1.0, 2.0)
"""Other reference points that are tried: shares of the span of costs beyond the dearest layout."""
FEWEST_RUNS = 3


def unfinished(run: SearchRun) -> Iterator[Objection]:
    """Trials that wait, or that no process has answered."""
    open_ = run.record.search[run.record.search["state"].isin(["RUNNING", "WAITING"])]
    if len(open_):
        text = (
            f"{plural(len(open_), 'trial')} of the search are neither finished nor failed: it was stopped, or it runs"
        )
        yield Objection("minor", "unfinished", text, _trials(list(open_["number"])), run.shell.resume())


def no_baseline(run: SearchRun) -> Iterator[Objection]:
    """No random search to compare with."""
    if run.sampler == "random" or len(finished(run.record.baseline)):
        return
    text = (
        f"no random search stands beside the {run.trained} layouts of {run.sampler or 'the search'}: "
        "nothing tells how far chance alone would have come"
    )
    command = run.shell.resume() if run.wanted("baseline") else run.shell.extend("baseline", run.planned)
    yield Objection("serious", "no-baseline", text, "study baseline", command)


def short_baseline(run: SearchRun) -> Iterator[Objection]:
    """A random search that trained fewer layouts than the search."""
    count = len(finished(run.record.baseline))
    if not 0 < count < run.trained:
        return
    text = (
        f"the random search trained {plural(count, 'layout')}, the search {run.trained}: only the first {count} compare"
    )
    enough = run.wanted("baseline") >= run.planned
    command = run.shell.resume() if enough else run.shell.extend("baseline", run.planned)
    yield Objection("minor", "short-baseline", text, "study baseline", command)


def shared_start_up(run: SearchRun) -> Iterator[Objection]:
    """A baseline that begins with trials of the search itself."""
    baseline = finished(run.record.baseline)
    copied = int(baseline["copied_from"].notna().sum())
    if not copied or run.independent():
        return
    text = (
        f"{copied} of the {len(baseline)} layouts of the random search are the search's own start-up trials: "
        "the arms agree there by construction, and share their luck"
    )
    options = f"--sampler random --seed {_seeds(run)[0]}"
    command = run.shell.again("random", options, {"baseline": 0, "final.seeds": 0})
    yield Objection("minor", "shared-start-up", text, "study baseline", command)


def behind_baseline(run: SearchRun) -> Iterator[Objection]:
    """A search that came no further than chance, after as many layouts."""
    info = run.progress
    ours, theirs = info.reached[0], info.reached[-1]
    if len(info.arms) > 1 and run.sampler != "random" and ours <= theirs:
        text = (
            f"after {plural(info.shared, 'layout')} the search has a hypervolume of {ours:.3f}, the random search "
            f"{theirs:.3f}: in this run {run.sampler or 'the sampler'} found no more than chance; more runs tell "
            "whether it ever does"
        )
        yield Objection("serious", "behind-baseline", text, "figure hypervolume", run.shell.repeat(_seeds(run)))


def one_run(run: SearchRun) -> Iterator[Objection]:
    """Hypervolumes of too few runs to give an interval."""
    count = 1 + len(run.repeats())
    if count >= FEWEST_RUNS:
        return
    info = run.progress
    what = "the difference has" if len(info.arms) > 1 else "it has"
    text = (
        f"hypervolume {info.result} after {plural(info.shared, 'layout')}, from {plural(count, 'run')}: "
        f"{what} no useful interval"
    )
    yield Objection("minor", "one-run", text, "figure hypervolume", run.shell.repeat(_seeds(run)))


def late_reference(run: SearchRun) -> Iterator[Objection]:
    """A hypervolume whose reference point comes from the layouts that were trained."""
    info = run.progress
    names = [name for name, spanned in zip(info.scale.objectives, info.scale.spans, strict=True) if spanned]
    if not names:
        return
    corners = zip(info.scale.objectives, info.scale.best, info.scale.reference, strict=True)
    written = ", ".join(f"{name} {_amount(low)} to {_amount(high)}" for name, low, high in corners if name in names)
    text = f"the box of the hypervolume was chosen after the fact, from the layouts trained ({written})"
    if len(info.arms) > 1:
        flips = _flips(run)
        there = " or ".join(f"{100 * margin:.0f} %" for margin in flips) or f"0 to {100 * MARGINS[-1]:.0f} %"
        does = "swap places" if flips else "keep their order"
        text += f"; the arms {does} with a reference {there} of the span of log costs beyond the dearest layout"
    else:
        flips = []
    severity = "serious" if flips else "minor"
    yield Objection(severity, "late-reference", text, "figure hypervolume", run.shell.ranges())


def noisy_latency(run: SearchRun) -> Iterator[Objection]:
    """Latency decides the front, and some was measured beside other work."""
    table = finished(run.record.search)
    noisy = table[table["latency_noisy"] > 0]
    if "latency_ms" not in run.record.objectives or not len(noisy):
        return
    members = {member.trial for member in run.front.members} & {int(number) for number in noisy["number"]}
    text = (
        f"{len(noisy)} of {len(table)} latencies, {len(members)} of them of the front's {len(run.front.members)}, were "
        "measured while something else kept the machine busy, and latency is an objective"
    )
    place = _trials(sorted(members) or list(noisy["number"]))
    severity = "serious" if members else "minor"
    yield Objection(severity, "noisy-latency", text, place, run.shell.again("quiet", "--workers 1"))


def unlike_devices(run: SearchRun) -> Iterator[Objection]:
    """An inference time is an objective, and was measured on devices that do not compare."""
    for one in run.record.timings:
        if not one.unlike or one.metric.name not in run.record.objectives:
            continue
        counts = ", ".join(f"{model} {count}" for model, count in one.counts.items())
        text = (
            f"{one.metric.name} is an objective, and was measured on {len(one.counts)} models of devices (trials on "
            f"each: {counts}), between which milliseconds do not compare: who is on the front depends on the node"
        )
        command = run.shell.again("one-device", "", {"evaluator.latency_on": "local"})
        yield Objection("serious", "unlike-devices", text, f"column {one.metric.name}_device of front.csv", command)


def failed_trials(run: SearchRun) -> Iterator[Objection]:
    """More than a tenth of the search's layouts failed: which ones is seldom chance."""
    table = run.record.search
    failed = table[(table["state"] == "FAIL") & ~table["requeued"]]
    total = len(failed) + run.trained
    if len(failed) <= SHARE * total:
        return
    reasons = failed["failure"].fillna("no reason recorded").value_counts()
    text = (
        f"{len(failed)} of {total} trials failed ({100 * len(failed) / total:.0f} %), most often "
        f"({reasons.iloc[0]}) of: {reasons.index[0]!s:.100}. The front is one of survivors; remove the cause first"
    )
    yield Objection("serious", "failed-trials", text, _trials(list(failed["number"])), run.shell.again("again"))


def repaired_layouts(run: SearchRun) -> Iterator[Objection]:
    """More than a tenth of the layouts are not what the sampler proposed, so they are not spread as it says."""
    table = finished(run.record.search)
    repaired = table[table["repaired"] > 0]
    if len(repaired) <= SHARE * len(table):
        return
    text = (
        f"{len(repaired)} of {len(table)} layouts ({100 * len(repaired) / len(table):.0f} %) were moved from what was "
        "proposed to the nearest possible one: layouts at the border of what is allowed are over-represented"
    )
    # Under a budget, even one that everything meets, these samplers propose inside only.
    inside = run.sampler if run.sampler in ("random", "qmc", "nsga3") else "nsga2"
    changes = {} if run.asked.get("budget") else {"budget": {"params": "> 0"}}
    command = run.shell.again("inside", f"--sampler {inside}", changes)
    yield Objection("minor", "repaired-layouts", text, _trials(list(repaired["number"])), command)


def _flips(run: SearchRun) -> list[float]:
    """The margins of `MARGINS` with which the other arm is ahead, after as many layouts as both have."""
    search, baseline = finished(run.record.search), finished(run.record.baseline)
    scale, known = run.progress.scale, run.progress.shared
    corner = np.ones(len(scale.objectives))

    def lead(margin: float) -> float:
        moved = scale.moved(margin)
        ours, theirs = (hypervolume(unit_losses(table.head(known), moved), corner) for table in (search, baseline))
        return ours - theirs

    drawn = lead(MARGIN)
    return [margin for margin in MARGINS if lead(margin) * drawn < 0]


def _seeds(run: SearchRun) -> list[int]:
    """Seeds of further runs, so far apart that no training of one shares its seed with one of another."""
    step = max(10, run.wanted("final.seeds") + 1)
    return [run.seed + step * (index + 1) for index in range(FEWEST_RUNS - 1)]


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _trials(numbers: list[int]) -> str:
    """The first few of them."""
    first = ", ".join(str(int(number)) for number in numbers[:6])
    rest = f" and {len(numbers) - 6} more" if len(numbers) > 6 else ""
    return f"trial{'' if len(numbers) == 1 else 's'} {first}{rest}"
