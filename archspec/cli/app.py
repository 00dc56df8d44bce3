"""The command `archspec`: its options, its exit codes, and the commands, each of them a file of `commands`.

A command is imported when it is called, and imports what it needs when it runs, so that only `build`, `search` and
`flops --verify` wait for torch.
"""

from __future__ import annotations

import os
import pkgutil
import signal
import sys
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from importlib import import_module
from types import FrameType
from typing import Annotated, Any, NoReturn, TextIO

import typer

from archspec import __version__
from archspec.cli import commands
from archspec.cli.shared.encoding import make_printable
from archspec.cli.shared.options import check_sides
from archspec.documents.safe_text import printable
from archspec.errors import ArchspecError
from archspec.files.os_errors import EXHAUSTED, explain
from archspec.shadowing import check_packages

PANELS = ("Design", "Search", "Ablate", "Papers")
"""Groups of commands, in the order of `archspec --help`."""


def main() -> NoReturn:
    """Run the command line; bad input is one line and exit code 2, a failure of ours or of the system exit code 1."""
    make_printable()
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    with _ended_by_signals():
        code = _finish(_run([asked] if asked in command_names() else command_names()))
    sys.exit(code)


def _run(names: list[str]) -> int | str | None:
    """The exit code of the command line with these commands; what is wrong is said on stderr."""
    try:
        check_packages()
        check_sides(sys.argv[1:])
        make_app(names)()
    except SystemExit as end:
        return end.code
    except ArchspecError as error:
        _say(str(error))
        return error.exit_code
    except BrokenPipeError:
        _drop(sys.stdout, sys.stderr)  # the reader went away: nothing to say, and nobody to say it to
        return 1
    except OSError as error:  # files are written with their names
        printed = error.filename is None and error.errno in EXHAUSTED
        _say(f"standard output: {explain(error)}" if printed else explain(error))
        return 1
    except MemoryError:
        _say("out of memory")
        return 1
    return 0


def _finish(code: int | str | None) -> int | str | None:
    """The exit code once all output is written, which a full disk or a reader that went away may prevent."""
    try:
        if sys.stdout is not None:  # closed by whoever started us
            sys.stdout.flush()
    except BrokenPipeError:
        _drop(sys.stdout, sys.stderr)
        return code or 1
    except OSError as error:
        _drop(sys.stdout)
        _say(f"standard output: {explain(error)}")
        return code or 1
    return code


def _say(text: str) -> None:
    with suppress(OSError):
        print(f"archspec: {printable(text)}", file=sys.stderr)  # noqa: T201


def _drop(*streams: TextIO | None) -> None:
    """Lead what streams still hold nowhere, so that Python does not fail in writing it when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        with suppress(OSError, ValueError, AttributeError):
            if stream is not None:
                os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


@contextmanager
def _ended_by_signals() -> Generator[None]:
    """End by SIGTERM and SIGHUP as by Ctrl-C, so that what stands half written is removed on the way out."""

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # no other one may
        yield
        return
    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # One that is ignored already stays so: `nohup` asks for that.
    caught: list[signal.Signals] = [one for one in known if signal.getsignal(one) is signal.SIG_DFL]
    try:
        for number in caught:
            signal.signal(number, end)
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


def command_names() -> list[str]:
    """Names of all commands, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(commands.__path__))


def make_app(names: Iterable[str]) -> typer.Typer:
    """The command line with these commands.

    A command is the function `name` of the module `name`; its `PANEL` is the group that `archspec --help` shows it in,
    its `EXAMPLE` what its own help ends with.
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
        command = getattr(module, module.__name__.rpartition(".")[2])
        app.command(rich_help_panel=module.PANEL, epilog=f"Example: {module.EXAMPLE}")(command)
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
