"""The command `infill-ls`. Without a subcommand it is the language server.

Every editor start runs through here, so the way to the server imports neither typer nor rich: a
server's options that are plainly right are read by hand, and everything else (help, a subcommand,
a mistake to explain) goes to `lsp_server.commands.app`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from lsp_server.commands.fault import CommandError, one_line
from lsp_server.commands.serve import ServerOptions, serve

INTERRUPTED = 130  # what a shell reports for a command that ctrl-c ended


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Never raises but SystemExit: a failure is one line on stderr and an exit code."""
    try:
        code = run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except CommandError as fault:
        print(f"infill-ls: {one_line(str(fault))}", file=sys.stderr)
        code = fault.exit_code
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:  # `infill-ls fill ... | head`; the flush at exit must not fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 1
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    options = plain_server_options(arguments)
    if options is not None:
        serve(options)
        return 0
    from lsp_server.commands.app import run_command

    return run_command(arguments)


_TAKES_A_VALUE = {
    f"--{name.replace('_', '-')}": name for name in ServerOptions.__dataclass_fields__
}


def plain_server_options(arguments: Sequence[str]) -> ServerOptions | None:
    """The server's options if `arguments` are nothing else, None if somebody should look closer."""
    given: dict[str, str] = {}
    rest = iter(arguments)
    for argument in rest:
        if argument == "--stdio":
            continue
        name, equals, value = argument.partition("=")
        field = _TAKES_A_VALUE.get(name)
        if field is None:
            return None
        if not equals:
            value = next(rest, "")
        if not value or (value.startswith("-") and not equals):
            return None
        given[field] = value
    return ServerOptions(**given)
