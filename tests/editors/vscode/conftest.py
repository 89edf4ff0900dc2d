"""The real VS Code: skipped by name where it is not installed, unless it is required."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import new_folder
from tests.editors.vscode.server import BUILD, VSIX, CodeServer, Installed, chromium

VERSIONS = ("1.139", "1.99")


@pytest.fixture(scope="session", params=VERSIONS)
def installed(request: pytest.FixtureRequest) -> Installed:
    """The environment names in INFILL_REQUIRED what must not be skipped."""
    installed = Installed(BUILD / request.param)
    if missing := _missing(installed):
        required = f"vscode-{request.param}" in os.environ.get("INFILL_REQUIRED", "").split()
        (pytest.fail if required else pytest.skip)(missing)
    return installed


@pytest.fixture(scope="module")
def code_server(installed: Installed, request: pytest.FixtureRequest) -> Iterator[CodeServer]:
    folder = Path(new_folder())
    with CodeServer(installed, folder, request.module.INSIDE) as server:
        yield server
    shutil.rmtree(folder, ignore_errors=True)


def _missing(installed: Installed) -> str | None:
    if not (installed.folder / ".complete").exists():
        return f"there is no VS Code in {installed.folder}: .ci/vscode installs it"
    if not VSIX.exists():
        return f"there is no {VSIX}: run `make vscode`"
    if chromium() is None:
        return "there is no Chromium: .ci/run installs it, or INFILL_CHROMIUM names one"
    return None
