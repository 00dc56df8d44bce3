"""The place that a name of weights means: a file, a model of timm's, or a layout that a run trained.

A run's layout is named `RUN/MEMBER`, where `RUN` is the run's folder and `MEMBER` the number of a trial or the digest
of the layout (its beginning suffices): `runs/demo/12`. The spec that a report wrote for a member of a front means that
member. Without a member a run means the only layout that it trained.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import final

from archspec.errors import SpecError
from archspec.loader import load
from archspec.model.weights import INSIDE, SPEC, WEIGHTS
from archspec.spec.schema import ArchSpec
from search.weights.member import CHECKPOINT, find_member, find_run, find_training, is_run

TIMM = "timm:"
SPECS = frozenset({SPEC, ".yml", ".json"})


@final
@dataclass(frozen=True, slots=True)
class WeightSource:
    """The place of weights.

    Attributes:
        text: as it was written.
        path: of the file; None for a model of timm's.
        spec: file of the spec of the network that they are of; None where none is known.
    """

    text: str
    path: Path | None = None
    spec: Path | None = None

    @property
    def timm(self) -> str:
        """Name of a model of timm's; empty for a file."""
        return self.text.removeprefix(TIMM) if self.path is None else ""

    @property
    def training(self) -> bool:
        """Whether a training of this project left the file."""
        return self.path is not None and self.path.name == CHECKPOINT

    def load_spec(self) -> ArchSpec | None:
        """The spec of the network that the weights are of, where one is known.

        Raises:
            SpecError: it breaks a rule.
        """
        return None if self.spec is None else load(self.spec)


def find_source(text: str) -> WeightSource:
    """The place that `text` means; see the head of this module.

    Raises:
        SpecError: nothing is there, or it does not say which of several weights are meant.
    """
    if text.startswith(TIMM):
        if not text.removeprefix(TIMM):
            raise SpecError("names no model: timm:resnet18, for one", source=text)
        return WeightSource(text)
    path = Path(os.path.expanduser(text))
    if os.path.isfile(path):
        return _find_beside(text, path)
    if os.path.isdir(path) and not is_run(path):
        if os.path.isfile(path / INSIDE):
            return _pair(text, path / INSIDE)
        return _training(text, find_training(path, text))
    training = find_member(path, text)
    if training is None:
        rule = "no such file, and not of the form RUN/MEMBER (runs/demo/12) or timm:NAME"
        raise SpecError(rule, source=text)
    return _training(text, training)


def _find_beside(text: str, path: Path) -> WeightSource:
    """The weights of a file: those in it, or those that belong to the spec in it."""
    if path.name == CHECKPOINT:
        return _training(text, path)
    if path.suffix not in SPECS:
        return _pair(text, path)
    if os.path.isfile(weights := path.with_suffix(WEIGHTS)):
        return WeightSource(text, weights, path)
    run = find_run(path)
    if run is None:
        raise SpecError(f"is a spec, with no weights beside it ({weights.name}) and of no run", source=text)
    return _training(text, find_training(run / "artifacts" / load(path).digest, text))


def _pair(text: str, weights: Path) -> WeightSource:
    spec = weights.with_suffix(SPEC)
    return WeightSource(text, weights, spec if weights.suffix == WEIGHTS and os.path.isfile(spec) else None)


def _training(text: str, checkpoint: Path) -> WeightSource:
    spec = checkpoint.parent.parent / "spec.yaml"
    return WeightSource(text, checkpoint, spec if os.path.isfile(spec) else None)
