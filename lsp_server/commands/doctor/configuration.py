"""What the user has set: `infill.*` where VS Code keeps it, and INFILL_* in the environment."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lsp_server.commands.doctor.finding import Finding, ok, warning
from lsp_server.settings import SECTION, Settings

DOCS = "see `infill-ls settings` for what there is"
SECONDS = ("INFILL_LINGER", "INFILL_UNLOAD_AFTER", "INFILL_CANCEL_PATIENCE")
CHOICES = {"INFILL_TRANSPORT": ("", "unix", "tcp"), "INFILL_KERNELS": ("", "reference", "triton")}
SECRET = "KEY"  # in a variable's name: its value is never printed
# A text, which stays; or else a comment, or a comma before a bracket that closes.
COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
LAST_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')


def settings(folder: Path | None = None) -> Iterator[Finding]:
    """Of the user, and of the folder that this is run in."""
    local = (folder or Path.cwd()) / ".vscode" / "settings.json"
    there = [path for path in (*user_files(), local) if path.is_file()]
    found = [finding for path in there for finding in examine(path)]
    yield from found or [ok("settings", "no settings of VS Code have a fault in them")]


def examine(path: Path) -> Iterator[Finding]:
    """What is wrong in one file."""
    try:
        given = read_settings(path)
    except (OSError, ValueError) as error:
        yield warning("settings", f"{path} cannot be read: {error}", "fix the file")
        return
    _, problems = Settings().updated(given)
    for problem in problems.values():
        yield warning("settings", f"{path}: {problem}", DOCS)


def read_settings(path: Path) -> dict[str, Any]:
    """What a file of VS Code (JSON with comments) says of `infill`, by our names."""
    document = json.loads(without_comments(path.read_text(encoding="utf-8")) or "{}")
    if not isinstance(document, dict):
        raise ValueError("it holds no JSON object")
    prefix = f"{SECTION}."
    return {
        name.removeprefix(prefix): value
        for name, value in document.items()
        if name.startswith(prefix)
    }


def without_comments(text: str) -> str:
    """JSON of `text`, in which comments and a comma after the last item are allowed."""
    bare = COMMENT.sub(lambda found: found[1] or " ", text)
    return LAST_COMMA.sub(lambda found: found[1] or "", bare).strip()


def user_files() -> Iterator[Path]:
    """Where VS Code, its insiders' version, VSCodium and Cursor keep the user's settings."""
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for editor in ("Code", "Code - Insiders", "VSCodium", "Cursor"):
        yield base / editor / "User" / "settings.json"


def environment(given: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """A variable that is not understood is passed over in silence elsewhere: here it is told."""
    variables = os.environ if given is None else given
    report = []
    for name in SECONDS:
        value = variables.get(name, "")
        if value and not _is_seconds(value):
            yield warning("environment", f"{name} is {value!r}", 'give seconds, or "never"')
            report.append(name)
    for name, choices in CHOICES.items():
        value = variables.get(name, "")
        if value not in choices:
            allowed = " or ".join(filter(None, choices))
            yield warning("environment", f"{name} is {value!r}", f"say {allowed}, or unset it")
            report.append(name)
    if not report:
        message = ", ".join(_shown(name, variables[name]) for name in sorted(variables)
                         if name.startswith("INFILL_"))  # fmt: skip
        yield ok("environment", message or "no variable INFILL_* is set")


def _shown(name: str, value: str) -> str:
    return f"{name} is set" if SECRET in name else f"{name}={value}"


def _is_seconds(value: str) -> bool:
    try:
        return value == "never" or float(value) >= 0
    except ValueError:
        return False
