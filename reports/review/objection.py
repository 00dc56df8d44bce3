"""An objection to a run, and the shell lines that resolve one."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Severity = Literal["serious", "minor"]


@dataclass(frozen=True)
class Objection:
    """An objection of a reviewer.

    Attributes:
        severity: `serious` where a claim of the run may be false, `minor` where it needs a word of caution.
        rule: its name in docs/reference/review.md.
        text: what is objected to, with the values.
        place: the study, trials, members, view or row that it concerns.
        command: a shell line that resolves it, or does all of it that a shell can do.
    """

    severity: Severity
    rule: str
    text: str
    place: str
    command: str


@dataclass(frozen=True)
class Shell:
    """Lines about the run in the folder `run`, as typed where the review was asked for."""

    run: Path

    @property
    def file(self) -> str:
        """The study file of the run."""
        return shlex.quote(str(self.run / "study.yaml"))

    def resume(self) -> str:
        """Continue a search: trainings that are missing are made, finished ones are kept."""
        return f"archspec search {shlex.quote(str(self.run))}{self._runs()}"

    def extend(self, field: str, value: object) -> str:
        """Change a field that a search may change when it is continued, and continue it.

        Args:
            field: `baseline`, or a field of `final` such as `final.seeds`.
            value: as YAML on one line.
        """
        return f"sed -i.bak {shlex.quote(_substitution(field, value))} {self.file} && {self.resume()}"

    def again(self, name: str, options: str = "", edits: Mapping[str, object] | None = None) -> str:
        """Search again under the name `<run>-<name>`, with options and changed fields of the study."""
        if edits:
            script = "; ".join(_substitution(field, value) for field, value in edits.items())
            return self._edited(name, script, options)
        return self._named(self.file, f"{self.run.resolve().name}-{name}", options)

    def alike(self, section: str, changes: Mapping[str, object]) -> str:
        """Search again with the finalists' settings from the start.

        Args:
            section: of the study file that holds them: `recipe`, or `evaluator` itself.
            changes: what `final.changes` says; scalars only, as nested settings are no single lines.
        """
        start, depth = ("  recipe:", 4) if section == "recipe" else ("evaluator:", 2)
        lines = f"/^{start}/,/^{' ' * (depth - 2)}[a-z]/"
        pairs = ((f"{' ' * depth}{name}:", json.dumps(value)) for name, value in changes.items())
        script = "; ".join([*(f"{lines} s/^{key} .*/{key} {value}/" for key, value in pairs), "/^  changes:/,$ d"])
        return self._edited("one-recipe", script)

    def repeat(self, seeds: list[int]) -> str:
        """Search again with other seeds."""
        name = shlex.quote(self.run.resolve().name)
        each = f"archspec search {self.file} --name {name}-$seed --seed $seed{self._runs()}"
        return f"for seed in {' '.join(map(str, seeds))}; do {each}; done"

    def ranges(self) -> str:
        """State the smallest and the largest cost in the search's space."""
        return f"sed -n '/^space:/,/^evaluator:/s/^  //p' {self.file} > space.yaml && archspec space space.yaml"

    def ablate(self, options: str = "") -> str:
        """Continue an ablation: only trainings that are missing are made."""
        plan = shlex.quote(str(self.run / "plan.yaml"))
        return f"archspec ablate {plan}{options and ' '}{options}{self._runs()}"

    def match(self, digest: str, cost: str, low: int, high: int, resolution: int) -> str:
        """The smallest edit of a row that brings a cost of it to that of the row that it is compared with."""
        spec = shlex.quote(str(self.run / "artifacts" / digest / "spec.yaml"))
        return f"archspec fix {spec} --budget '{cost} {low}..{high} @ {resolution}' --out matched.yaml"

    def _edited(self, name: str, script: str, options: str = "") -> str:
        new = f"{self.run.resolve().name}-{name}"
        file = shlex.quote(f"{new}.yaml")
        return f"sed {shlex.quote(script)} {self.file} > {file} && {self._named(file, new, options)}"

    def _named(self, file: str, name: str, options: str) -> str:
        return f"archspec search {file} --name {shlex.quote(name)}{options and ' '}{options}{self._runs()}"

    def _runs(self) -> str:
        return "" if self.run.parent == Path("runs") else f" --runs {shlex.quote(str(self.run.parent))}"


def _substitution(field: str, value: object) -> str:
    # The recorded study is canonical: one field per line, those of `final` indented by two and last.
    part, _, name = field.rpartition(".")
    return f"/^{part}:/,$ s/^  {name}: .*/  {name}: {value}/" if part else f"s/^{name}: .*/{name}: {value}/"
