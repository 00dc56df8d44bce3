"""The devices on which the figures of a trial were measured, as files keep them; without torch.

`devices.json` in the folder of a trial holds the model of the device of each figure. The reference's own times stand in
the folder of the run, a file for each figure and device model: `reference.nvidia-h200.json` for `latency_ms`,
`reference_onnxruntime_b1.nvidia-h200.json` and so on for others. Earlier versions kept one file for each figure,
`reference.json`, without a model.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from archspec.documents.safe_text import printable
from archspec.documents.wording import unlike_devices
from archspec.files.output import write_text
from search.latency.spec import LatencyFigure

DEVICES = "devices.json"


def write_devices(folder: Path, devices: Mapping[str, str]) -> None:
    """Write the device models of a trial's figures, by the names of their metrics, into its folder."""
    write_text(folder / DEVICES, json.dumps(dict(devices), indent=1))


def read_devices(folder: Path) -> dict[str, str]:
    """The device models of a trial's figures; none where its evaluator does not say."""
    try:
        found = json.loads((folder / DEVICES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    known = cast("dict[object, object]", found) if isinstance(found, dict) else {}
    return {name: model for name, model in known.items() if isinstance(name, str) and isinstance(model, str)}


def device_attributes(folder: Path) -> dict[str, Any]:
    """`devices`: the device models of the figures of an evaluation, by the names of their metrics.

    Args:
        folder: of the evaluation; without a record of devices in it, there is no such attribute.
    """
    found = read_devices(folder)
    return {"devices": found} if found else {}


def reference_file(root: Path, figure: LatencyFigure, model: str = "") -> Path:
    """The file with the reference's own time on a device model; without one, that of earlier versions.

    Args:
        root: folder of the run.
        figure: what is measured.
        model: of the device.
    """
    stem = "reference" if figure.main else f"reference_{figure.key}"
    slug = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")
    return root / (f"{stem}.{slug or 'unknown'}.json" if model else f"{stem}.json")


def models_of(root: Path) -> dict[str, tuple[str, ...]]:
    """The device models on which each figure of a run was measured so far, in order; earlier versions did not say.

    Args:
        root: folder of the run.
    """
    found: dict[str, set[str]] = {}
    for path in root.glob("reference*.*.json"):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(record, dict) and isinstance(model := cast("dict[str, Any]", record).get("model"), str):
            found.setdefault(path.name.partition(".")[0], set()).add(printable(model))
    return {figure: tuple(sorted(models)) for figure, models in found.items()}


def unlike_note(root: Path) -> str:
    """A line for people on a run that measures a figure on unlike devices; empty while each has one device model.

    Args:
        root: folder of the run.
    """
    most = max(models_of(root).values(), key=len, default=())
    if len(most) < 2:
        return ""
    return f"note: inference times of this run are taken {unlike_devices(dict.fromkeys(most, 0))}"
