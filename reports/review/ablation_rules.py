"""Objections to an ablation: seeds, what else changes beside the architecture, and what its tests can show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from archspec.documents.wording import plural
from reports.ablation_page.pilot import noise
from reports.ablation_page.results import outcomes
from reports.ablation_page.text import changes
from reports.records.ablation import AblationRecord, PlanRow, PlanView
from reports.review.objection import Objection, Shell
from reports.review.plan_changes import settings
from reports.review.search_run import read_asked
from reports.statistics.comparison import Comparison, holm
from reports.statistics.power import POINTS, needed_seeds, visible_effect
from reports.statistics.summary import LEVEL

FEW_SEEDS = 5
MATCHED = 0.02
"""Relative difference up to which two costs count as equal ..."""
UNMATCHED = 0.05
"""... and beyond which they count as different."""
SHARE_FAILED = 0.1
MOST_SEEDS = 1000
"""As many as a plan may ask for."""


@dataclass(frozen=True)
class AblationRun:
    """An ablation with the shell lines about its folder."""

    record: AblationRecord
    shell: Shell

    @cached_property
    def asked(self) -> Mapping[str, Any]:
        """The content of plan.yaml; empty where it is missing or damaged."""
        return read_asked(self.shell.run / "plan.yaml", strict=False)

    @cached_property
    def completed(self) -> str:
        """The command that adds every view and edit that the plan lacks, all at once: each line gives all views."""
        mixed = [(row, reference) for _, row, reference in self.mixed()]
        changes = settings(self.asked, mixed, list(self.unordered()))
        return self.shell.ablate() if changes is None else self.shell.ablate_with(changes)

    def mixed(self) -> Iterator[tuple[PlanView, PlanRow, PlanRow]]:
        """Comparisons of rows that differ in spec and training, where no row has one of the two changes alone."""
        every = [row for view in self.record.views for row in view.rows]
        for view, row, reference in self.pairs():
            if not changes(row, reference) or _same_spec(row, reference):
                continue
            if not any(
                (_same_spec(one, row) and not changes(one, reference))
                or (_same_spec(one, reference) and not changes(one, row))
                for one in every
            ):
                yield view, row, reference

    def unordered(self) -> Iterator[PlanView]:
        """Progressive views of two or more edits, where no other view makes the same edits in another company."""
        for view in self.record.views:
            edits = _edits(view)
            others = [one for one in self.record.views if one.type in ("leave_one_out", "leave_one_in", "factorial")]
            if view.type == "progressive" and len(edits) > 1 and not any(edits <= _edits(one) for one in others):
                yield view

    def compared(self, view: PlanView) -> dict[tuple[int, int], Comparison]:
        """The tests of one view as its table has them, by row and reference; the same two runs are tested once."""
        tests = {pair: outcome.comparison for pair, outcome in outcomes(self.record, view).items()}
        first = {view.runs(pair): pair for pair in reversed(view.compared)}
        return {pair: one for pair, one in tests.items() if one is not None and first[view.runs(pair)] == pair}

    def pairs(self) -> Iterator[tuple[PlanView, PlanRow, PlanRow]]:
        """Each comparison of two runs once, whichever is the reference, in the view that has it first."""
        seen: set[frozenset[str]] = set()
        for view in self.record.views:
            for row, reference in view.pairs:
                pair = frozenset((row.run, reference.run))
                if pair not in seen:
                    seen.add(pair)
                    yield view, row, reference


def missing_seeds(ablation: AblationRun) -> Iterator[Objection]:
    """Rows with fewer finished seeds than planned, or with other numbers of them than the rest."""
    record = ablation.record
    counts = {key: len(record.scores[key]) for key in record.places}
    stops = {*(look.seeds for look in record.looks), record.seeds}  # a row may stop at a look
    lost = {key: len(record.failures[key]) for key in counts}
    odd = [key for key, count in counts.items() if count + lost[key] < record.seeds and count not in stops]
    odd = odd or [key for key, count in counts.items() if count > record.seeds]
    if not odd:
        return
    least, most = min(counts[key] for key in odd), max(counts.values())
    text = (
        f"{len(odd)} of {plural(len(counts), 'row')} have other numbers of seeds than the {record.seeds} planned: "
        f"{least} to {most} finished"
    )
    places = "; ".join(record.places[key] for key in odd)
    options = f"--seeds {most}" if most > record.seeds else ""
    yield Objection("serious", "missing-seeds", text, places, ablation.shell.ablate(options))


def failed_seeds(ablation: AblationRun) -> Iterator[Objection]:
    """Rows whose mean is over the trainings that survived."""
    record = ablation.record
    for key, place in record.places.items():
        lost = record.failures[key]
        if not lost:
            continue
        total = len(lost) + len(record.scores[key])
        seeds = ", ".join(map(str, sorted(lost)))
        text = (
            f"{len(lost)} of {plural(total, 'training')} failed (seed {seeds}: {next(iter(lost.values())):.100}), "
            "and the mean is over the rest: a row that fails when it does badly looks better than it is"
        )
        severity = "serious" if len(lost) > SHARE_FAILED * total else "minor"
        command = ablation.shell.ablate("--retry-failed")
        yield Objection(severity, "failed-seeds", text, place, command)


def few_seeds_to_mark(ablation: AblationRun) -> Iterator[Objection]:
    """Differences that a view leaves undecided because its seeds could hardly show them."""
    for view in ablation.record.views if not ablation.record.looks else ():
        tests = ablation.compared(view)
        found = list(tests.values())
        open_ = {pair: one for pair, one in tests.items() if not one.decided}
        counts = [one.n for one in found]
        if not open_ or (min(counts) >= FEW_SEEDS and len(open_) < len(found)):
            continue
        marked = len(found) - len(open_)
        severity = "minor" if marked else "serious"
        place = f"{view.name}, " + "; ".join(_label(view, pair) for pair in open_)
        sd = noise(ablation.record)
        if min(counts) < 2 or not sd > 0:
            text = f"{plural(len(open_), 'comparison')} cannot be tested: {plural(min(counts), 'paired seed')}"
            text += " shows no noise" if min(counts) < 2 else " without any difference in noise"
            command = ablation.shell.ablate(f"--seeds {max(FEW_SEEDS, ablation.record.seeds + 1)}")
            yield Objection(severity, "few-seeds-to-mark", text, place, command)
            continue
        effect = visible_effect(min(counts), sd, len(found), most=POINTS)
        largest = max(abs(one.difference) for one in open_.values())
        what = f"no true difference below {POINTS:g} points" if effect is None else "true differences from "
        what += "" if effect is None else f"{effect:.2f} points on"
        needed = needed_seeds(largest, sd, len(found))
        seeds = min(needed or MOST_SEEDS, MOST_SEEDS)
        takes = f"takes {seeds:,} seeds" if needed == seeds else f"takes more than {MOST_SEEDS:,} seeds"
        text = (
            f"{marked} of {plural(len(found), 'comparison')} marked; {plural(min(counts), 'seed')} can show {what} "
            f"(80 % power, sd of differences {sd:.2f}), and the largest undecided one, {largest:.2f}, {takes}: "
            "`within noise` is not `no effect`"
        )
        command = ablation.shell.ablate(f"--seeds {max(seeds, FEW_SEEDS, ablation.record.seeds + 1)}")
        yield Objection(severity, "few-seeds-to-mark", text, place, command)


def mixed_change(ablation: AblationRun) -> Iterator[Objection]:
    """A row that changes resolution or training along with the architecture."""
    for view, row, reference in ablation.mixed():
        what = changes(row, reference, to="to", unset="the plan's")
        text = (
            f"against {reference.label} the architecture changes, and so does {', '.join(what)}: the difference is not "
            "the architecture's alone, and no row has one of the two alone"
        )
        yield Objection("serious", "mixed-change", text, f"{view.name}, {row.label}", ablation.completed)


def half_matched(ablation: AblationRun) -> Iterator[Objection]:
    """A row with the parameters of its reference but not its MACs, or the reverse."""
    for view, row, reference in ablation.pairs():
        ratios = {"params": row.params / reference.params, "macs": row.macs / reference.macs}
        for equal, other in (("params", "macs"), ("macs", "params")):
            if abs(ratios[equal] - 1) > MATCHED or abs(ratios[other] - 1) <= UNMATCHED:
                continue
            target = reference.macs if other == "macs" else reference.params
            low, high = math.ceil(target * (1 - MATCHED)), math.floor(target * (1 + MATCHED))
            names = {"params": "params", "macs": "MACs"}
            text = (
                f"{names[equal]} match those of {reference.label} ({100 * (ratios[equal] - 1):+.1f} %), {names[other]} "
                f"do not ({100 * (ratios[other] - 1):+.1f} %): a gain may be bought by what is not matched"
            )
            command = ablation.shell.match(row.digest, other, low, high, row.resolution)
            yield Objection("serious", "half-matched", text, f"{view.name}, {row.label}", command)


def untested_order(ablation: AblationRun) -> Iterator[Objection]:
    """A progressive view whose edits no other view makes in another order or company."""
    for view in ablation.unordered():
        text = (
            f"{len(_edits(view))} edits are added one after the other, and no view leaves them out, makes them alone "
            "or crosses them: what a step gains may depend on the steps before"
        )
        yield Objection("minor", "untested-order", text, view.name, ablation.completed)


def validation_score(ablation: AblationRun) -> Iterator[Objection]:
    """A table of validation scores: settings may have been chosen on the same images."""
    record = ablation.record
    if record.score != "validation":
        return
    total = sum(map(len, record.scores.values()))
    word = record.metric.word
    kept = f"; {record.tested} of {plural(total, 'training')} also recorded a test {word}" if record.tested else ""
    text = f"the tables state {word} on the validation split, on which recipe and settings may have been chosen{kept}"
    command = ablation.shell.ablate_again("test", "score", "test")
    yield Objection("minor", "validation-score", text, "all views", command)


def family_per_view(ablation: AblationRun) -> Iterator[Objection]:
    """Marks that one family of all views would not keep."""
    found: dict[frozenset[str], tuple[str, Comparison]] = {}
    for view in _tested(ablation):
        for pair, one in ablation.compared(view).items():  # one that two views share is tested once
            found.setdefault(frozenset(view.runs(pair)), (f"{view.name}, {_label(view, pair)}", one))
    kept = list(found.values())
    adjusted = holm([one.p for _, one in kept])
    lost = [each for each, p in zip(kept, adjusted, strict=True) if each[1].decided and not p < LEVEL]
    if not lost:
        return
    marked = sum(one.decided for _, one in kept)
    text = (
        f"Holm's correction is per view; over all {len(kept)} comparisons of {len(ablation.record.views)} views "
        f"together, {len(lost)} of {plural(marked, 'mark')} would go"
    )
    place = "; ".join(where for where, _ in lost)
    sd = noise(ablation.record)
    seeds = max(needed_seeds(one.difference, sd, len(kept)) or 0 for _, one in lost)
    command = ablation.shell.ablate(f"--seeds {min(MOST_SEEDS, max(seeds, ablation.record.seeds + 1))}")
    yield Objection("minor", "family-per-view", text, place, command)


def _tested(ablation: AblationRun) -> Sequence[PlanView]:
    """Views whose marks are those of a full table: not those of rows that stop early."""
    return () if ablation.record.looks or len(ablation.record.views) < 2 else ablation.record.views


def _same_spec(one: PlanRow, two: PlanRow) -> bool:
    return one.code == two.code and one.params == two.params


def _label(view: PlanView, pair: tuple[int, int]) -> str:
    return "last against first" if pair == view.overall else view.rows[pair[0]].label


def _edits(view: PlanView) -> set[str]:
    return {edit for row in view.rows for edit in row.edits}
