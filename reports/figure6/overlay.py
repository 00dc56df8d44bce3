"""A search of one's own for the axes of Figure 6, where it measured what Table II of HIRI-ViT measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from archspec.errors import SpecError
from reports.figure6.data import Figure6Point, Kind, Overlay
from reports.records.front import FrontMember, front
from reports.records.published import BENCHMARK, METRIC
from reports.records.search import Record, read


def overlay(run: Path) -> Overlay:
    """The front of the search in the run folder `run`, as points of Figure 6, cheapest first.

    A member that was re-trained counts with the mean test accuracy of its final trainings, another with the
    validation accuracy of its trial. Inference time stays unknown: Table II names no device and times batches, so
    that no measurement is comparable with it.

    Raises:
        SpecError: the run's metric is not that of Table II, or there is no journal.
        RunError: the journal is damaged, or holds no finished trial.
    """
    record = read(run)
    if record.metric.benchmark != BENCHMARK:
        stated = f"benchmark {record.metric.benchmark}" if record.metric.benchmark else "no published benchmark"
        rule = (
            f"measures {record.metric.label} on {record.metric.dataset} ({stated}), but Figure 6 shows {METRIC} "
            f"(benchmark {BENCHMARK}): points of different metrics do not share an axis"
        )
        raise SpecError(rule, field="--study", source=str(run))
    points = tuple(_point(record, member) for member in front(record).members)
    return Overlay(record.name, points, _notes(record, points))


def _point(record: Record, member: FrontMember) -> Figure6Point:
    tested = member.test.n > 0
    kind: Kind = "test" if tested else "validation"
    return Figure6Point(
        family=record.name,
        network=f"{record.name} {member.rank}",
        scale="",
        resolution=record.resolution,
        top1=100 * (member.test.mean if tested else member.accuracy),
        gmacs=member.costs["macs"] / 1e9,
        params_m=member.costs["params"] / 1e6,
        images_per_second=math.nan,
        source=f"{record.name}, trial {member.trial}: {member.code}",
        table="",
        recipe=f"study.yaml of {record.name}",
        kind=kind,
        sd=100 * member.test.sd if tested else math.nan,
        seeds=member.test.n if tested else 1,
    )


def accuracy_of(points: Sequence[Figure6Point]) -> str:
    """The accuracy that own `points` of one kind show, for a legend: `test, mean ± sd of 3 seeds`."""
    if points[0].kind == "validation":
        return "validation, 1 seed, not re-trained"
    counts = sorted({point.seeds or 0 for point in points})
    if counts == [1]:
        return "test, 1 seed"
    return f"test, mean ± sd of {counts[0]}{f' to {counts[-1]}' if len(counts) > 1 else ''} seeds"


def _notes(record: Record, points: Sequence[Figure6Point]) -> tuple[str, ...]:
    said = [f"{record.name}: the front of its search, {record.metric.label} on {record.metric.dataset}"]
    groups = [[point for point in points if point.kind == kind] for kind in ("test", "validation")]
    said += [f"{len(chosen)} of {len(points)} by {accuracy_of(chosen)}" for chosen in groups if chosen]
    timed = bool((record.search["latency_ms"] > 0).any())
    measured = f"was timed on {record.latency}" if timed else "was not timed"
    lacking = f"(c) lacks {record.name}, which {measured}; Table II's device is not named, so no time is comparable"
    return ("; ".join(said), lacking)
