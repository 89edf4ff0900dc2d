"""Packages that are used where they are installed, and how to add one that is not.

A user is told the other package's own name and the environment that it belongs into, not an extra
of this one: an index would be asked for our name, under which we publish nothing.
"""

from __future__ import annotations

import sys
from importlib import metadata


def how_to_add(*packages: str) -> str:
    """The command that puts `packages` into the environment that runs this process."""
    if not _has_pip():
        return f"uv pip install --python {sys.executable} {' '.join(packages)}"
    return f"{sys.executable} -m pip install {' '.join(packages)}"


def _has_pip() -> bool:
    """uv makes environments without it. It is not searched for as a module: setuptools takes that
    for the start of pip, and this process could no longer compile anything."""
    try:
        metadata.version("pip")
    except metadata.PackageNotFoundError:
        return False
    return True
