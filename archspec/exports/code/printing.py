"""Text of terms: one line where it fits, otherwise an argument a line."""

from __future__ import annotations

import inspect
import json
import keyword
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from archspec.exports.code.loops import RATE, Run, fold, rated, with_rate
from archspec.exports.code.term import CodeTerm, signature

LIMIT = 110
MAX_BY_POSITION = 3
"""Parameters without a default of a class that is called by position."""
STEP = "    "
ORDERED, NAMED = "collections:OrderedDict", "named"
"""Functions that take parts by name: the dictionary, and the file's own that makes a sequence of them."""
Item = tuple[str, CodeTerm]
"""A term, and the text before it."""


@final
@dataclass(frozen=True)
class Printer:
    """A writer of terms.

    Args:
        name: the name in the file of a factory.
        rates: the schedule of stochastic depth, which the file calls `rates`.
    """

    name: Callable[[str], str]
    rates: tuple[float, ...] = ()

    def print(self, term: CodeTerm, indent: int = 0, used: int = 0) -> str:
        """A term's text.

        Args:
            term: what is printed.
            indent: steps of indentation of the line that it stands on.
            used: characters that stand on that line beside it.
        """
        if term.kind == "code":
            return str(term.value).replace("\n", "\n" + STEP * indent)
        if term.kind == "constant":
            return literal(term.value)
        if isinstance(term.value, Run):
            return self._loop(term.value, indent, used)
        if term.kind in ("sequential", "ordered") and _are_names(term.label):
            maker = self.name(NAMED if term.kind == "sequential" else ORDERED)
            items = [(f"{name}=", part) for name, part in zip(term.label, term.parts, strict=True)]
            return self.enclose(f"{maker}(", items, ")", indent, used)
        if term.kind in ("call", "sequential"):
            return self.enclose(f"{self.name(term.factory)}(", self.arguments(term), ")", indent, used)
        if term.kind == "mapping":
            pairs = zip(term.label, term.parts, strict=True)
            return self.enclose("{", [(f"{literal(key)}: ", part) for key, part in pairs], "}", indent, used)
        opening, closing = ("[", "]") if term.kind == "list" else ("(", ",)" if len(term.parts) == 1 else ")")
        return self.enclose(opening, self._folded(term.parts), closing, indent, used)

    def enclose(self, opening: str, items: list[Item], closing: str, indent: int = 0, used: int = 0) -> str:
        """Items between brackets."""
        flat = opening + ", ".join(before + self.print(item) for before, item in items) + closing
        if not items or ("\n" not in flat and len(STEP) * indent + used + len(flat) <= LIMIT):
            return flat
        inner = STEP * (indent + 1)
        lines = [f"{inner}{before}{self.print(item, indent + 1, len(before) + 1)}," for before, item in items]
        return "\n".join([opening, *lines, STEP * indent + closing.lstrip(",")])

    def arguments(self, term: CodeTerm) -> list[Item]:
        """The arguments of a call, by position or by name, without those that say what is so in any case."""
        if term.kind == "sequential":
            return self._elements(term)
        ours = ":" not in term.factory
        parameters = {} if ours else signature(term.factory).parameters
        empty = inspect.Parameter.empty
        few = sum(one.default is empty for one in parameters.values()) <= MAX_BY_POSITION
        items: list[Item] = []
        for name, part in zip(map(str, term.label[1:]), term.parts, strict=True):
            default = parameters[name].default if name in parameters else empty
            if part.kind == "constant" and type(part.value) is type(default) and part.value == default:
                continue
            required = default is empty
            by_position = required and name != RATE and (ours or few or not items)
            items.append(("" if by_position else f"{name}=", part))
        return items

    def _elements(self, term: CodeTerm) -> list[Item]:
        """The elements of a sequence: alone where they are named by their number, else as an ordered dictionary."""
        names = [str(name) for name in term.label]
        if names == [str(index) for index in range(len(names))]:
            return self._folded(term.parts)
        if _are_names(term.label):
            return [("", CodeTerm("ordered", term.label, term.parts))]
        return [("", CodeTerm("call", (ORDERED, ""), (CodeTerm("mapping", term.label, term.parts),)))]

    def _folded(self, parts: tuple[CodeTerm, ...]) -> list[Item]:
        runs = fold(parts, self.rates)
        return [("", rated(run.group[0], self.rates) if run.times == 1 else CodeTerm("run", value=run)) for run in runs]

    def _loop(self, run: Run, indent: int, used: int) -> str:
        """A loop whose elements are listed in place."""
        start, period = run.start, len(run.group)
        if start is None:
            group, loop = [rated(part, self.rates) for part in run.group], f"for _ in range({run.times})"
        elif period == 1:
            group, loop = [with_rate(run.group[0], "rate")], f"for rate in rates[{start}:{start + run.times}]"
        else:
            group = [with_rate(part, f"rates[i + {at}]" if at else "rates[i]") for at, part in enumerate(run.group)]
            loop = f"for i in range({start}, {start + run.times * period}, {period})"
        inner = STEP * (indent + 1)
        if period == 1:
            clauses = [self.print(group[0]), loop]
            broken = [self.print(group[0], indent + 1), loop]
        else:
            items = [("", part) for part in group]
            clauses = ["block", loop, f"for block in {self.enclose('(', items, ')')}"]
            broken = ["block", loop, f"for block in {self.enclose('(', items, ')', indent + 1, 13)}"]
        flat = f"*({' '.join(clauses)})"
        if "\n" not in flat and len(STEP) * indent + used + len(flat) <= LIMIT:
            return flat
        return "\n".join(["*(", *(inner + clause for clause in broken), STEP * indent + ")"])


def _are_names(label: tuple[object, ...]) -> bool:
    """Whether parts can be given by name."""
    return all(isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name) for name in label)


def literal(value: object) -> str:
    """A constant as it is written."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
