"""How a package is added to this environment, told without disturbing it."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

from engine import packages


def test_the_command_names_this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert packages.how_to_add("a", "b").startswith(("uv pip install", sys.executable))
    assert packages.how_to_add("a", "b").endswith(" a b")
    assert sys.executable in packages.how_to_add("a")

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(packages.metadata, "version", missing)
    assert packages.how_to_add("a") == f"uv pip install --python {sys.executable} a"


def test_a_process_that_told_it_can_still_use_setuptools() -> None:
    """As torch's compiler does."""
    code = "from engine.packages import how_to_add; how_to_add('a'); import setuptools"
    subprocess.run([sys.executable, "-c", code], check=True)
