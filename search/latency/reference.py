"""The reference network, beside which every layout is timed, and its own time in a run.

Its time is measured once for each model of a device, by whoever comes first, and kept in the run's folder
(`search.latency.devices`). A file of an earlier version, which names no model, counts for the first device of its type
that asks, and is renamed to that one's.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from archspec.files.output import write_first, write_text
from archspec.loader import load
from archspec.model.build import build
from archspec.model.network import Network
from search.latency.backend import Inference
from search.latency.devices import reference_file
from search.latency.spec import BACKENDS, LatencyFigure

REFERENCE = "tiny"


def prepare_reference(root: Path, figure: LatencyFigure, images: Tensor) -> Inference:
    """The inference of `images` by the reference network with weights as they are drawn.

    Args:
        root: folder of the run, where a backend keeps what it makes of the network.
        figure: what is measured.
        images: the batch.
    """
    network = _reference_network(REFERENCE, images.device)
    kept = root / f"reference_{figure.key}_{images.device.type}_{images.shape[-1]}px.onnx"
    return BACKENDS[figure.spec.backend].prepare(network, images, kept)


@cache
def _reference_network(name: str, device: torch.device) -> Network:
    """The network, built once in a process for each device."""
    return build(load(name), device=device).eval()


def reference_seconds(root: Path, figure: LatencyFigure, seconds: float, images: Tensor, model: str) -> float:
    """The reference's seconds per batch in this run, on a model of a device.

    Args:
        root: folder of the run.
        figure: what is measured.
        seconds: as this trial has measured them; they count where no trial has before on such a device.
        images: the batch.
        model: of the device.
    """
    path = reference_file(root, figure, model)
    if not path.exists():
        _adopt(reference_file(root, figure), path, images.device.type)
    if not path.exists():
        record: dict[str, Any] = {"seconds": seconds, "reference": REFERENCE, "resolution": images.shape[-1]}
        record |= {"device": images.device.type, "model": model, "threads": torch.get_num_threads()}
        record |= {"torch": torch.__version__, "backend": figure.spec.backend, "batch": figure.batch}
        write_first(path, json.dumps(record))
    record = json.loads(path.read_text(encoding="utf-8"))
    if "model" not in record:  # it was adopted
        write_text(path, json.dumps(record | {"model": model}))
    return float(record["seconds"])


def _adopt(earlier: Path, path: Path, kind: str) -> None:
    """Take over the file of an earlier version, which names no model, where it is of a device of this type.

    Of several that ask at the same time one has it: the system renames it once.
    """
    try:
        known = json.loads(earlier.read_text(encoding="utf-8"))
        if known.get("device") == kind and "model" not in known:
            earlier.rename(path)
    except FileNotFoundError:
        return
