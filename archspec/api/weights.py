"""Networks from disk: written by `save`, by `archspec build --out`, or left by a training of a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec.errors import RunError, SpecError
from archspec.loader import load

if TYPE_CHECKING:
    from archspec.model.network import Network

CHECKPOINT = "checkpoint.pt"
"""What a training leaves in its folder; it holds the average of the weights, which evaluation used."""


def restore(path: str | Path) -> Network:
    """The network at `path` with its weights, in evaluation mode.

    Args:
        path: what `save` or `archspec build --out` wrote (the folder, a file of the pair, or their name without
            ending), or a training of a run (`runs/NAME/artifacts/DIGEST/TRAINING`, or the checkpoint in it), of which
            the averaged weights are restored.

    Raises:
        SpecError: nothing of these, or a spec that breaks a rule.
        RunError: weights that are missing, damaged, or of another spec.
    """
    from archspec.model.weights import restore as restore_pair

    path = Path(path)
    if path.name == CHECKPOINT:
        return _restore_training(path)
    if os.path.isfile(path / CHECKPOINT):
        return _restore_training(path / CHECKPOINT)
    if os.path.isfile(path / "journal.log"):
        rule = "is a run: restore a member of its front, archspec.open_run(...).front[0].restore(), or one training"
        raise SpecError(rule, source=str(path))
    trainings = sorted(found.parent.name for found in path.glob(f"*/{CHECKPOINT}"))
    if trainings:
        raise SpecError(f"holds several trainings: name one of {', '.join(trainings)}", source=str(path))
    return restore_pair(path)


def _restore_training(path: Path) -> Network:
    from archspec.model.weights import with_weights
    from search.train.checkpoint import load_checkpoint

    spec = load(path.parent.parent / "spec.yaml")
    state: dict[str, Any] | None = load_checkpoint(path, {})
    if state is None:
        raise SpecError("no such file", source=str(path))
    digest = str(state.get("fingerprint", "")).partition(" ")[0]
    if digest != spec.digest:
        raise RunError(f"{path}: holds weights of digest {digest}, the spec of its layout has {spec.digest}")
    return with_weights(spec, state["ema"], path)
