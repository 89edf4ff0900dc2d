"""What a user sees in VS Code: interface.mjs, in Chromium, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from tests.editors.vscode.server import CodeServer

INSIDE = False
SLOW = {"steps": 60, "delay": 0.1}
FILLS: list[dict[str, Any]] = [
    {"after": "total = ", "text": "alpha + beta_two"},
    {"after": "again = ", "text": "not wanted"},
    {"after": "doubt = ", "text": "uncertain()", "confidence": 0.18},
    {"after": "after_all = ", "text": "alive"},
    {"after": "if not values:", "text": "\n        return 0\n    return sum(values) / len(values)"},
    {"after": "inner = ", "texts": ["width * height", "border"], **SLOW},
    {
        "after": "def summed(values):\n    ",
        "text": (
            "total = 0\n    for value in values:\n        total += value  # so far 🎉\n"
            "    return total"
        ),
        **SLOW,
        "steps": 200,
    },
]
HOLES = """border = 2


def area(width, height):
    inner = ...
    return inner + ...


def summed(values):
    pass


def after(all):
    return all
"""
VECTOR = """class Vector:
    def __init__(self, x, y):
        self.x = x

    def dot(self, other):
        return self.x * other.x + self.y * other.y

    def length(self):
        pass
"""


@pytest.fixture(scope="module")
def told(code_server: CodeServer) -> dict[str, dict[str, Any]]:
    scripted = code_server.scripted(FILLS)
    files = dict.fromkeys(("ghost.py", "killed.py", "manual.py"), "alpha = 1\n")
    missing = {"infill.server.path": "/nowhere/infill-ls"}
    fresh = {key: value for key, value in scripted.items() if key != "infill.server.path"}
    dark = {"workbench.colorTheme": "Default Dark Modern"}
    unsure = {"infill.minConfidence": 0}  # the model alone is seldom sure enough to show by itself
    folders = {
        "first": code_server.workspace("first", {**files, "holes.py": HOLES}, scripted),
        "second": code_server.workspace("second", files, scripted),
        "without": code_server.workspace("without", files, missing),
        "fresh": code_server.workspace("fresh", files, fresh),
        "embedded": code_server.workspace(
            "embedded", {"vector.py": VECTOR}, {**code_server.real(), **dark, **unsure}
        ),
    }
    results = code_server.run(
        "interface.mjs",
        folders={k: str(v) for k, v in folders.items()},
        wheel="https://example.com/infill_ls-0.1.0-py3-none-any.whl",
        installed=str(code_server.installed_by_uv),
    )
    return {result["name"]: result for result in results}


CASES = (
    "the first start shows the walkthrough",
    "ghost text appears",
    "ghost text follows what is typed into it",
    "ghost text is accepted by word",
    "ghost text is accepted whole",
    "ghost text is dismissed",
    "ghost text of several lines",
    "code actions are offered",
    "the live canvas shows all holes sharpen",
    "a fill of several lines, coloured by confidence",
    "escape cancels the fill and its work",
    "the status bar says why it is quiet, and shows it anyway",
    "the status bar tells the latency",
    "the menu pauses and resumes",
    "the menu stops fills that nobody has asked for",
    "the menu offers models",
    "two windows share one engine",
    "both windows survive a killed engine",
    "without a server there is an offer, and nothing runs",
    "one button installs the server and shows the progress",
    "in a dark theme, by the model that ships",
)


@pytest.mark.parametrize("case", CASES)
def test_interface(told: dict[str, dict[str, Any]], case: str) -> None:
    assert case in told, "not tried: others have failed before it"
    assert told[case]["error"] == ""
