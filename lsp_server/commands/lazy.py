"""The subcommands by name. Only the one that runs is imported: some take a second to import."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

# Where each is, and the line that the help of `infill-ls` has for it: a test holds it against the
# first sentence of the command's own help.
COMMANDS = {
    "fill": (
        "fill",
        "Fill a gap in a file and print it in place; the file changes only with --write.",
    ),
    "demo": (
        "demo.command",
        "Walk real files as somebody types them, and show what would be offered and what not.",
    ),
    "engine": ("engine", "The process that owns the model."),
    "settings": (
        "settings",
        "List the settings of the language server, with their types and defaults.",
    ),
    "stats": (
        "stats",
        "Show what was shown, accepted and kept. Counted on this machine, and told to nobody.",
    ),
    "index": (
        "index",
        "Bring the index of a folder up to date. The language server does so by itself.",
    ),
    "pull": (
        "pull",
        "Fetch a model from the Hugging Face hub; run it again to resume an interrupted download.",
    ),
    "models": (
        "models",
        "List the models that are here or can be pulled, and what would run well on this machine.",
    ),
    "eval": ("eval", "Measure a model on HumanEval-Infilling, SantaCoder-FIM or your own files."),
    "tune": (
        "tune",
        "Teach the model the code of a folder; what it learned stays on this machine.",
    ),
    "playground": (
        "playground",
        "Place holes in code on a local page, and watch the canvas resolve step by step.",
    ),
    "doctor": (
        "doctor.command",
        "Look at everything that a fill passes through, and say what to fix.",
    ),
    "bench": (
        "bench.command",
        "Time ghost text on this machine, as text that can be pasted into an issue.",
    ),
}


class LazyGroup(TyperGroup):
    def list_commands(self, context: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: Any, name: str) -> Any:
        if name not in COMMANDS:
            return None
        module = import_module(f"lsp_server.commands.{COMMANDS[name][0]}")
        if isinstance(found := getattr(module, "app", None), typer.Typer):
            command = get_command(found)
        else:
            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            alone.command(name, context_settings={"max_content_width": 100})(module.command)
            command = get_command(alone)
        command.name = name
        return command

    def format_commands(self, context: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])
