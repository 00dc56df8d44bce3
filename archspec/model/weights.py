"""Weights on disk: safetensors beside the spec they belong to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from archspec.errors import RunError, SpecError
from archspec.loader import dump, load
from archspec.spec.schema import ArchSpec

if TYPE_CHECKING:
    from torch import Tensor

    from archspec.model.build import Network

WEIGHTS, SPEC = ".safetensors", ".yaml"
INSIDE = f"model{WEIGHTS}"
"""Name of the weights in a folder."""


def save(network: Network, path: str | Path) -> tuple[Path, Path]:
    """Write the weights of a network, and beside them its spec in canonical form.

    Args:
        network: what `build` gave, wherever its parameters are.
        path: a file that ends in `.safetensors`, whose spec ends in `.yaml`; anything else is a folder, which gets
            `model.safetensors` and `model.yaml`.

    Returns:
        The two files; each appears whole or not at all.

    Raises:
        SpecError: the folder cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path = Path(path)
    weights = path if path.suffix == WEIGHTS else path / INSIDE
    written = weights.with_suffix(SPEC)
    try:
        weights.parent.mkdir(parents=True, exist_ok=True)
        state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
        save_file(state, f"{weights}.tmp", metadata={"archspec_digest": network.spec.digest})
        Path(f"{written}.tmp").write_text(dump(network.spec, "canonical"), encoding="utf-8")
        os.replace(f"{weights}.tmp", weights)
        os.replace(f"{written}.tmp", written)
    except (OSError, SafetensorError) as error:
        raise SpecError(f"cannot be written: {error}", source=str(path)) from None
    return weights, written


def restore(path: str | Path) -> Network:
    """Build the network that `save` or `archspec build --out` wrote, with its weights, in evaluation mode.

    Args:
        path: the weights, the spec beside them, what both are called without ending, or the folder of `save`.

    Raises:
        SpecError: no spec, or a spec that breaks a rule.
        RunError: weights that are missing, damaged, or of another spec.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    weights = path.with_suffix(WEIGHTS)
    if path.is_dir() and not weights.is_file():
        weights = path / INSIDE
    spec = load(weights.with_suffix(SPEC))
    try:
        with safe_open(weights, "pt") as file:
            digest = (file.metadata() or {}).get("archspec_digest")
            if digest != spec.digest:
                raise RunError(f"{weights}: holds weights of digest {digest}, the spec beside it has {spec.digest}")
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise RunError(f"{weights}: cannot be loaded: {str(error).splitlines()[0]}") from None
    return with_weights(spec, state, weights)


def with_weights(spec: ArchSpec, state: dict[str, Tensor], source: Path) -> Network:
    """The network of a spec with the tensors of `state`, which `source` held, in evaluation mode.

    Raises:
        RunError: tensors of another network.
    """
    from archspec.model.build import build

    network = build(spec, init="skip").eval()
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise RunError(f"{source}: cannot be loaded: {str(error).splitlines()[0]}") from None
    return network
