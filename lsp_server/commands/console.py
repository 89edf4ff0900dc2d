"""The terminal that a command writes to."""

from __future__ import annotations

import sys

from rich.console import Console


def terminal(*, stderr: bool = False) -> Console:
    """A console that shows what the terminal's encoding lacks as `?` and never fails over it."""
    stream = sys.stderr if stderr else sys.stdout
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")
    return Console(stderr=stderr, highlight=False)
