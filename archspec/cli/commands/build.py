"""The command `archspec build`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from archspec.cli.shared.options import MAX_SEED, ForceOption, SetOption, SpecArgument, edited, squares

PANEL = "Design"
EXAMPLE = "archspec build tiny --out weights/tiny"


def build(
    spec: SpecArgument,
    settings: SetOption = None,
    res: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--res", metavar="PIXELS", help="side of the image; chooses a declared variant"),
    ] = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", help="write weights to FILE.safetensors and the canonical spec to FILE.yaml"),
    ] = None,
    force: ForceOption = False,
    seed: Annotated[int, typer.Option("--seed", min=0, max=MAX_SEED, help="seed of the initial weights")] = 0,
) -> None:
    """Build the PyTorch model, run one image through it, print its stages, and write it if asked."""
    from archspec.cli.shared.cost_tables import part_table
    from archspec.cli.shared.screen import show
    from archspec.cost.measure import measure
    from archspec.documents.wording import size
    from archspec.files.ownership import OutputCommand
    from archspec.loader import load
    from archspec.model.weights import check_pair, pair, write_pair

    loaded = edited(load(spec), settings)
    loaded = loaded.at(squares([res])[0] if res is not None else loaded.resolution)
    command = OutputCommand("build", force)
    if out is not None:
        check_pair(loaded, pair(out)[0], command, [spec])
    cost = measure(loaded)

    import torch

    from archspec.model.build import build as build_network

    torch.manual_seed(seed)
    network = build_network(loaded).eval()
    with torch.inference_mode():
        output = network(torch.zeros(1, loaded.channels, *cost.resolution))
    show(part_table(cost, f"archspec flops {spec} --json has all"))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    show(f"built: {parameters:,} parameters; one image of {size(cost.resolution)} gives {size(output.shape[1:])}")
    if out is not None:
        weights, written = write_pair(network, pair(out)[0], command, [spec])
        show(f"wrote {weights} and {written}")
