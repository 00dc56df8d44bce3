"""The text around the tables of an ablation: captions, footnotes, and which differences are decided."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from archspec.documents.wording import either, plural
from reports.ablation_page.results import AblationResults, Outcome, ResultRow, ResultView
from reports.drawing.units import Unit, signed
from reports.records.ablation import AblationRecord, PlanRow, PlanView
from reports.statistics.effects import Effect, effects
from reports.statistics.summary import LEVEL

POINTS = Unit("Score", "%", 1.0, 2)
"""Scores are in percent already; two places, as differences of a tenth of a point matter in an ablation."""
# Beyond, the number itself is of no use.
MOST_SEEDS = 10_000


def probability(p: float) -> str:
    """A p value with three significant digits; a dash for NaN."""
    if math.isnan(p):
        return "–"
    return "<0.0001" if p < 1e-4 else f"{p:.3g}"


def reference(view: PlanView) -> str:
    """The reference of the rows, in words; empty where none is compared."""
    pairs = [(index, row.against) for index, row in enumerate(view.rows) if row.against is not None]
    bases = {base for _, base in pairs}
    if not pairs:
        return ""
    if len(bases) == 1:
        return f"row {next(iter(bases)) + 1}"
    return "the row before" if all(base == index - 1 for index, base in pairs) else "the row named in brackets"


def caption(record: AblationRecord, view: ResultView) -> str:
    """The table's caption: score and data set, seeds, comparison, test, correction, and what bold and grey mean."""
    head = (
        f"{view.plan.title}: {record.metric.label} on {record.metric.dataset}, {record.score} split, mean ± sample "
        f"standard deviation over seeds (trainings finished of {record.seeds} planned)"
    )
    if not view.comparisons:
        return f"{head}."
    return f"{head}. Differences are to {reference(view.plan)}, {_method(record, view)}"


def _method(record: AblationRecord, view: ResultView) -> str:
    pairing = "paired by seed" if record.paired else "not paired"
    tests = sorted({each.comparison.test for _, each in view.outcomes if each.comparison} - {"none"})
    kinds = sorted({each.comparison.interval for _, each in view.outcomes if each.comparison} - {"none"})
    interval = f"{100 * (1 - LEVEL):.0f} % interval of each alone" + (f" ({either(kinds)})" if kinds else "")
    test = f"{either(tests)}, two-sided" if tests else "no test, as too few trainings are finished"
    if record.looks:
        rule = f"p of the deciding look ({test}) against that look's level: {looks(record)}"
        bold = "a look decided it"
    else:
        rule = f"p of {test}, Holm's correction over {plural(view.comparisons, 'comparison')}"
        bold = f"corrected p below {LEVEL:g}"
    extra = ", the last row against the first among them" if view.overall and not record.looks else ""
    return f"{pairing}, with the {interval}; {rule}{extra}. Bold: {bold}; grey: within noise, or not tested."


def looks(record: AblationRecord) -> str:
    """The plan of sequential stopping: `3 seeds p ≤ 0.001, 5 seeds p ≤ 0.02`."""
    return ", ".join(f"{look.seeds} seeds p ≤ {look.p:.2g}" for look in record.looks)


def footnotes(record: AblationRecord, view: ResultView) -> list[str]:
    """Footnotes of one table: trainings lost, early stops, equal runs, confounded rows."""
    notes: list[str] = []
    for line in view.lines:
        place = f"Row {line.index + 1}"
        if line.failed:
            reasons = Counter(record.failures[line.row.run].values())
            why = "; ".join(reason if count == 1 else f"{reason} ({count} times)" for reason, count in reasons.items())
            notes.append(f"{place}: {line.failed} of {plural(record.seeds, 'training')} failed: {why}.")
        if line.missing:
            notes.append(f"{place}: {line.missing} of {plural(record.seeds, 'training')} not finished.")
        first = next(index for index, row in enumerate(view.plan.rows) if row.run == line.row.run)
        if first < line.index and first != line.row.against:
            notes.append(f"{place} is the same run as row {first + 1}: trained and compared once.")
        if line.outcome:
            notes += _about(place, line, line.outcome, view.plan)
    if record.looks and any(outcome.stopped for _, outcome in view.outcomes):
        notes.append("Where a look stopped a row early, the difference seen is somewhat too large.")
    if view.overall and record.looks:
        notes.append("The last row against the first is not tested: the looks spend the level on the steps.")
    return notes + aliases(view.plan, view.effects)


def _about(place: str, line: ResultRow, outcome: Outcome, view: PlanView) -> list[str]:
    base = view.rows[outcome.against]
    notes: list[str] = []
    if outcome.status == "same run":
        equal = f"{place} is the same run as row {outcome.against + 1}: its edits change nothing here, so nothing is"
        notes.append(f"{equal} tested.")
    if outcome.stopped:
        notes.append(f"{place} stopped after {outcome.stopped} seeds: decided.")
    changed = changes(line.row, base)
    if changed:
        notes.append(f"{place} differs from row {outcome.against + 1} also in {', '.join(changed)}.")
    return notes


def changes(row: PlanRow, base: PlanRow, *, to: str = "→", unset: str = "as in the base") -> list[str]:
    """The differences of two rows besides the layout: resolution and settings of the training.

    `to` stands between the old and the new value, `unset` for a setting that a row leaves alone.
    """
    found = [f"resolution ({base.resolution} {to} {row.resolution} px)"] if row.resolution != base.resolution else []
    for path in sorted({*row.training, *base.training}):
        old, new = (each.training.get(path, unset) for each in (base, row))
        if old != new:
            found.append(f"{path} ({old} {to} {new})")
    return found


def aliases(view: PlanView, found: Sequence[Effect] = ()) -> list[str]:
    """The generators of a fractional factorial and the effects that it cannot tell apart; nothing of a full one.

    They are read off the rows, or taken from the effects `found` where there are any; unpaired rows have none.

    Raises:
        FieldError: the rows are no two-level design.
    """
    if not view.generators:
        return []
    known = found or effects(view.factors, [row.edits for row in view.rows], {})
    groups = "; ".join(effect.title for effect in known if len(effect.members) > 1)
    fraction = f"A 1/{2 ** len(view.generators)} fraction with {', '.join(view.generators).replace('-', '−')}"
    shared = f"estimated as one up to two factors: {groups}" if groups else "no effects up to two factors share one"
    return [f"{fraction}; {shared}."]


def effects_caption(record: AblationRecord, view: ResultView) -> str:
    """The caption of the table of effects."""
    tests = sorted({effect.comparison.test for effect in view.effects} - {"none"})
    test = f"p of {either(tests)}, two-sided, " if tests and not record.looks else ""
    holm = "not tested" if record.looks else f"Holm's correction over {plural(len(view.effects), 'effect')}"
    return (
        f"{view.plan.title}: effects in points of {record.score} {record.metric.word} over n seeds, mean with edit "
        "less mean without over all rows; of a pair a:b, half of what the effect of one changes by when the other is "
        "made. "
        f"{test}{holm}. Bold: corrected p below {LEVEL:g}; grey: within noise, or not tested."
    )


def effects_notes(record: AblationRecord, view: ResultView) -> list[str]:
    """Footnotes of the effects: seeds left out, looks, aliases."""
    left_out = sorted({seed for effect in view.effects for seed in effect.left_out})
    notes: list[str] = []
    if left_out:
        seeds = ", ".join(map(str, left_out))
        notes.append(f"Left out, as not every row has finished them: seed{'s' * (len(left_out) > 1)} {seeds}.")
    if record.looks:
        notes.append("Effects are not tested: the looks spend the level on the rows.")
    return notes + aliases(view.plan, view.effects)


def verdict(view: ResultView) -> list[str]:
    """The decided and the undecided differences, and how many seeds would decide the latter."""
    decided = [_decided(line, each, view) for line, each in view.outcomes if each.decided]
    open_ = [_open(line, each, view) for line, each in view.outcomes if not each.decided and each.comparison]
    said = [f"Decided: {'; '.join(decided) if decided else 'nothing'}."] if view.comparisons else []
    return [*said, f"Not decided: {'; '.join(open_)}."] if open_ else said


def _decided(line: ResultRow, outcome: Outcome, view: ResultView) -> str:
    assert outcome.comparison
    return f"{_who(line, outcome, view)} is {outcome.status} by {signed(outcome.comparison.difference)} points"


def _open(line: ResultRow, outcome: Outcome, view: ResultView) -> str:
    who, found = _who(line, outcome, view), outcome.comparison
    if found is None or not math.isfinite(found.difference) or found.n < 2:
        return f"{who} has too few finished trainings to test"
    seen = f"{who} differs by {signed(found.difference)} points over {found.n} seeds"
    if outcome.status == "open":
        return f"{seen} and waits for its next look"
    if outcome.needed is None:
        return seen
    seeds = f"{outcome.needed:,}" if outcome.needed <= MOST_SEEDS else f"more than {MOST_SEEDS:,}"
    return f"{seen}; {seeds} seeds per row would mark a difference of the size seen"


def _who(line: ResultRow, outcome: Outcome, view: ResultView) -> str:
    overall = f" against row {outcome.against + 1}" if line is view.overall else ""
    return f"row {line.index + 1} ({line.row.label}){overall}"


def seeds_note(views: Sequence[ResultView]) -> str:
    """The meaning of the numbers of seeds in `verdict`; empty where there are none."""
    if not any(outcome.needed for view in views for _, outcome in view.outcomes):
        return ""
    return (
        "Seeds that would mark a difference: with 80 % probability if the true difference is the one seen and the true "
        "standard deviation of paired differences that of all comparisons of the plan together, by the paired t test "
        "at the strictest level of Holm's correction, as archspec power states them. Both are known poorly from few "
        "seeds, and an undecided difference may be none."
    )


def headline(info: AblationResults) -> str:
    """The number of decided differences of all views; one that several rows of a view state counts once."""
    outcomes = {
        (number, line.row.run, view.plan.rows[each.against].run): each
        for number, view in enumerate(info.views)
        for line, each in view.outcomes
        if each.status != "same run"
    }
    decided = sum(each.decided for each in outcomes.values())
    return f"{decided} of {plural(len(outcomes), 'difference')}"
