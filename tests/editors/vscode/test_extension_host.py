"""The extension inside VS Code's extension host: suite.cjs, case by case."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.editors.vscode.server import CodeServer

INSIDE = True
SLOW = {"steps": 20, "delay": 0.05}
FILLS: list[dict[str, Any]] = [
    {"after": "total = ", "text": "'🎉' + alpha"},
    {"after": "inner = ", "texts": ["w * h", "1"], **SLOW},
    {"after": 's = "🎉"\n    ', "text": 'if s:\n        return s\n    return "🎈"'},
    {"after": "endless():\n    ", "text": "never", "steps": 1000, "delay": 0.02},
]


@pytest.fixture(scope="module")
def told(code_server: CodeServer) -> dict[str, dict[str, Any]]:
    other = code_server.script("other.json", [{"text": '"other"'}])
    facts = {"journal": str(code_server.journal), "other": str(other)}
    folder = code_server.workspace(
        "workspace", {"told.json": json.dumps(facts)}, code_server.scripted(FILLS)
    )
    results = code_server.run("host.mjs", folder=str(folder))
    return {result["name"]: result for result in results}


CASES = (
    "starts, and tells its model and device",
    "accepts ghost text after an emoji, with CRLF",
    "resolves a code action to its edit",
    "fills several holes at once, and shows each of them",
    "is undone in one step",
    "cancels a fill, and the work on it",
    "leaves alone what is changed meanwhile",
    "passes a change of the settings on",
    "starts a server again that has ended",
    "says where no server is, and finds it once it is named",
    "offers every command it names",
)


@pytest.mark.parametrize("case", CASES)
def test_extension_host(told: dict[str, dict[str, Any]], case: str) -> None:
    assert case in told, "not tried: others have failed before it"
    assert told[case]["error"] == ""
