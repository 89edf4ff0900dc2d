"""The command line as typer sees it: help, the server's options, what is wrong with a mistake."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from typing import Annotated

import typer

from lsp_server.commands.fault import USAGE, CommandError
from lsp_server.commands.lazy import LazyGroup
from lsp_server.commands.options import Device, Factory, Model
from lsp_server.commands.serve import LEVELS, LOCAL, ServerOptions, serve

# No shell completion: a shell asks for it by running the bare command, which is the server.
app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 100},
)


def run_command(arguments: Sequence[str]) -> int:
    try:
        code = app(list(arguments), prog_name="infill-ls", standalone_mode=False)
    except typer.TyperException as mistake:
        message = mistake.format_message().strip().rstrip(".")
        context = getattr(mistake, "ctx", None)
        command = context.command_path if context is not None else "infill-ls"
        raise CommandError(f"{message}: see `{command} --help`", mistake.exit_code) from mistake
    return code if isinstance(code, int) else 0


@app.callback(invoke_without_command=True)
def language_server(
    context: typer.Context,
    stdio: Annotated[
        bool, typer.Option("--stdio", help="Speak LSP on stdio: the default.")
    ] = False,
    tcp: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:]PORT", help=f"Listen on a socket. HOST is {LOCAL} if not given."
        ),
    ] = None,
    ws: Annotated[
        str | None, typer.Option(metavar="[HOST:]PORT", help="Listen for a WebSocket.")
    ] = None,
    model: Model = "embedded",
    device: Device = None,
    log_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Log to FILE and not to stderr.")
    ] = None,
    log_level: Annotated[
        str, typer.Option(metavar="LEVEL", help=f"One of {', '.join(LEVELS)}.")
    ] = "warning",
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    factory: Factory = None,
) -> None:
    """Fill gaps in code with a text-diffusion model on your own machine.

    Without a command: the language server, for an editor to start.
    """
    if version:
        print(f"infill-ls {installed_version()}")
        raise typer.Exit
    options = ServerOptions(model, device, tcp, ws, log_file, log_level, factory)
    command = context.invoked_subcommand
    if command is None:
        serve(options)
    elif options != ServerOptions() or stdio:
        raise CommandError(f"options of {command} come after it: infill-ls {command} ...", USAGE)


def installed_version() -> str:
    try:
        return metadata.version("infill-ls")
    except metadata.PackageNotFoundError:
        return "(run from a source tree)"
