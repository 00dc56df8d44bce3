"""Objections to searches that a cheap estimate guided."""

from __future__ import annotations

from collections.abc import Iterator

from reports.review.objection import Objection
from reports.review.search_run import SearchRun
from reports.search_page.estimates import FEWEST, conclusion, numbers

LAYOUTS = 24
"""Layouts of the default check."""
MOST = 400
"""Layouts of a check beyond which more are not suggested."""


def unchecked_estimate(run: SearchRun) -> Iterator[Objection]:
    """An estimate guided the search, and nothing was trained in full to check it."""
    skipped = [gate for gate in run.record.gates if gate.skipped]
    if not skipped and (run.record.gates or not run.record.estimated):
        return
    name = run.record.metric.word
    text = (
        f"{name} guided the search, and no full training of layouts drawn at random tells whether it ranks them better "
        "than cost alone: the front may be one of size"
    )
    command = run.shell.extend("check.layouts", LAYOUTS) if skipped else run.shell.resume()
    yield Objection("serious", "unchecked-estimate", text, "study search", command)


def refused_estimate(run: SearchRun) -> Iterator[Objection]:
    """An estimate guided the search that its check does not show to rank better than cost alone."""
    for gate in run.record.gates:
        if gate.passed or gate.skipped:
            continue
        text = f"{gate.estimate} guided the search, and {conclusion(gate)}. {numbers(gate)[:-1]}"
        more = min(MOST, max(LAYOUTS, 2 * gate.layouts, FEWEST))
        command = run.shell.extend("check.layouts", more) if gate.kind == "check" else run.shell.resume()
        place = "study check" if gate.kind == "check" else "study search"
        yield Objection("serious" if gate.kind == "check" else "minor", "refused-estimate", text, place, command)
