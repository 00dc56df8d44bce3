"""The rows of a plan: every spec and every way of training that its views ask for, each distinct one once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, NamedTuple, final

from archspec.documents.paths import Place, parse_path
from archspec.documents.reader import Document
from archspec.documents.wording import plural
from archspec.edits.draft import Draft
from archspec.edits.patch import canonical, clashing, patched
from archspec.edits.references import overlap
from archspec.errors import FieldError, SpecError
from archspec.loader import parse
from archspec.spec.schema import ArchSpec
from search.ablation.plan import TRAINING, EditSpec, Plan, PlanConfig, trains
from search.ablation.views import Combination, View
from search.evaluator import Evaluator, parse_evaluator
from search.identity import identity
from search.inputs import Input, code_of_parts

MAX_ROWS = 4096
Names = tuple[str, ...]
"""Names of edits in the order in which they are made."""


HELD = ("cutmix", "mixup", "mix_prob", "erasing", "randaugment", "distill")
"""Fields of a recipe that the keys of rows hold at their defaults, too."""


@final
@dataclass(frozen=True, slots=True)
class ResolvedRow:
    """One row of a view.

    Attributes:
        label: for tables.
        edits: names of its edits in the order in which they are made.
        against: index of the row of the same view that it is compared with; None for the reference.
        spec: what is trained, at the resolution of the data.
        evaluator: how; None in a plan of costs alone.
    """

    label: str
    edits: Names
    against: int | None
    spec: ArchSpec
    evaluator: Evaluator | None

    @property
    def variant(self) -> str:
        """Identity of the way of training: 8 hex digits."""
        text = identity(self.evaluator, keep=HELD) if self.evaluator else ""
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def run(self) -> str:
        """Identity of the trainings: rows of all views with the same key share them."""
        return f"{self.spec.digest}-{self.variant}"


@final
@dataclass(frozen=True, slots=True)
class PlanTable:
    """The rows of one view, whose `name` is distinct among the views of the plan."""

    name: str
    view: View
    rows: tuple[ResolvedRow, ...]


class _State(NamedTuple):
    data: dict[str, Any]
    evaluator: Evaluator | None


@final
class Ablation:
    """A plan with the specs of all its rows.

    Raises:
        SpecError: an edit whose path does not exist, that has no effect in any row, or that makes a row impossible.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.edits: dict[str, EditSpec] = dict(plan.config.edits)
        self._places: dict[str, Place] = {name: ("edits", name) for name in self.edits}
        self._states: dict[Names, _State] = {(): _State(canonical(plan.base), plan.config.evaluator)}
        self._specs: dict[Names, ArchSpec] = {}
        self.tables = tuple(self._table(index, view) for index, view in enumerate(plan.config.views))
        self._check_effects()

    @property
    def quality(self) -> str:
        """Name of a row's score in lines for people: `accuracy`, `mIoU`."""
        evaluator = self.plan.config.evaluator
        return evaluator.quality if evaluator else "accuracy"

    @cached_property
    def runs(self) -> dict[str, ResolvedRow]:
        """One row for every distinct key, in the order of the tables: what has to be trained."""
        runs: dict[str, ResolvedRow] = {}
        for table in self.tables:
            for row in table.rows:
                runs.setdefault(row.run, row)
        return runs

    @property
    def size(self) -> int:
        """Number of rows in all views, those included that share their trainings."""
        return sum(len(table.rows) for table in self.tables)

    def evaluators(self) -> dict[str, Evaluator]:
        """The ways of training by `ResolvedRow.variant`.

        Raises:
            SpecError: the plan has no evaluator.
        """
        found = {row.variant: row.evaluator for row in self.runs.values()}
        ready = {variant: evaluator for variant, evaluator in found.items() if evaluator is not None}
        if len(ready) < len(found):
            rule = "is required to train the rows; --dry-run states their costs without it"
            raise self.plan.error(FieldError("evaluator", rule))
        return ready

    def inputs(self) -> tuple[Input, ...]:
        """Data, tables and code that a run of this plan reads; see `Evaluator.inputs`."""
        found = tuple(one for evaluator in self.evaluators().values() for one in evaluator.inputs())
        return (*found, *(one for row in self.runs.values() for one in code_of_parts(row.spec.canonical())))

    def pairs(self) -> dict[str, list[tuple[str, str]]]:
        """By view, (run, run that it is compared with); rows that share their trainings are not compared."""
        return {
            table.name: [
                (row.run, table.rows[row.against].run)
                for row in table.rows
                if row.against is not None and row.run != table.rows[row.against].run
            ]
            for table in self.tables
        }

    def training(self, row: ResolvedRow) -> dict[str, Any]:
        """Changes that the edits of a row make to its training: values by dotted path."""
        return {path: value for name in row.edits for path, value in self.edits[name].training.items()}

    def notes(self) -> tuple[str, ...]:
        """Notes for a reader of the tables: edits that set the same field, rows that are the same."""
        return tuple(dict.fromkeys([*self._clashes(), *self._repetitions()]))

    def _table(self, index: int, view: View) -> PlanTable:
        names = [one.name or one.type for one in self.plan.config.views]
        if names[index] in names[:index]:
            rule = f"{names[index]!r:.60} is taken: two views need different names"
            raise self.plan.error(FieldError("name", rule), "views", index)
        for name, changes in view.own_edits().items():
            self.edits.setdefault(name, EditSpec.model_validate({"set": changes}))
            self._places.setdefault(name, ("views", index, "over"))
        labels = {name: edit.label or name for name, edit in self.plan.config.edits.items()}
        try:
            found = view.combine(labels, self.plan.base_label)
        except FieldError as error:
            raise self.plan.error(error, "views", index) from None
        if len(found) > MAX_ROWS:
            raise self.plan.error(FieldError("", f"gives {len(found)} rows, more than {MAX_ROWS}"), "views", index)
        return PlanTable(names[index], view, tuple(self._row(one) for one in found))

    def _row(self, wanted: Combination) -> ResolvedRow:
        evaluator = self._state(wanted.edits).evaluator
        try:
            spec = self._spec(wanted.edits)
        except (FieldError, SpecError) as error:
            raise self._impossible(wanted, error) from None
        return ResolvedRow(wanted.label, wanted.edits, wanted.against, spec, evaluator)

    def _state(self, edits: Names) -> _State:
        """The data of the spec, not yet validated, and the evaluator, after edits."""
        if edits not in self._states:
            data, evaluator = self._state(edits[:-1])
            for path, value in self.edits[edits[-1]].set.items():
                try:
                    if trains(path):
                        evaluator = _retrained(evaluator, path, value)
                    else:
                        data = patched(data, path, value)
                except FieldError as error:
                    inner = "" if error.field == path else f"{error.field}: "
                    raise self._broken(edits[-1], path, f"{inner}{error.rule}") from None
            self._states[edits] = _State(data, evaluator)
        return self._states[edits]

    def _spec(self, edits: Names) -> ArchSpec:
        """The spec after edits, as its evaluator sees it.

        Raises:
            SpecError: it is impossible.
            FieldError: it does not fit the evaluator.
        """
        if edits not in self._specs:
            data, evaluator = self._state(edits)
            spec = parse(Document(data, ""))
            self._specs[edits] = evaluator.prepare(spec) if evaluator else spec.at(spec.resolution)
        return self._specs[edits]

    def _impossible(self, wanted: Combination, error: FieldError | SpecError) -> SpecError:
        """Blame the first edit of a row after which it is impossible."""
        last = error
        for count in range(len(wanted.edits) + 1):
            try:
                self._spec(wanted.edits[:count])
            except (FieldError, SpecError) as found:
                last, edits = found, wanted.edits[:count]
                break
        else:
            edits = wanted.edits
        rule = f"{last.field}: {last.rule}" if last.field else last.rule
        evaluator = self._state(edits[:0]).evaluator
        if not edits and evaluator is not None and last.field.split(".")[0] in type(evaluator).model_fields:
            return self.plan.error(FieldError(f"evaluator.{last.field}", last.rule))  # what the evaluator was asked
        if not edits:
            return self.plan.error(FieldError("base", f"does not fit the evaluator: {rule}"))
        *before, name = edits
        after = f" after {', '.join(before)}" if before else ""
        paths = list(self.edits[name].set)
        path = next((path for path in paths if last.field and path.startswith(last.field.split(".")[0])), paths[0])
        return self._broken(name, path, f"makes row {wanted.label!r:.60} impossible{after}: {rule}")

    def _broken(self, name: str, path: str, rule: str) -> SpecError:
        written: Any = self.plan.document.data
        place = self._places[name]
        if place[0] == "edits" and "set" in written["edits"][name]:
            place = (*place, "set")
        return self.plan.document.refuse((*place, path), rule)

    def _key(self, edits: Names) -> str:
        """Equal for two sets of edits that give the same training."""
        data, evaluator = self._state(edits)
        trained = identity(evaluator, keep=HELD) if evaluator else ""
        try:
            return f"{self._spec(edits).digest} {trained}"
        except (FieldError, SpecError):  # a later edit of the row makes it possible
            return f"{json.dumps(data, default=str)} {trained}"

    def _moves(self, row: ResolvedRow) -> Iterator[tuple[str, bool]]:
        """Each edit of a row, and whether it changes what is trained."""
        for count, name in enumerate(row.edits):
            yield name, self._key(row.edits[: count + 1]) != self._key(row.edits[:count])

    def _check_effects(self) -> None:
        effective: dict[str, bool] = {}
        for table in self.tables:
            for row in table.rows:
                for name, moves in self._moves(row):
                    effective[name] = effective.get(name, False) or moves
        for name, moves in effective.items():
            if not moves and self._places[name][0] == "edits":
                path, value = next(iter(self.edits[name].set.items()))
                side = self.tables[0].rows[0].spec.resolution
                fixed = path == "resolution" and self.plan.config.evaluator is not None
                why = (
                    f"the evaluator's data fix it at {side}"
                    if fixed
                    else "in every row with this edit it is so already"
                )
                rule = f"{json.dumps(value, default=str):.60} has no effect: {why}"
                raise self._broken(name, path, rule)

    def _clashes(self) -> Iterator[str]:
        """For every edit, what it sets again that an earlier edit of the same row has set."""
        data = self._states[()].data
        again: dict[str, dict[str, str]] = {}
        for table in self.tables:
            for row in table.rows:
                for first, second in combinations(row.edits, 2):
                    if first not in again.setdefault(second, {}):
                        again[second][first] = self._clash(data, first, second)
        for second, found in again.items():
            clashes = [f"{first} ({path})" for first, path in found.items() if path]
            if clashes:
                yield f"edit {second} sets again what {', '.join(clashes)} set; where both are made, {second} counts"

    def _clash(self, data: dict[str, Any], first: str, second: str) -> str:
        one, other = self.edits[first], self.edits[second]
        shared = [
            path
            for path in one.training
            if any(overlap(parse_path(path), parse_path(theirs)) for theirs in other.training)
        ]
        return clashing(data, one.spec, other.spec) or (shared[0] if shared else "")

    def _repetitions(self) -> Iterator[str]:
        for table in self.tables:
            for row in table.rows:
                still = [name for name, moves in self._moves(row) if not moves]
                if still:
                    yield f"{table.name}: in row {row.label!r:.60} {', '.join(still)} changes nothing"
        if len(self.runs) < self.size:
            yield f"{plural(self.size, 'row')} share {plural(len(self.runs), 'training')} per seed"


def _retrained(evaluator: Evaluator | None, path: str, value: Any) -> Evaluator:
    if evaluator is None:
        raise FieldError(path, "needs an evaluator in the plan, whose field it sets")
    draft = Draft(Document({TRAINING: evaluator.model_dump(mode="json")}, ""), PlanConfig)
    try:
        draft.put(parse_path(path), Document(value, ""))
    except FieldError as error:
        raise FieldError(path, error.rule if error.field == path else f"{error.field} {error.rule}") from None
    try:
        return parse_evaluator(draft.document.data[TRAINING])
    except FieldError as error:
        where = f"evaluator.{error.field}" if error.field else "evaluator"
        raise FieldError(path, error.rule if where == path else f"{where}: {error.rule}") from None
