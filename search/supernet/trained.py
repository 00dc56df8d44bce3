"""A supernet in its folder: trained there, opened again, asked for the quality of layouts, and cut into networks."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from itertools import islice
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import yaml

from archspec.documents.reader import Document
from archspec.documents.wording import plural
from archspec.errors import FieldError, RunError, SpecError
from archspec.spec.schema import ArchSpec
from search.data.dataset import Splits, parse_dataset
from search.seeding import mix, seed_everything
from search.space.space import parse_space
from search.supernet.plan import SupernetPlan, read_plan
from search.supernet.shapes import shared_tensors
from search.tasks.task import Score

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from archspec.model.network import Network
    from search.supernet.learner import SupernetLearner
    from search.supernet.members import Members
    from search.train.curve import EpochRecord
    from search.train.loop import TrainResult

CHECKPOINT = "checkpoint.pt"


def train_supernet(
    plan: SupernetPlan,
    data: Splits,
    device: torch.device,
    *,
    folder: Path,
    stop: Callable[[], bool],
    progress: Callable[[EpochRecord], None],
) -> TrainResult:
    """Train the supernet of `plan`, or go on with it; scored each epoch as its largest layout.

    By the trainer of single networks, in one process: the same files, failures and continuation, bit for bit.

    Args:
        plan: what to train.
        data: its splits.
        device: to train on.
        folder: receives checkpoint and curve.
        stop: asked before every step.
        progress: told each new epoch.

    Raises:
        Interrupted: `stop` said so; the last whole epoch is saved.
        RunError: the loss diverges, or the checkpoint is damaged or another supernet's.
    """
    from search.train.loop import train

    learner = make_learner(plan, data, device)
    return train(
        learner,
        data,
        plan.recipe,
        seed=plan.seed,
        folder=folder,
        fingerprint=plan.fingerprint,
        stop=stop,
        progress=progress,
    )


def make_learner(plan: SupernetPlan, data: Splits, device: torch.device) -> SupernetLearner:
    """The supernet of `plan` with its first weights, on a device."""
    from search.supernet.learner import SupernetLearner
    from search.supernet.supernet import Supernet

    seed_everything(mix(plan.seed, "init"))
    supernet = Supernet(
        plan.parsed,
        plan.data.fit,
        init=plan.init,
        zero_init_residual=plan.zero_init_residual,
        seed=mix(plan.seed, "init"),
    )
    return SupernetLearner(supernet.to(device), plan, _images(plan, data, device))


@final
class TrainedSupernet:
    """A supernet whose training has ended.

    Args:
        folder: in which it was trained.
        data: the splits that it was trained on.
        device: to answer on.

    Raises:
        SpecError: there is none in the folder, or its training has not ended.
        RunError: its checkpoint is damaged or another supernet's.
    """

    def __init__(self, folder: Path, data: Splits, device: torch.device) -> None:
        from search.train.checkpoint import damaged, load_checkpoint

        self.plan = plan = read_plan(folder)
        self._data, self._device = data, device
        identity = {"fingerprint": plan.fingerprint, "seed": plan.seed, "recipe": plan.recipe.identity()}
        state = load_checkpoint(folder / CHECKPOINT, identity)
        self._check_ended(state, folder)
        self._learner = make_learner(plan, data, device)
        try:
            self._learner.load_state_dict({} if state is None else state["ema"])
        except Exception as error:  # a state that does not fit, whatever layer notices it
            raise damaged(folder / CHECKPOINT, error) from error
        self._learner.requires_grad_(False).eval()

    def score(self, spec: ArchSpec) -> Score:
        """The quality of a layout on the validation split.

        Raises:
            RunError: the supernet lacks the layout.
        """
        from search.train.loop import evaluate, evaluation_batch

        self._learner.eval()
        self._learner.choose(spec)
        batch = evaluation_batch(self.plan.recipe, self._device)
        workers = self.plan.recipe.workers
        return evaluate(self._learner, self._data.validation, device=self._device, batch_size=batch, workers=workers)

    def answer(self, spec: ArchSpec, images: Tensor) -> Tensor:
        """The logits (N, classes) of a layout for images (N, 3, H, W) as in evaluation.

        Raises:
            RunError: the supernet lacks the layout.
        """
        self._learner.eval()
        self._learner.choose(spec)
        return self._learner(images.to(self._device))

    def cut_out(self, spec: ArchSpec) -> Network:
        """A layout as a network of its own, on the CPU, whose logits are those of the supernet.

        Raises:
            RunError: the supernet lacks the layout.
        """
        self._learner.eval()
        self._learner.choose(spec)
        return self._learner.supernet.cut_out(spec).cpu()

    def _check_ended(self, state: dict[str, Any] | None, folder: Path) -> None:
        done, wanted = 0 if state is None else len(state["curve"]), self.plan.recipe.epochs
        if done < wanted:
            rule = (
                f"holds a supernet after {done} of {plural(wanted, 'epoch')}: the search that trains it ends it first"
            )
            raise SpecError(rule, source=str(folder))


def check_member(plan: SupernetPlan, spec: ArchSpec) -> None:
    """Refuse a layout that the supernet of a plan lacks; without training or data.

    Raises:
        FieldError: the layout does not fit the data, or no layout of the space has such a part.
    """
    fitting = plan.data.fit(spec)
    try:
        _members(yaml.safe_dump(plan.space), plan.data.model_dump_json()).get(fitting)
    except RunError as error:
        raise FieldError("", str(error)) from None


@lru_cache(maxsize=2)
def _members(space: str, data: str) -> Members:
    """The members of the supernet of a space on a data set, both as text; all of a search's layouts are asked for."""
    from search.supernet.members import Members

    parsed = parse_space(Document(yaml.safe_load(space), "space of the supernet"))
    return Members(shared_tensors(parsed, parse_dataset(json.loads(data)).fit))


def _images(plan: SupernetPlan, data: Splits, device: torch.device) -> list[Tensor]:
    """Batches of training images as in evaluation: always the same ones."""
    from search.train.arithmetic import memory_format

    count = min(plan.images, len(data.train))
    size = min(plan.recipe.batch_size, count)
    layout = memory_format(device, plan.recipe.channels_last)
    batches = data.train.batches(size, seed=mix(plan.seed, "statistics"), epoch=0, shuffle=True)
    return [images.to(device, memory_format=layout) for images, _ in islice(batches, ceil(count / size))]
