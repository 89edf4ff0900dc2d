"""Asking other programs: how a check runs one, and what it gets when that goes wrong."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from lsp_server import child


class NoAnswer(Exception):
    """The program could not be run, failed, or took too long; the text is its last word."""


def ask(command: list[str], seconds: float, env: dict[str, str] | None = None) -> str:
    """What `command` prints. Raises NoAnswer; after `seconds` the program is ended."""
    try:
        run = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            env=env,
        )
    except subprocess.TimeoutExpired:
        raise NoAnswer(f"no answer within {seconds:g} s") from None
    except OSError as error:
        raise NoAnswer(error.strerror or str(error)) from None
    if run.returncode != 0:
        output = [line.strip() for line in (run.stderr + run.stdout).splitlines() if line.strip()]
        raise NoAnswer(output[-1] if output else f"it ended with status {run.returncode}")
    return run.stdout


def ask_engine(seconds: float, *arguments: str) -> dict[str, Any]:
    """What `engine.measure.diagnosis` tells, in a process of its own."""
    return ask_module(seconds, "engine.measure.diagnosis", *arguments)


def ask_module(seconds: float, module: str, *arguments: str) -> dict[str, Any]:
    """The JSON object that a module of the engine prints, in a process of its own."""
    output = ask(child.command(module, *arguments), seconds, child.environment())
    try:
        report = json.loads(output)
    except ValueError:
        raise NoAnswer("it answered nonsense") from None
    return dict(report)
