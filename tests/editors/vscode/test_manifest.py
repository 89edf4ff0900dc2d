"""editors/vscode/package.json says what the server says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lsp_server.capabilities import COMMANDS
from lsp_server.settings import schema
from tests.editors.vscode.server import EXTENSION

UPDATE = "infill-ls settings --schema | node editors/vscode/scripts/settings.mjs"
MANIFEST = json.loads((EXTENSION / "package.json").read_text())
LOCK = (EXTENSION / "package-lock.json").read_text()


def settings() -> dict[str, Any]:
    """The section of the server's, without what only VS Code wants to know."""
    _, server = MANIFEST["contributes"]["configuration"]
    parts = {}
    for name, part in server["properties"].items():
        words = part.get("description") or part.get("markdownDescription")
        rest = {key: part[key] for key in part if key not in ("scope", "markdownDescription")}
        parts[name] = {**rest, "description": words}
    return parts


def test_settings_are_those_of_the_server() -> None:
    assert settings() == schema(), f"package.json is stale: run `{UPDATE}`"


def test_settings_are_in_the_order_of_the_server() -> None:
    assert list(settings()) == list(schema()), f"package.json is stale: run `{UPDATE}`"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_server_has_a_title(command: str) -> None:
    titles = {each["command"]: each["title"] for each in MANIFEST["contributes"]["commands"]}
    assert titles.get(command)


def test_the_lock_file_names_no_registry() -> None:
    """It holds for whoever installs, from wherever."""
    assert '"resolved"' not in LOCK
