"""The command `archspec lint`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from archspec.cli.shared.options import SetOption, SpecArgument, edited, existing, resolutions
from archspec.documents.safe_text import printable

PANEL = "Design"


def lint(
    spec: SpecArgument = "spec.yaml",
    res: Annotated[
        str | None, typer.Option("--res", metavar="PIXELS", help="side of the image, or HEIGHTxWIDTH")
    ] = None,
    settings: SetOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="exit with code 1 if there is any finding")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="findings as JSON")] = False,
) -> None:
    """Warnings on a spec that is valid, with numbers, file and line. They leave the exit code at 0."""
    from archspec.documents.reader import Document
    from archspec.documents.wording import plural
    from archspec.lint.lint import lint as find
    from archspec.lint.lint import record, written
    from archspec.loader import find_document, parse
    from archspec.loader import written as plain

    document = find_document(existing(spec))
    loaded = edited(parse(document), settings)
    if settings:  # no line of the file says what is edited
        document = Document(plain(loaded), document.source)
    size = resolutions([res])[0] if res is not None else loaded.resolution
    findings = find(loaded, size)
    if as_json:
        typer.echo(json.dumps([record(finding, document) for finding in findings], indent=2))
    else:
        for finding in findings:
            typer.echo(printable(written(finding, document)))
        place = size if isinstance(size, int) else f"{size[0]}x{size[1]}"
        typer.echo(printable(f"{document.source}: {plural(len(findings), 'finding')} at {place}"), err=True)
    if strict and findings:
        raise typer.Exit(1)
