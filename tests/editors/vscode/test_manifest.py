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
    _, server = MANIFEST["contributes"]["configuration"]
    return dict(server["properties"])


def test_settings_are_those_of_the_server() -> None:
    """The types that VS Code has no field for aside, and what only it wants to know."""
    ours = {"scope", "order", "description", "markdownDescription", "enum", "enumItemLabels"}
    for name, part in schema().items():
        there = settings()[name]
        words = part["description"].replace("null: ", "automatic: ").replace("null", "empty")
        assert there.get("description", there.get("markdownDescription")) == words
        if part["type"] == ["string", "null"]:
            assert (there["type"], there["default"]) == ("string", "")
            continue
        left = {key: value for key, value in there.items() if key not in ours}
        kept = {key: value for key, value in part.items() if key not in ours}
        assert left == kept, f"package.json is stale: run `{UPDATE}`"
        if "enum" in part:
            assert there["enum"] == part["enum"]


def test_every_setting_can_be_edited_in_the_settings_editor() -> None:
    """A pair of types has a field only for numbers, and for what is chosen from a list."""
    for part in settings().values():
        if isinstance(part["type"], list):
            assert part["type"][0] in ("integer", "number") or "enum" in part


def test_settings_are_in_the_order_of_the_server() -> None:
    assert list(settings()) == list(schema()), f"package.json is stale: run `{UPDATE}`"
    assert [part["order"] for part in settings().values()] == list(range(len(settings())))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_server_has_a_title(command: str) -> None:
    titles = {each["command"]: each["title"] for each in MANIFEST["contributes"]["commands"]}
    assert titles.get(command)


def test_the_lock_file_names_no_registry() -> None:
    """It holds for whoever installs, from wherever."""
    assert '"resolved"' not in LOCK
