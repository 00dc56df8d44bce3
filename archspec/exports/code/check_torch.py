"""Check of a file of code against the network that is built from the same spec."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from archspec.errors import RunError
from archspec.exports.code.code_file import class_name
from archspec.model.build import build
from archspec.spec.schema import ArchSpec


def check_code(text: str, spec: ArchSpec) -> int:
    """Run the code, without memory for its weights, and compare its state with the built network's.

    Args:
        text: of the file.
        spec: at the resolution that it was written for.

    Returns:
        the number of parameters.

    Raises:
        RunError: the code does not run, or names or shapes differ: a fault of ours, or of a part that is not ours.
    """
    names: dict[str, object] = {"__name__": "exported"}
    try:
        exec(compile(text, "<exported>", "exec"), names)
        with torch.device("meta"):
            network = cast("type[nn.Module]", names[class_name(spec.name)])()
    except Exception as error:
        raise RunError(f"{spec.name}: the code does not run: {type(error).__name__}: {error}") from error
    ours, built = (
        {name: tensor.shape for name, tensor in one.state_dict().items()}
        for one in (network, build(spec, device="meta"))
    )
    wrong = next((name for name in (*built, *ours) if built.get(name) != ours.get(name)), None)
    if wrong is not None or list(ours) != list(built):
        rule = f"the code's state differs from the built network's at {wrong or 'its order'}"
        raise RunError(f"{spec.name}: {rule}")
    return sum(parameter.numel() for parameter in network.parameters())
