"""The exceptions that a user of archspec can meet; each message is one line: place, field, rule, values."""

from collections.abc import Mapping
from typing import ClassVar, final


class ArchspecError(Exception):
    """Anything that archspec reports in one line instead of a traceback."""

    exit_code: ClassVar[int] = 1


class SpecError(ArchspecError):
    """Bad input: a spec, space, study or option that breaks a rule.

    Args:
        rule: the rule that was broken, with the values that broke it.
        field: the dotted path of the field, such as ``stages[3].heads``; empty when the whole input is meant.
        source: the file (or ``<code>``) that was read; empty when unknown.
        line: the line in ``source``, counted from 1.
        option: where the value was given on the command line, such as ``--set trials``; the message then names it
            instead of source and field.
    """

    exit_code: ClassVar[int] = 2

    def __init__(
        self, rule: str, *, field: str = "", source: str = "", line: int | None = None, option: str = ""
    ) -> None:
        self.rule = " ".join(rule.split())
        self.field = field
        self.source = source
        self.line = line
        self.option = option
        super().__init__(str(self))

    def __str__(self) -> str:
        if self.option:
            return f"{self.option}: {self.rule}"
        place = f"{self.source}:{self.line}" if self.source and self.line else self.source
        return ": ".join(part for part in (place, self.field, self.rule) if part)


class FieldError(ValueError):
    """A rule broken at a known field, raised where no file is known; the loader turns it into a `SpecError`."""

    def __init__(self, field: str, rule: str) -> None:
        self.field = field
        self.rule = rule
        super().__init__(f"{field}: {rule}" if field else rule)


class UncountedError(FieldError):
    """An operator of a module that is not made of layers has no counting rule, whatever the map."""


class AuditError(ArchspecError):
    """The cost of a spec and the count of its built model disagree, or an operator has no counting rule."""


class RunError(ArchspecError):
    """A run that could not go on: a diverged training, a damaged journal or checkpoint."""


@final
class UndecidedError(ArchspecError):
    """A question that could not be decided in the time that it was given; the message says what is known so far."""


@final
class ShadowedError(ArchspecError, ImportError):
    """A module of the user's hides a package of archspec.

    Args:
        hidden: the path of what Python finds, by the name of the package.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, hidden: Mapping[str, str]) -> None:
        self.hidden = dict(hidden)
        found = ", ".join(f"{path} hides archspec's package {name}" for name, path in hidden.items())
        super().__init__(f"{found}: rename {'it' if len(hidden) == 1 else 'them'}, or work in another folder")


@final
class Interrupted(ArchspecError):  # noqa: N818  (it is no error)
    """`stop` asked an evaluation to end; what it saved is there to continue from."""


@final
class DiedError(ArchspecError):
    """A process that evaluated a layout has ended by itself, or was killed: the evaluation goes on in another one."""


@final
class UnreadyError(ArchspecError):
    """An evaluator cannot start, such as for want of its data, whatever the layout."""
