"""The reference network, beside which every layout is timed, and its own time in a run.

Its time is measured by whoever comes first and kept in the run's folder: `reference.json` for `latency_ms`,
`reference_onnxruntime_b1.json` and so on for other figures.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from archspec.files.output import write_text
from archspec.loader import load
from archspec.model.build import build
from archspec.model.network import Network
from search.latency.backend import Inference
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


def reference_seconds(root: Path, figure: LatencyFigure, seconds: float, images: Tensor) -> float:
    """The reference's seconds per batch in this run.

    Args:
        root: folder of the run.
        figure: what is measured.
        seconds: as this trial has measured them; they count where no trial has before.
        images: the batch.
    """
    path = root / ("reference.json" if figure.main else f"reference_{figure.key}.json")
    if not path.exists():
        record: dict[str, Any] = {"seconds": seconds, "reference": REFERENCE, "resolution": images.shape[-1]}
        record |= {"device": images.device.type, "threads": torch.get_num_threads(), "torch": torch.__version__}
        record |= {"backend": figure.spec.backend, "batch": figure.batch}
        write_text(path, json.dumps(record))
    return float(json.loads(path.read_text())["seconds"])
