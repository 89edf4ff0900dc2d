"""`infill-ls settings`: what can be set, for people, for editors and for docs/settings.md."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from lsp_server import settings
from lsp_server.commands.fault import USAGE, CommandError


def command(
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema that editors use.")
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the page docs/settings.md.")
    ] = False,
) -> None:
    """List the settings of the language server, with their types and defaults."""
    if schema and markdown:
        raise CommandError("--schema and --markdown are two outputs: give one of them", USAGE)
    if schema:
        print(json.dumps(settings.as_json_schema(), indent=2))
    elif markdown:
        print(settings.as_markdown(), end="")
    else:
        for name, part in settings.schema().items():
            print(f"{name} = {json.dumps(part['default'])}\n    {part['description']}")
