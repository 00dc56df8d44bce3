"""The accuracy of the best layout of a search: seen, expected when trained again, and measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from archspec.documents.wording import plural
from reports.records.front import FrontRecord, by_layout
from reports.records.search import Record, finished
from reports.statistics.summary import Summary, pooled_freedom, pooled_sd
from reports.statistics.winners_curse import Winner, best_of

FEWEST = 4  # of which `best_of` can tell the spread from noise


@dataclass(frozen=True)
class Noise:
    """Standard deviation of one training about its layout's mean, a fraction, and its degrees of freedom."""

    sd: float
    freedom: int


def best(record: Record, front: FrontRecord) -> tuple[str, ...]:
    """Sentences about the best of all layouts (validation) and the best of the re-trained members (test).

    Nothing is said where no layout was trained with two seeds, where seeds change nothing, or of fewer than four; of
    the layouts of a search that an estimate guided, nothing either.
    """
    return (*(() if record.estimated else _of_search(record)), *_of_members(front))


def best_layout(record: Record) -> tuple[Winner, Noise] | None:
    """The best of all layouts on validation.

    None where no layout was trained with two seeds, where seeds change nothing, or of fewer than four.
    """
    search, groups = finished(record.search), list(by_layout(record.final, "accuracy").values())
    noise = Noise(pooled_sd(groups), pooled_freedom(groups))
    if len(search) < FEWEST or not noise.sd > 0:
        return None
    return best_of(search["accuracy"].tolist(), 1, noise.sd), noise


def _of_search(record: Record) -> list[str]:
    found = best_layout(record)
    if found is None:
        return []
    winner, noise = found
    search = finished(record.search)
    row = search.iloc[winner.index]
    again, tested = (by_layout(record.final, name).get(str(row["digest"])) for name in ("accuracy", "test_accuracy"))
    return [
        f"Best of {len(search)} layouts, trial {row['number']}: {_percent(winner.naive)} seen on validation with one "
        f"seed, {_expected(winner)} expected there when it is trained again by the search's recipe, "
        f"{_measured(again, tested)}.",
        f"The correction is for picking the highest of many (empirical Bayes). It assumes that layouts spread about "
        f"normally around one mean, which a sampler that learns breaks, and takes the noise of one training as "
        f"{100 * noise.sd:.2f} points: validation {record.metric.word} of the re-trained layouts, {noise.freedom} "
        f"degrees of freedom{_reservation(record)}."
        + (" What re-training measured assumes none of this." if again else ""),
    ]


def _of_members(front: FrontRecord) -> list[str]:
    tested = [member for member in front.members if member.test.n]
    sd = pooled_sd([member.test for member in tested])
    if len(tested) < FEWEST or not sd > 0:
        return []
    counts = sorted({member.test.n for member in tested})
    winner = best_of([member.test.mean for member in tested], counts[0], sd)
    highest = tested[winner.index]
    fewest = "" if len(counts) == 1 else f", all means taken as over {counts[0]}"
    return [
        f"Best of {len(tested)} re-trained members, member {highest.rank}: {_percent(winner.naive)} seen on test over "
        f"{plural(highest.test.n, 'seed')}, {_expected(winner)} expected of fresh seeds (noise of one training "
        f"{100 * sd:.2f} points{fewest})."
    ]


def _expected(winner: Winner) -> str:
    return f"{_percent(winner.corrected)} [{100 * winner.low:.1f}, {100 * winner.high:.1f}]"


def _measured(again: Summary | None, tested: Summary | None) -> str:
    parts = [
        f"{_percent(one.mean)} on {split}"
        for one, split in ((again, "validation"), (tested, "test"))
        if one is not None and one.n
    ]
    count = max((one.n for one in (again, tested) if one is not None), default=0)
    return f"{' and '.join(parts)} measured over {plural(count, 'seed')}" if parts else "not re-trained"


def _reservation(record: Record) -> str:
    """What sets the re-trainings apart from the search's, or may do so, as far as study.yaml tells."""
    if record.asked is None:
        return "; whether their recipe is the search's is not recorded"
    evaluator = record.asked.get("evaluator", "train")
    kind = cast("Mapping[str, Any]", evaluator).get("type") if isinstance(evaluator, Mapping) else evaluator
    final = record.asked.get("final")
    changes = cast("Mapping[str, Any]", final).get("changes") if isinstance(final, Mapping) else None
    said = ""
    if isinstance(changes, Mapping) and changes:
        fields = ", ".join(str(name) for name in cast("Mapping[str, Any]", changes))
        said += f"; their recipe differs from the search's (final.changes: {fields}), so this noise is an approximation"
    if kind == "command":
        said += "; the command was asked for the test split there, so it may have scored another split"
    return said


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %" if math.isfinite(value) else "–"
