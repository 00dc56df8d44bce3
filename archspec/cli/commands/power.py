"""The command `archspec power`: seeds for an effect, the effect that seeds can show, when to stop early."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import typer

from archspec.cli.shared.options import JsonOption
from archspec.errors import FieldError, SpecError

if TYPE_CHECKING:
    from reports.ablation_page.pilot import Pilot
    from reports.statistics.sequential import Look

PANEL = "Ablate"
EXAMPLE = "archspec power --sd 0.3 --effect 0.5 --rows 4"


def power(
    source: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="PLAN", help="a plan, or its run; its seeds so far are the pilot", show_default=False),
    ] = None,
    sd: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--sd", help="standard deviation of the differences between paired seeds; over PLAN's own"),
    ] = None,
    effect: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--effect", help="true difference that the seeds must show, in the unit of --sd (PLAN: points)"),
    ] = None,
    seeds: Annotated[Optional[int], typer.Option("--seeds", help="seeds per row")] = None,  # noqa: UP045
    rows: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--rows", help="rows of the table, one of them the reference; 2, or those of PLAN's largest view"),
    ] = None,
    pilot: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--pilot", metavar="N", help="--sd was seen on N seeds: plan for its upper 80 % bound as well"),
    ] = None,
    looks: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--looks", metavar="N,N,...", help="stop a row early: look after so many seeds"),
    ] = None,
    spending: Annotated[
        Literal["obrien-fleming", "pocock"], typer.Option("--spending", help="rule that --looks spend the level by")
    ] = "obrien-fleming",
    wanted: Annotated[float, typer.Option("--power", help="chance to mark a row that differs by the effect")] = 0.8,
    level: Annotated[float, typer.Option("--level", help="chance to mark any row when none differs")] = 0.05,
    as_json: JsonOption = False,
) -> None:
    """The seeds per row that an effect needs, or the smallest effect that so many seeds can show."""
    from reports.statistics.power import POINTS

    _check_options(source, sd, effect, seeds, pilot, looks)
    try:
        record, deviations, seen = _noise(source, sd, rows, pilot, looks=looks is not None)
        record |= {"level": level, "power": wanted, "plans": []}
        comparisons = record["comparisons"]
        most = math.inf if seen is None else POINTS
        open_ = effect is None and seeds is None and looks is None
        count = seen.seeds if seen is not None and open_ else seeds
        record["plans"] = [
            {"sd": each, "bound": bound, **_plan(each, effect, count, (comparisons, level, wanted), most)}
            for each, bound in deviations
            if looks is None
        ]
        if seen is not None and open_:
            views: dict[str, int] = record["views"]
            families: dict[str, int] = {}
            for one in seen.differences:
                families[one.view] = views[one.view] if rows is None else rows - 1
            record["differences"] = _differences(seen, families, level, wanted)
        if looks is not None:
            first = deviations[0][0]
            record["sequential"] = _sequential(_numbers(looks), first, comparisons, level, wanted, spending)
    except FieldError as error:
        raise SpecError(error.rule, field=f"--{error.field}") from None
    if as_json:
        typer.echo(json.dumps(record, indent=2))
    else:
        from archspec.cli.shared.screen import say

        say(*_lines(record))


def _check_options(
    source: str | None,
    sd: float | None,
    effect: float | None,
    seeds: int | None,
    pilot: int | None,
    looks: str | None,
) -> None:
    if source is None and sd is None:
        raise SpecError("give --sd, or the run folder of an ablation whose seeds show it")
    if sd is None and pilot is not None:
        raise SpecError("says how many seeds --sd was seen on: give --sd", field="--pilot")
    if sd is not None and effect is None and seeds is None and looks is None:
        raise SpecError("give --effect, --seeds or --looks")
    if looks is not None and (effect, seeds, pilot) != (None, None, None):
        raise SpecError("states the seeds itself: leave --effect, --seeds and --pilot out", field="--looks")


def _family(source: str, *, looks: bool) -> tuple[Path, dict[str, int]]:
    """The run folder that the seeds of a plan are in, and the number of comparisons in each of its views."""
    from archspec.documents.reader import is_file_name
    from reports.ablation_page.pilot import families, sizes
    from search.ablation.plan import load_plan, plans

    path = Path(source)
    shipped = source in plans() and not os.path.exists(path)
    if not is_file_name(source) and not os.path.isfile(path) and not shipped:
        return path, families(path, looks=looks)
    from reports.records.ablation import parse_view
    from search.ablation.record import describe
    from search.ablation.rows import Ablation

    runs = Path("runs")
    ablation = Ablation(load_plan(source, runs))
    views = [parse_view(view) for view in describe(ablation)["views"]]
    return runs / ablation.plan.config.name, sizes(views, source, looks=looks)


def _noise(
    source: str | None, sd: float | None, rows: int | None, pilot: int | None, *, looks: bool
) -> tuple[dict[str, Any], list[tuple[float, bool]], Pilot | None]:
    """The size of the family, the deviations to plan for (True: an upper bound), and the pilot where they are its."""
    from reports.ablation_page.pilot import pilot as read_pilot
    from reports.statistics.power import upper_sd

    record: dict[str, Any] = {}
    run = Path()
    if source is not None:
        run, views = _family(source, looks=looks)
        largest = max(views, key=lambda name: views[name])
        record = {"views": views}
        if rows is None:
            rows = views[largest] + 1
            record["view"] = largest
    rows = 2 if rows is None else rows
    record |= {"rows": rows, "comparisons": rows - 1}
    if sd is not None:
        return record, _deviations(sd, pilot), None
    if os.path.isfile(source or "") and not (run / "journal.log").exists():
        raise SpecError(
            f"has no seeds in {run} yet: give --sd, or train some with archspec ablate", source=source or ""
        )
    seen = read_pilot(run)
    record["pilot"] = {"sd": seen.sd, "freedom": seen.freedom, "comparisons": seen.comparisons, "unit": "points"}
    return record, [(seen.sd, False), (upper_sd(seen.sd, seen.freedom), True)], seen


def _differences(seen: Pilot, families: dict[str, int], level: float, wanted: float) -> list[dict[str, Any]]:
    """What the seeds of each row can show, and the seeds that its difference would need if it were the true one.

    Each is of the family of its own view, as on the page of the report.
    """
    from reports.statistics.power import POINTS, needed_seeds, visible_effect

    return [
        {
            "view": one.view,
            "row": one.row,
            "against": one.against,
            "seeds": one.seeds,
            "difference": one.mean if one.seeds else None,
            "effect": visible_effect(one.seeds, seen.sd, families[one.view], most=POINTS, level=level, wanted=wanted)
            if one.seeds > 1
            else None,
            "seeds_needed": needed_seeds(one.mean, seen.sd, families[one.view], level=level, wanted=wanted)
            if one.seeds > 1
            else None,
        }
        for one in seen.differences
    ]


def _deviations(sd: float, pilot: int | None) -> list[tuple[float, bool]]:
    from reports.statistics.power import upper_sd

    return [(sd, False)] if pilot is None else [(sd, False), (upper_sd(sd, pilot - 1), True)]


def _plan(
    sd: float, effect: float | None, seeds: int | None, test: tuple[int, float, float], most: float
) -> dict[str, Any]:
    """With both an effect and seeds, the power of just that; with one of them, the other.

    Where no effect below `most` can be seen, effect and power are None. `test`: comparisons, level, wanted power.
    """
    from reports.statistics.power import power as chance
    from reports.statistics.power import seeds_for, visible_effect

    comparisons, level, wanted = test
    if effect is None:
        count = seeds or 0  # the command refuses neither; 0 seeds are refused below
        size = visible_effect(count, sd, comparisons, most=most, level=level, wanted=wanted)
        if size is None:
            return {"seeds": count, "effect": None, "chance": None}
    elif abs(effect) >= most:
        raise FieldError("effect", f"must be below {most:g} points, which scores in percent cannot differ by")
    else:
        size = effect
        count = seeds_for(size, sd, comparisons, level=level, wanted=wanted) if seeds is None else seeds
    return {"seeds": count, "effect": size, "chance": chance(count, size, sd, comparisons, level=level)}


def _sequential(
    looks: list[int],
    sd: float,
    comparisons: int,
    level: float,
    wanted: float,
    spending: Literal["obrien-fleming", "pocock"],
) -> dict[str, Any]:
    from reports.statistics.power import smallest_effect as fixed_effect
    from reports.statistics.sequential import boundaries, outlook, smallest_effect

    fixed = fixed_effect(looks[-1], sd, comparisons, level=level, wanted=wanted) if looks[-1] > 1 else 0.0
    plan: tuple[Look, ...] = boundaries(looks, level, comparisons, spending)
    effect = smallest_effect(plan, sd, wanted=wanted)
    return {
        "spending": spending,
        "sd": sd,
        "looks": [{"seeds": look.seeds, "p": look.p, "spent": look.spent} for look in plan],
        "effect": effect,
        "mean_seeds": outlook(plan, effect / sd).mean_seeds,
        "mean_seeds_without_effect": outlook(plan, 0.0).mean_seeds,
        "mean_seeds_twice_effect": outlook(plan, 2 * effect / sd).mean_seeds,
        "effect_without_looks": fixed,
    }


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 7 for part in parts):
        raise SpecError(f"must be numbers of seeds such as 3,5,8, not {text!r:.60}", field="--looks")
    return [int(part) for part in parts]


def _lines(record: dict[str, Any]) -> Iterator[str]:
    from archspec.documents.wording import plural
    from reports.statistics.power import POINTS

    comparisons, level = record["comparisons"], record["level"]
    unit = " points" if "pilot" in record else ""
    family = f"in {record['view']}, the largest view" if "view" in record else "with one reference row"
    yield (
        f"{plural(comparisons, 'comparison')} {family}; paired t tests, two-sided; the strictest level "
        f"of Holm's correction is {level / comparisons:.4g}"
    )
    if "pilot" in record:
        seen = record["pilot"]
        yield (
            f"standard deviation of paired differences {seen['sd']:.3g} points, pooled over "
            f"{plural(seen['comparisons'], 'comparison')} ({plural(seen['freedom'], 'degree')} of freedom)"
        )
    for plan in record["plans"]:
        bound = ", the upper 80 % bound of what the pilot saw" if plan["bound"] else ""
        noise = f"(standard deviation of differences {plan['sd']:.3g}{bound})"
        if plan["effect"] is not None:
            mark = f"mark a true difference of {plan['effect']:.3g}{unit} with probability {plan['chance']:.2f}"
            yield f"{plan['seeds']} seeds per row {mark} {noise}"
        else:
            yield f"no effect below {POINTS:g} points could be seen with {plan['seeds']} seeds per row {noise}"
    yield from _difference_lines(record.get("differences", []))
    if "sequential" in record:
        yield from _sequential_lines(record["sequential"], record["power"], POINTS if unit else math.inf)


def _difference_lines(differences: list[dict[str, Any]]) -> Iterator[str]:
    from archspec.documents.wording import plural

    if differences:
        yield (
            "seen so far, and the seeds per row that would mark it if it were the true difference, at the level of its "
            "own view:"
        )
    for one in differences:
        name = f"{one['view']}: {one['row']} against {one['against']}"
        if one["difference"] is None:
            yield f"  {name}: no seed yet"
            continue
        if one["seeds"] < 2:
            yield f"  {name}: {one['difference']:+.3g} points over 1 seed, too few to plan by"
            continue
        needed = "more than anyone trains" if one["seeds_needed"] is None else plural(one["seeds_needed"], "seed")
        shown = f", which can show {one['effect']:.3g}" if one["effect"] else ", which can show none"
        yield f"  {name}: {one['difference']:+.3g} points over {plural(one['seeds'], 'seed')}{shown}; {needed}"


def _sequential_lines(found: dict[str, Any], wanted: float, most: float) -> Iterator[str]:
    for look in found["looks"]:
        yield f"after {look['seeds']:>3} seeds stop at p <= {look['p']:.2g}"
    if found["effect"] >= most:
        yield f"no effect below {most:g} points could be seen with these looks"
        return
    yield (
        f"marks a true difference of {found['effect']:.3g} with probability {wanted:g} after {found['mean_seeds']:.1f} "
        f"seeds on average (twice that difference: {found['mean_seeds_twice_effect']:.1f}, no difference: "
        f"{found['mean_seeds_without_effect']:.1f}); without looks, {found['effect_without_looks']:.3g}"
    )
