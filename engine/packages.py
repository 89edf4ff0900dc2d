"""Packages that are used where they are installed, and how to add one that is not.

A user is told the other package's own name and the environment that it belongs into, not an extra
of this one: an index would be asked for our name, under which we publish nothing.
"""

from __future__ import annotations

import importlib.util
import sys


def how_to_add(*packages: str) -> str:
    """The command that puts `packages` into the environment that runs this process."""
    if importlib.util.find_spec("pip") is None:  # uv makes environments without it
        return f"uv pip install --python {sys.executable} {' '.join(packages)}"
    return f"{sys.executable} -m pip install {' '.join(packages)}"
