"""The command `archspec`. Each command imports what it needs when it runs, so that only `build`, `search` and
`flops --verify` wait for torch.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, NoReturn, Optional

import typer

from archspec import __version__
from archspec.cli.commands.ablate import ablate
from archspec.cli.commands.convert import convert
from archspec.cli.commands.edf import edf
from archspec.cli.commands.hiri import hiri
from archspec.cli.commands.infer import infer
from archspec.cli.commands.paper import paper
from archspec.cli.commands.power import power
from archspec.cli.commands.presets import presets
from archspec.cli.commands.report import report
from archspec.cli.commands.review import review
from archspec.cli.commands.space import space
from archspec.cli.shared.options import BudgetOption, JsonOption, ResOption, resolutions
from archspec.errors import ArchspecError, SpecError

app = typer.Typer(
    name="archspec",
    help="Declare a vision backbone, know its exact cost, build it, search around it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SpecArgument = Annotated[
    str,
    typer.Argument(metavar="SPEC", help="a YAML or JSON file, - for standard input, a preset's name, or a short code"),
]


def main() -> NoReturn:
    """Run the command line; bad input is one line and exit code 2, a failure of ours exit code 1."""
    try:
        app()
    except ArchspecError as error:
        print(f"archspec: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away: nothing to say, and nobody to say it to
        sys.exit(1)
    sys.exit(0)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"archspec {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    del version


@app.command()
def flops(
    spec: SpecArgument = "spec.yaml",
    res: ResOption = None,
    per_layer: Annotated[bool, typer.Option("--per-layer", help="one row per layer")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="exact integers as JSON")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="exact integers as CSV")] = False,
    convention: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--as", metavar="CONVENTION", help="count as fvcore, macs, mmcv or half do: see docs/counting.md"),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="build the model and have fvcore and torch count it")
    ] = False,
    symbolic: Annotated[
        bool, typer.Option("--symbolic", help="as polynomials in the side of the image; what each field changes")
    ] = False,
) -> None:
    """Exact params, MACs (one multiply-add = 1), activations and memory for backward, without building the model."""
    if symbolic:
        if as_csv or verify or convention:
            raise SpecError("goes with --res, --per-layer and --json only", field="--symbolic")
        _flops_symbolic(spec, res, per_layer=per_layer, as_json=as_json)
        return
    from archspec.cli.shared.cost_tables import (
        console,
        cost_csv,
        cost_record,
        layer_table,
        part_table,
        plain,
        resolution_table,
    )
    from archspec.cost.conventions import find_convention
    from archspec.cost.measure import measure
    from archspec.loader import load

    if convention is not None:
        find_convention(convention, "--as")
    loaded = load(_existing(spec))
    costs = [measure(loaded, size) for size in resolutions(res) or [loaded.image]]
    if convention is not None:
        costs = [cost.under(convention) for cost in costs]
    out = console()
    if as_json:
        records = [cost_record(cost, layers=per_layer) for cost in costs]
        typer.echo(json.dumps(records[0] if len(records) == 1 else records, indent=2))
    elif as_csv:
        typer.echo(cost_csv(costs, layers=per_layer), nl=False)
    elif per_layer:
        for cost in costs:
            out.print(layer_table(cost))
    else:
        out.print(part_table(costs[0]) if len(costs) == 1 else resolution_table(costs))
    if verify:
        from archspec.model.audit import audit

        err = console(stderr=True)
        for cost in costs:
            passed = audit(loaded, cost.resolution)
            place = "x".join(map(str, cost.resolution))
            err.print(
                plain(
                    f"verified at {place}: fvcore counts {passed.cost.macs:,} MACs on the built model, equal to "
                    f"the integer in all {passed.modules} modules; torch counts {passed.torch_macs:,} "
                    "for convolutions, linear layers and attention, equal too"
                )
            )


@app.command()
def lint(
    spec: SpecArgument = "spec.yaml",
    res: Annotated[
        str | None, typer.Option("--res", metavar="PIXELS", help="side of the image, or HEIGHTxWIDTH")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="exit with code 1 if there is any finding")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="findings as JSON")] = False,
) -> None:
    """What looks wrong in a spec that is valid: warnings with numbers, file and line. They leave the exit code at 0."""
    from archspec.documents.wording import plural
    from archspec.lint.lint import lint as find
    from archspec.lint.lint import record, written
    from archspec.loader import find_document, parse

    document = find_document(_existing(spec))
    loaded = parse(document)
    size = resolutions([res])[0] if res is not None else loaded.resolution
    findings = find(loaded, size)
    if as_json:
        typer.echo(json.dumps([record(finding, document) for finding in findings], indent=2))
    else:
        for finding in findings:
            typer.echo(written(finding, document))
        place = size if isinstance(size, int) else f"{size[0]}x{size[1]}"
        typer.echo(f"{document.source}: {plural(len(findings), 'finding')} at {place}", err=True)
    if strict and findings:
        raise typer.Exit(1)


@app.command()
def fix(
    spec: SpecArgument = "spec.yaml",
    budget: BudgetOption = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", metavar="FILE", help="write the edited spec to FILE instead of printing it"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """The smallest edit of a spec that meets a budget: fewest changed fields, then the smallest relative changes."""
    from archspec.loader import dump, load
    from search.budget.fix import fix as find
    from search.budget.fix import read_budget, record, report, write

    found = find(load(_existing(spec)), read_budget(budget or []))
    if out is not None:
        write(found, out)
    if as_json:
        typer.echo(json.dumps(record(found), indent=2))
        return
    mark = "# " if out is None else ""  # what is printed without --out is a spec
    for line in report(found):
        typer.echo(f"{mark}{line}")
    typer.echo(dump(found.spec) if out is None else f"wrote {out}", nl=out is not None)


@app.command()
def build(
    spec: SpecArgument,
    res: Annotated[Optional[int], typer.Option("--res", help="side of the image; chooses a declared variant")] = None,  # noqa: UP045
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", help="write weights to FILE.safetensors and the canonical spec to FILE.yaml"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="seed of the initial weights")] = 0,
) -> None:
    """Build the PyTorch model, run one image through it, print its stages, and write it if asked."""
    from archspec.cli.shared.cost_tables import console, part_table, plain, size
    from archspec.cost.measure import measure
    from archspec.loader import load

    loaded = load(spec)
    loaded = loaded.at(res or loaded.resolution)
    cost = measure(loaded)

    import torch

    from archspec.model.build import build as build_network

    torch.manual_seed(seed)
    network = build_network(loaded).eval()
    with torch.inference_mode():
        output = network(torch.zeros(1, loaded.channels, *cost.resolution))
    screen = console()
    screen.print(part_table(cost))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    screen.print(
        plain(f"built: {parameters:,} parameters; one image of {size(cost.resolution)} gives {size(output.shape[1:])}")
    )
    if out is not None:
        from archspec.model.weights import save

        weights, written = save(network, loaded, out)
        screen.print(plain(f"wrote {weights} and {written}"))


@app.command()
def show(
    spec: SpecArgument,
    form: Annotated[str, typer.Option("--form", help="rows, columns, canonical, or both rows and columns")] = "both",
) -> None:
    """The spec as archspec understands it, in row form and column form; both load to the same digest."""
    from archspec.errors import FieldError
    from archspec.loader import dump, encode, load

    forms = {"both": ("rows", "columns")}.get(form, (form,))
    if not set(forms) <= {"rows", "columns", "canonical"}:
        raise SpecError(f"must be rows, columns, canonical or both, not {form!r}", field="--form")
    loaded = load(spec)
    typer.echo(f"# {encode(loaded)}\n# digest {loaded.digest}")
    for name in forms:
        try:
            text = dump(loaded, name)
        except FieldError as error:
            text = f"# {error}\n"
        typer.echo(f"{'---' if name != forms[0] else ''}\n# {name}\n{text}", nl=False)


@app.command()
def validate(
    files: Annotated[list[str], typer.Argument(metavar="FILES...", help="specs, spaces, studies and plans")],
) -> None:
    """Check files without building anything; one line each."""
    failed = False
    for file in files:
        try:
            typer.echo(f"{file}: {_describe(file)}")
        except ArchspecError as error:
            failed = True
            typer.echo(str(error), err=True)
    if failed:
        raise typer.Exit(SpecError.exit_code)


@app.command()
def schema() -> None:
    """JSON Schema of the spec format, for completion and checks in editors."""
    from archspec.spec.json_schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@app.command()
def search(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY", help="a study or space file, the name of a shipped study or space, or a run to continue"
        ),
    ],
    name: Annotated[Optional[str], typer.Option("--name", help="name of the run; runs/NAME holds everything")] = None,  # noqa: UP045
    trials: Annotated[Optional[int], typer.Option("--trials", min=1, help="trained trials in all")] = None,  # noqa: UP045
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0, help="seconds after which the search proposes no further layout")
    ] = None,
    seed: Annotated[Optional[int], typer.Option("--seed", help="seed of sampler and training")] = None,  # noqa: UP045
    sampler: Annotated[
        str | None, typer.Option("--sampler", help="tpe, nsga2, nsga3, gp, random, qmc or exact")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="processes on this machine")] = 1,
    runs: Annotated[Path, typer.Option("--runs", help="folder of all runs")] = Path("runs"),
) -> None:
    """Search layouts for accuracy against cost; the same command again continues where it stopped."""
    from search.run.run import conduct
    from search.study.config import load_study

    asked = {"name": name, "trials": trials, "seed": seed, "sampler": sampler}
    config = load_study(study, runs, {key: value for key, value in asked.items() if value is not None})
    finished = conduct(config, runs, workers=workers, timeout=timeout)
    if not finished:
        raise typer.Exit(130)


app.command()(presets)
app.command()(ablate)
app.command()(space)
app.command()(edf)
app.command()(power)
app.command()(paper)
app.command()(infer)
app.command()(convert)
app.command()(hiri)
app.command()(report)
app.command()(review)


def _flops_symbolic(spec: str, res: list[str] | None, *, per_layer: bool, as_json: bool) -> None:
    from archspec.cli.shared.cost_tables import console
    from archspec.cli.shared.symbolic_tables import examine, one_side, print_symbolic, symbolic_record
    from archspec.loader import load

    loaded = load(_existing(spec))
    sides = [one_side(size) for size in resolutions(res)]
    results = [examine(loaded, side) for side in sides or [None]]
    if as_json:
        records = [symbolic_record(result) for result in results]
        typer.echo(json.dumps(records[0] if len(records) == 1 else records, indent=2))
        return
    for result in results:
        print_symbolic(console(), loaded, result, per_part=per_layer)


def _existing(spec: str) -> str:
    if spec == "spec.yaml" and not Path(spec).exists():
        rule = "no such file; name a spec, a preset (see `archspec presets`) or a short code"
        raise SpecError(rule, source=spec)
    return spec


def _describe(file: str) -> str:
    from archspec.cli.shared.cost_tables import short
    from archspec.cost.measure import measure
    from archspec.documents.wording import plural
    from archspec.loader import find_document, parse
    from search.ablation.plan import parse_plan
    from search.ablation.rows import Ablation
    from search.space.holes import has_holes
    from search.space.space import parse_space
    from search.study.config import parse_study

    document = find_document(file)
    data = document.data
    if isinstance(data, dict) and "space" in data:
        config = parse_study(document)
        return f"a study of {config.trials} trials"
    if isinstance(data, dict) and "views" in data:
        ablation = Ablation(parse_plan(document))
        rows, views = plural(ablation.size, "row"), plural(len(ablation.tables), "view")
        return f"a plan of {rows} in {views}, {len(ablation.runs)} distinct"
    if has_holes(data):
        return f"a space of {parse_space(document).count():,} layouts"
    spec = parse(document)
    cost = measure(spec)
    place = spec.image if isinstance(spec.image, int) else "x".join(map(str, spec.image))
    return f"a spec: {short(cost.params)} params, {short(cost.macs)} MACs at {place}"
