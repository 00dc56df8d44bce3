"""The command `archspec status`: what a run is doing, from any node that sees its folder."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archspec.cli.shared.options import JsonOption
from archspec.errors import SpecError

if TYPE_CHECKING:
    from search.monitor.status import RunStatus

PANEL = "Search"
EXAMPLE = "archspec status first"
SILENT_SECONDS = 60.0
"""Time after which a process that conducts a run, and writes every few seconds, is gone or hangs."""


def status(
    run: Annotated[str, typer.Argument(metavar="RUN", help="the folder of a run, or its name")],
    runs: Annotated[Path, typer.Option("--runs", help="folder of all runs")] = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """A run at work: trials by their state, what is under way, where, since when, and when it is expected to end."""
    from archspec.cli.shared.screen import say, show
    from search.monitor.status import read_status

    root = _find(run, runs)
    counts, found = _count(root), read_status(root)
    if as_json:
        from dataclasses import asdict

        typer.echo(json.dumps({"run": str(root), "trials": counts, "now": asdict(found) if found else None}, indent=2))
        return
    say(f"{root}: {_conducted(found)}")
    for name, states in counts.items():
        say(f"{name}: " + ", ".join(f"{count:,} {state}" for state, count in states.items()))
    if found is not None and found.tasks:
        show(_table(found))


def _find(run: str, runs: Path) -> Path:
    from search.study.recorded import PLAN, STUDY, find_asked

    found = find_asked(STUDY, run, runs) or find_asked(PLAN, run, runs)
    if found is None:
        raise SpecError(f"{run!r:.80} is no run: no folder of that name, nor in {runs}, holds {STUDY} or {PLAN}")
    return found.parent


def _count(root: Path) -> dict[str, dict[str, int]]:
    """Trials by study and state; those that another one took the place of are left out."""
    from archspec.files.journal import open_journal

    if not (root / "journal.log").exists():
        return {}
    storage = open_journal(root / "journal.log")
    counts: dict[str, dict[str, int]] = {}
    names = {"COMPLETE": "done", "PRUNED": "paused", "FAIL": "failed", "RUNNING": "under way", "WAITING": "queued"}
    for study in storage.get_all_studies():
        states = counts[study.study_name] = dict.fromkeys(names.values(), 0)
        number = storage.get_study_id_from_name(study.study_name)
        for trial in storage.get_all_trials(number, deepcopy=False):
            if not trial.user_attrs.get("requeued") and "duplicate_of" not in trial.user_attrs:
                states[names[trial.state.name]] += 1
        counts[study.study_name] = {state: count for state, count in states.items() if count or state == "done"}
    return counts


def _conducted(found: RunStatus | None) -> str:
    from search.monitor.estimate import show_seconds

    if found is None:
        return "nobody is at work on it, or only for some seconds"
    silent = max(0.0, time.time() - found.written)
    who = f"process {found.pid} on {found.host}"
    if silent > SILENT_SECONDS:
        return f"{who} has conducted it, but was not heard of for {show_seconds(silent)}: the same command continues it"
    left = "" if found.left is None else f", about {show_seconds(found.left)} left"
    part = f"{found.part} {found.done:,} of {found.wanted:,}"
    return f"{part}{left}; {who} conducts it with engine {found.engine}, heard of {show_seconds(silent)} ago"


def _table(found: RunStatus) -> Any:
    from archspec.printing.fitted_table import Column, FittedTable
    from search.monitor.estimate import show_seconds

    columns = (Column("what", "words", 1), Column("where", "words", 2), Column("for"), Column("epoch"))
    table = FittedTable("under way", (*columns, Column("ends in")), whole="--json has all")
    now = time.time()
    for task in found.tasks:
        epoch = f"{task.epoch}/{task.total}" if task.total else ""
        ends = "" if task.ends is None else show_seconds(max(0.0, task.ends - now))
        table.add_row(task.name, task.place, show_seconds(max(0.0, now - task.since)), epoch, ends)
    return table
