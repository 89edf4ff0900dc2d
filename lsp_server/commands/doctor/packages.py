"""Python, the command that editors start, and Triton. torch is looked at with the card."""

from __future__ import annotations

import json
import platform
import shutil
import sys
from importlib import metadata, util

from lsp_server.commands.doctor.finding import Finding, ok, warning, wrong

OLDEST_PYTHON = (3, 11)


def _again() -> str:
    """Never by its bare name: whoever published under that name would run code here."""
    try:
        told = metadata.distribution("infill-ls").read_text("direct_url.json") or ""
        source = str(json.loads(told)["url"])
    except (metadata.PackageNotFoundError, ValueError, KeyError, TypeError):
        source = "PATH-OF-THE-RELEASE-FILE"
    place = source.removeprefix("file://")
    return (
        f"install infill-ls anew, in an environment of its own: uv tool install --force '{place}'"
    )


AGAIN = _again()


def python() -> Finding:
    report = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        return wrong("python", report, f"use Python {oldest} or later")
    return ok("python", f"{report}, in {sys.prefix}")


def command() -> Finding:
    """Editors start `infill-ls` by that name."""
    found = shutil.which("infill-ls")
    if found is None:
        return warning(
            "command",
            "`infill-ls` is on no path that this shell searches, so editors may not find it",
            "put its folder on PATH, or give your editor its full path",
        )
    return ok("command", f"{found}, version {version_of('infill-ls') or 'of a source tree'}")


def triton() -> Finding:
    version = version_of("triton")
    if version is not None and util.find_spec("triton") is not None:
        return ok("triton", version)
    if sys.platform == "linux":
        return warning("triton", "it is not installed: a card runs without its kernels", AGAIN)
    return ok("triton", f"there is none for {platform.system()}: plain torch runs instead")


def version_of(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
