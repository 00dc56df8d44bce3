"""Weights on disk: safetensors beside the spec they belong to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from archspec.errors import RunError, SpecError
from archspec.loader import dump, load
from archspec.spec.schema import ArchSpec

if TYPE_CHECKING:
    from archspec.model.build import Network


def save(network: Network, spec: ArchSpec, path: Path) -> tuple[Path, Path]:
    """Write `path`.safetensors and the canonical spec `path`.yaml; both appear whole or not at all.

    Raises:
        SpecError: the folder cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    weights, written = path.with_suffix(".safetensors"), path.with_suffix(".yaml")
    try:
        weights.parent.mkdir(parents=True, exist_ok=True)
        state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
        save_file(state, f"{weights}.tmp", metadata={"archspec_digest": spec.digest})
        Path(f"{written}.tmp").write_text(dump(spec, "canonical"), encoding="utf-8")
        os.replace(f"{weights}.tmp", weights)
        os.replace(f"{written}.tmp", written)
    except (OSError, SafetensorError) as error:
        raise SpecError(f"cannot be written: {error}", source=str(path)) from None
    return weights, written


def restore(path: Path) -> tuple[Network, ArchSpec]:
    """Build the network of `path`.yaml and load the weights of `path`.safetensors into it.

    Raises:
        SpecError: no spec, or a spec that breaks a rule.
        RunError: weights that are missing, damaged, or of another spec.
    """
    from safetensors import SafetensorError, safe_open

    from archspec.model.build import build

    weights = path.with_suffix(".safetensors")
    spec = load(path.with_suffix(".yaml"))
    network = build(spec, init="skip")
    try:
        with safe_open(weights, "pt") as file:
            digest = (file.metadata() or {}).get("archspec_digest")
            if digest != spec.digest:
                raise RunError(f"{weights}: holds weights of digest {digest}, the spec beside it has {spec.digest}")
            network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (OSError, SafetensorError, RuntimeError) as error:
        raise RunError(f"{weights}: cannot be loaded: {str(error).splitlines()[0]}") from None
    return network, spec
