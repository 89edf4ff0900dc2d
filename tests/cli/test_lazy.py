"""Only the subcommand that runs is imported, and the help of all of them is what each says."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest
import typer

from lsp_server.commands.lazy import COMMANDS

HEAVY = {"lsprotocol.types", "pygls", "tree_sitter", "asyncio"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_all_is_that_of_each(name: str) -> None:
    where, words = COMMANDS[name]
    module = import_module(f"lsp_server.commands.{where}")
    app = getattr(module, "app", None)
    own = app.info.help if isinstance(app, typer.Typer) else module.command.__doc__
    assert " ".join(own.strip().split("\n\n")[0].split()).rstrip(".") == words.rstrip(".")


@pytest.mark.parametrize(
    "arguments",
    ["--version", "--help", "settings", "models --help", "doctor --help", "pull --help"],
)
def test_what_does_not_run_is_not_imported(arguments: str) -> None:
    code = (
        "import sys\nfrom lsp_server.commands.app import run_command\n"
        f"try:\n    run_command({arguments.split()!r})\nfinally:\n"
        f"    print('loaded', *({HEAVY!r} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == "loaded", run.stderr
