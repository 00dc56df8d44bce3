"""The command `archspec build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from archspec.cli.shared.options import MAX_SEED, ForceOption, SetOption, SpecArgument, edited, squares

if TYPE_CHECKING:
    from archspec.model.network import Network
    from archspec.spec.schema import ArchSpec

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
    supernet: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--from",
            metavar="FOLDER",
            help="cut the layout out of a trained supernet (runs/x/supernet); SPEC may be a trial or digest of its run",
        ),
    ] = None,
) -> None:
    """Build the PyTorch model, run one image through it, print its stages, and write it if asked."""
    from archspec.cli.shared.cost_tables import part_table
    from archspec.cli.shared.screen import show
    from archspec.cost.measure import measure
    from archspec.documents.wording import size
    from archspec.files.ownership import OutputCommand
    from archspec.loader import load
    from archspec.model.weights import check_pair, pair, write_pair

    loaded = edited(load(spec if supernet is None else _find_member(spec, supernet)), settings)
    loaded = loaded.at(squares([res])[0] if res is not None else loaded.resolution)
    if supernet is not None:
        loaded = _fit(loaded, supernet, res)
    command = OutputCommand("build", force)
    if out is not None:
        check_pair(loaded, pair(out)[0], command, [spec])
    cost = measure(loaded)

    import torch

    from archspec.model.build import build as build_network

    torch.manual_seed(seed)
    network = (build_network(loaded) if supernet is None else _cut_out(loaded, supernet)).eval()
    with torch.inference_mode():
        output = network(torch.zeros(1, loaded.channels, *cost.resolution))
    show(part_table(cost, f"archspec flops {spec} --json has all"))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    show(f"built: {parameters:,} parameters; one image of {size(cost.resolution)} gives {size(output.shape[1:])}")
    if out is not None:
        weights, written = write_pair(network, pair(out)[0], command, [spec])
        show(f"wrote {weights} and {written}")


def _find_member(spec: str, folder: Path) -> str:
    """A spec as it was written, or that of the trial or digest that it names in the supernet's run.

    Raises:
        SpecError: there is no supernet in the folder, or its run has no such member.
    """
    import os

    from search.supernet.plan import read_plan
    from search.weights.member import find_layout, is_run

    read_plan(folder)
    if os.path.isfile(spec) or not is_run(folder.absolute().parent):
        return spec
    found = find_layout(folder.absolute().parent, spec)
    return spec if found is None else str(found)


def _fit(spec: ArchSpec, folder: Path, res: str | None) -> ArchSpec:
    """The layout as the supernet in a folder has it, which must be trained.

    Raises:
        SpecError: there is no supernet, or the layout is not one of its space.
    """
    from archspec.errors import FieldError, SpecError
    from search.supernet.plan import read_plan
    from search.supernet.trained import check_member

    plan = read_plan(folder)
    if res is not None and spec.resolution != plan.data.resolution:
        rule = f"must be left out, or {plan.data.resolution}, at which the supernet was trained, not {res}"
        raise SpecError(rule, field="--res")
    try:
        check_member(plan, spec)
        return plan.data.fit(spec)
    except FieldError as error:
        rule = f"{folder} cannot give this layout: {error}"
        raise SpecError(rule, source=spec.name) from None


def _cut_out(spec: ArchSpec, folder: Path) -> Network:
    """The layout's network with its weights in the supernet and statistics of its own, which need the data."""
    import torch

    from search.supernet.plan import read_plan
    from search.supernet.trained import TrainedSupernet

    data = read_plan(folder).data.load()
    return TrainedSupernet(folder, data, torch.device("cpu")).cut_out(spec)
