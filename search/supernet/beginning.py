"""Trainings that begin with the slices of a trained supernet, as finalists do that are fine-tuned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, final

from archspec.errors import FieldError, SpecError
from archspec.spec.schema import ArchSpec
from search.data.dataset import Dataset, Splits
from search.inputs import Input
from search.supernet.plan import FOLDER, read_plan
from search.supernet.trained import CHECKPOINT, TrainedSupernet, check_member
from search.weights.initial import OWN, Beginning, SupernetWeights
from search.weights.reading import digest_weights

if TYPE_CHECKING:
    import torch


def check_slices(init: SupernetWeights, spec: ArchSpec, data: Dataset) -> None:
    """Refuse a supernet that is not there, of other data, or that lacks a layout; that of the run itself is not looked
    at, since it may not be trained yet.

    Raises:
        FieldError: it cannot be begun with; the field is `supernet`.
    """
    if init.supernet == OWN:
        return
    try:
        plan = read_plan(Path(init.supernet))
        if plan.data != data:
            raise FieldError("data", f"{init.supernet} is a supernet of other data than what is trained on here")
        check_member(plan, spec)
    except (FieldError, SpecError) as error:
        raise FieldError("supernet", str(error)) from None


def slices_input(init: SupernetWeights) -> tuple[Input, ...]:
    """The checkpoint of a supernet as an input of a run, which may not change while it goes on.

    Raises:
        SpecError: there is none.
    """
    if init.supernet == OWN:
        return ()
    path = Path(init.supernet) / CHECKPOINT
    try:
        digest = digest_weights(path)
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}", source=str(path)) from None
    return (Input("data", f"supernet {init.supernet}", "file", {CHECKPOINT: digest}),)


@final
class SliceSource:
    """The supernet that trainings begin with, read when the first of them does.

    Args:
        init: which one.
        data: the splits of its data.
        device: that statistics are taken on.
    """

    def __init__(self, init: SupernetWeights, data: Splits, device: torch.device) -> None:
        self._init, self._data, self._device = init, data, device
        self._trained: TrainedSupernet | None = None

    def begin(self, spec: ArchSpec, root: Path) -> Beginning:
        """The network of a layout with the weights that it has in the supernet.

        Args:
            spec: the layout, prepared.
            root: folder of the run that trains it.

        Raises:
            FieldError: the supernet lacks the layout.
            SpecError: there is no supernet, or its training has not ended.
        """
        folder = root / FOLDER if self._init.supernet == OWN else Path(self._init.supernet)
        if self._trained is None:
            self._trained = TrainedSupernet(folder, self._data, self._device)
        network = self._trained.cut_out(spec)
        count = sum(parameter.numel() for parameter in network.parameters())
        line = f"begins with {count:,} parameters of the supernet in {folder}"
        return Beginning(network, count, 1.0, line)
