"""The command `archspec`: its options, its exit codes, and the commands, each of them a file of `commands`.

A command is imported when it is called, and imports what it needs when it runs, so that only `build`, `search` and
`flops --verify` wait for torch.
"""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer

from archspec import __version__
from archspec.cli import commands
from archspec.documents.safe_text import printable
from archspec.errors import ArchspecError
from archspec.shadowing import check_packages

PANELS = ("Design", "Search", "Ablate", "Papers")
"""Groups of commands, in the order of `archspec --help`."""


def main() -> NoReturn:
    """Run the command line; bad input is one line and exit code 2, a failure of ours exit code 1."""
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        check_packages()
        make_app([asked] if asked in command_names() else command_names())()
    except ArchspecError as error:
        print(f"archspec: {printable(str(error))}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away: nothing to say, and nobody to say it to
        sys.exit(1)
    sys.exit(0)


def command_names() -> list[str]:
    """Names of all commands, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(commands.__path__))


def make_app(names: Iterable[str]) -> typer.Typer:
    """The command line with these commands.

    A command is the function `name` of the module `name`; its `PANEL` is the group that `archspec --help` shows it in.
    """
    app = typer.Typer(
        name="archspec",
        help="Declare a vision backbone, know its exact cost, build it, search around it.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    modules = [import_module(f"{commands.__name__}.{name}") for name in names]
    for module in sorted(modules, key=lambda module: PANELS.index(module.PANEL)):
        app.command(rich_help_panel=module.PANEL)(getattr(module, module.__name__.rpartition(".")[2]))
    return app


def __getattr__(name: str) -> Any:
    """`app`, the whole command line, for `python -m typer --app app archspec.cli.app`."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return make_app(command_names())


def _version(value: bool) -> None:
    if value:
        typer.echo(f"archspec {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    del version
