"""An objection to a run, and the commands that resolve one."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from archspec.documents.paths import format_path, parse_path
from archspec.documents.writer import write_flow

Severity = Literal["serious", "minor"]


@dataclass(frozen=True)
class Objection:
    """An objection of a reviewer.

    Attributes:
        severity: `serious` where a claim of the run may be false, `minor` where it needs a word of caution.
        rule: its name in docs/reference/review.md.
        text: what is objected to, with the values.
        place: the study, trials, members, view or row that it concerns.
        command: what resolves it, or does all of it that a command can do; one `archspec` command a line.
    """

    severity: Severity
    rule: str
    text: str
    place: str
    command: str


@dataclass(frozen=True)
class Shell:
    """Commands about the run in the folder `run`, as typed where the review was asked for."""

    run: Path

    def resume(self) -> str:
        """Continue a search: trainings that are missing are made, finished ones are kept."""
        return self._search()

    def extend(self, path: str, value: object) -> str:
        """Change a field that a search may change when it is continued, such as `final.seeds`, and continue it."""
        return self._search({path: value})

    def retry(self, changes: Mapping[str, object] | None = None) -> str:
        """Continue a search, and evaluate once more what failed in it."""
        return self._search(changes, "--retry-failed")

    def again(self, name: str, options: str = "", changes: Mapping[str, object] | None = None) -> str:
        """Search again under the name `<run>-<name>`, with options and changed fields of the study."""
        return self._search(changes or {}, f"--name {self._new(name)}{options and ' '}{options}")

    def alike(self, section: str, changes: Mapping[str, object]) -> str:
        """Search again with the finalists' settings from the start.

        Args:
            section: the path of what `changes` are changes of: `evaluator`, or `evaluator.recipe`.
            changes: what `final.changes` says.
        """
        fields = {format_path((*parse_path(section), name)): value for name, value in changes.items()}
        return self.again("one-recipe", changes={**fields, "final.changes": {}})

    def repeat(self, seeds: list[int]) -> str:
        """Search again with other seeds, a command for each."""
        return "\n".join(self._search({}, f"--name {self._new(str(seed))} --seed {seed}") for seed in seeds)

    def ranges(self) -> str:
        """State the smallest and the largest cost in the search's space."""
        return f"archspec space {shlex.quote(str(self.run))}"

    def ablate(self, options: str = "") -> str:
        """Continue an ablation: only trainings that are missing are made."""
        return f"archspec ablate {shlex.quote(str(self.run))}{options and ' '}{options}{self._runs()}"

    def ablate_again(self, name: str, path: str, value: object) -> str:
        """Train an ablation anew under the name `<run>-<name>`, with a changed field of the plan."""
        return self.ablate(f"--name {self._new(name)} {_set(path, value)}")

    def ablate_with(self, changes: Mapping[str, object]) -> str:
        """Continue an ablation after a change of fields of its plan that may change: edits and views."""
        return self.ablate(" ".join(_set(path, value) for path, value in changes.items()))

    def ablate_anew(self, name: str) -> str:
        """Train an ablation anew under the name `<run>-<name>`."""
        return self.ablate(f"--name {self._new(name)}")

    def match(self, digest: str, cost: str, low: int, high: int, resolution: int) -> str:
        """The smallest edit of a row that brings a cost of it to that of the row that it is compared with."""
        spec = shlex.quote(str(self.run / "artifacts" / digest / "spec.yaml"))
        return f"archspec fix {spec} --budget '{cost} {low}..{high} @ {resolution}' --out matched.yaml"

    def _search(self, changes: Mapping[str, object] | None = None, options: str = "") -> str:
        settings = [_set(path, value) for path, value in (changes or {}).items()]
        words = ["archspec search", shlex.quote(str(self.run)), *([options] if options else []), *settings]
        return " ".join(words) + self._runs()

    def _new(self, name: str) -> str:
        return shlex.quote(f"{self.run.resolve().name}-{name}")

    def _runs(self) -> str:
        return "" if self.run.parent == Path("runs") else f" --runs {shlex.quote(str(self.run.parent))}"


def _set(path: str, value: object) -> str:
    return f"--set {shlex.quote(f'{path}={write_flow(value)}')}"
