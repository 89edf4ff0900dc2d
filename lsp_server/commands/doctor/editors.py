"""Editors on this machine that can be clients, and what each of them needs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lsp_server.commands.doctor.asking import NoAnswer, ask
from lsp_server.commands.doctor.finding import Finding, ok, warning

PATIENCE = 10.0  # seconds
VERSION = re.compile(r"\d+(?:\.\d+)+")


@dataclass(frozen=True, slots=True)
class Editor:
    """`asked` makes it tell its version. `ghost_text` is the first version that shows inline
    completions of a language server by itself; None where that is for a plugin, or not at all, and
    fills come as completions and code actions. `extensions`: where a VS Code keeps them, below the
    home folder."""

    name: str
    command: str
    ghost_text: tuple[int, ...] | None = None
    extensions: str | None = None
    asked: str = "--version"


EDITORS = (
    Editor("VS Code", "code", extensions=".vscode/extensions"),
    Editor("VS Code Insiders", "code-insiders", extensions=".vscode-insiders/extensions"),
    Editor("VSCodium", "codium", extensions=".vscode-oss/extensions"),
    Editor("Cursor", "cursor", extensions=".cursor/extensions"),
    Editor("Neovim", "nvim", ghost_text=(0, 12)),
    Editor("Helix", "hx"),
    Editor("Emacs", "emacs"),
    Editor("Sublime Text", "subl"),
    Editor("Kakoune", "kak", asked="-version"),
    Editor("Zed", "zed"),
)
EXTENSION = "*infill-ls*"


def editors() -> Iterator[Finding]:
    found = [editor for editor in EDITORS if shutil.which(editor.command)]
    if not found:
        names = ", ".join(editor.command for editor in EDITORS)
        yield warning(
            "editors",
            f"none of {names} is on PATH",
            "nothing, if yours is another one: any client of the Language Server Protocol will do",
        )
    for editor in found:
        yield examine(editor)


def examine(editor: Editor, home: Path | None = None) -> Finding:
    try:
        output = VERSION.search(ask([editor.command, editor.asked], PATIENCE))
    except NoAnswer as why:
        message = f"`{editor.command} {editor.asked}` fails: {why}"
        return warning("editors", f"{editor.name}: {message}", f"look at why {editor.name} fails")
    version = output[0] if output else "of unknown version"
    message = f"{editor.name} {version}"
    if editor.extensions is not None:
        folder = (home or Path.home()) / editor.extensions
        if not any(folder.glob(EXTENSION)):
            return warning(
                "editors", f"{message}, without the extension", "install it: see editors/vscode"
            )
        return ok("editors", f"{message}, with the extension")
    if (
        editor.ghost_text is not None
        and output is not None
        and _numbers(version) < editor.ghost_text
    ):
        first = ".".join(map(str, editor.ghost_text))
        return warning(
            "editors",
            f"{message} shows no ghost text by itself",
            f"use {first} or later, or the plugin in editors/; completions come all the same",
        )
    return ok("editors", message)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
