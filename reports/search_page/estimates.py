"""Sentences on a cheap estimate that guided a search: its rank correlation with full trainings, and beside cost."""

from __future__ import annotations

from archspec.cost.metrics import known_metrics
from archspec.documents.safe_text import printable
from archspec.documents.wording import plural
from reports.records.gate import GateRecord
from reports.records.search import Record

FEWEST = 10
"""Layouts below which a gate has no interval."""


def estimate_lines(record: Record) -> tuple[str, ...]:
    """The first sentences of the page of a search that an estimate guided; none for other searches."""
    if record.estimated and not record.gates:
        name = record.metric.word
        return (
            f"{name} guided this search, an estimate that is not checked yet: nothing tells whether it ranks layouts "
            "better than cost alone does.",
        )
    return tuple(line for gate in record.gates for line in gate_lines(gate))


def gate_lines(gate: GateRecord) -> tuple[str, ...]:
    """A gate in sentences: the estimate with its verdict, then the numbers."""
    name = printable(gate.estimate)
    if gate.skipped:
        return (
            f"{name} guided this search, and no layout was trained to check it (check.layouts: 0): nothing tells "
            "whether it ranks layouts better than cost alone does.",
        )
    guided = f"{name} guided this search"
    if gate.kind == "rungs":
        guided = f"{name[:1].upper()}{name[1:]} decided what was trained to the end"
    return (f"{guided}: {conclusion(gate)}.", numbers(gate))


def conclusion(gate: GateRecord) -> str:
    """The verdict in a clause."""
    if gate.layouts < FEWEST:
        return f"{plural(gate.layouts, 'layout')} trained in full are too few to tell whether it beats cost alone"
    if gate.verdict == "front":
        return "it ranks layouts better than cost alone does"
    if gate.verdict == "covariate":
        return "it does not rank layouts better than cost alone, though it tells something that cost does not"
    return "it does not rank layouts better than cost alone, and nothing shows that it tells more than cost does"


def numbers(gate: GateRecord) -> str:
    """The rank correlations in a sentence."""
    titles = {name: metric.text for name, metric in known_metrics().items()}
    shown = [(titles.get(name, printable(name)), tau, ahead) for name, (tau, ahead) in gate.costs.items()]
    drawn = "drawn at random" if gate.kind == "check" else "that it had promoted itself, which lowers these numbers"
    seeds = f", {gate.seeds} seeds each" if gate.seeds > 1 else ""
    text = (
        f"Over {plural(gate.layouts, 'layout')} {drawn}, trained in full{seeds}: Kendall's tau b with "
        f"{printable(gate.quality)} is {gate.tau} (95 % interval over layouts)"
    )
    text += f", that of {' and of '.join(f'{name} alone {tau}' for name, tau, _ in shown)}" if shown else ""
    text += f"; the difference is {' and '.join(f'{ahead} to {name}' for name, _, ahead in shown)}" if shown else ""
    text += f"; the partial tau given {shown[0][0]} is {gate.partial}" if shown else ""
    if gate.ceiling == gate.ceiling:
        text += f". Seed noise leaves a perfect estimate about {gate.ceiling:.2f}"
    if gate.kind == "rungs":
        text += ". Both accuracies are of the same training, so that what its seed does counts for the rank, too"
    return f"{text}."
