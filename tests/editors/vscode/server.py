"""A real VS Code server with the packaged extension, and the folders that tests open in it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
BUILD = ROOT / "build" / "vscode"
VSIX = BUILD / "infill.vsix"
EXTENSION = ROOT / "editors" / "vscode"
SCREENSHOTS = ROOT / "build" / "screenshots"
PATIENCE = 30.0

USER_SETTINGS = {
    "telemetry.telemetryLevel": "off",
    "extensions.autoUpdate": False,
    "extensions.autoCheckUpdates": False,
    "workbench.startupEditor": "none",
    "workbench.tips.enabled": False,
    "chat.disableAIFeatures": True,
    "git.enabled": False,
    "window.commandCenter": False,
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.layoutControl.enabled": False,
    "editor.minimap.enabled": False,
    "editor.quickSuggestions": {"other": "off", "comments": "off", "strings": "off"},
    "editor.autoClosingBrackets": "never",
    "editor.codeActionWidget.includeNearbyQuickFixes": False,
}


@dataclass(frozen=True, slots=True)
class Installed:
    """What .ci/vscode has put into `folder`."""

    folder: Path

    @property
    def node(self) -> Path:
        return self.folder / "node" / "bin" / "node"

    @property
    def program(self) -> Path:
        return self.folder / "code-server" / "lib" / "vscode" / "out" / "server-main.js"


def chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return os.environ.get("INFILL_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


class CodeServer:
    """One server process, for any number of windows; `with` ends it and all it has started."""

    def __init__(self, installed: Installed, folder: Path, inside: bool = False) -> None:
        """`inside`: tests can be run in the extension host. Then no notification pops up."""
        self.installed = installed
        self._inside = inside
        self.folder = folder
        self.journal = folder / "journal"
        self.log = folder / "server.log"
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> CodeServer:
        self._write("user/User/settings.json", USER_SETTINGS)
        self._write_installer()
        self._write("data/Machine/settings.json", {})
        if not self._inside:
            self._node("--install-extension", str(VSIX)).wait(PATIENCE)
        self._process = self._node(
            *("--host", "127.0.0.1", "--port", str(self.port), "--without-connection-token"),
            *("--telemetry-level", "off", "--disable-workspace-trust"),
            *(("--enable-smoke-test-driver",) if self._inside else ()),
        )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise AssertionError(f"VS Code does not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        # Its extension hosts end some minutes after their windows: they go with their group.
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(5)

    def workspace(self, name: str, files: dict[str, str], settings: dict[str, Any]) -> Path:
        folder = self.folder / name
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(text.encode())
        self._write(f"{name}/.vscode/settings.json", settings)
        return folder

    def scripted(self, fills: list[dict[str, Any]]) -> dict[str, Any]:
        """Settings of a workspace whose fills come from `fills`: see tests/scripted.py."""
        script = self.script("script.json", fills)
        return {
            **self.real(),
            "infill.server.arguments": ["--factory", "tests.scripted:load"],
            "infill.model": str(script),
            "infill.speculate": False,
        }

    def script(self, name: str, fills: list[dict[str, Any]]) -> Path:
        return self._write(name, {"fills": fills, "journal": str(self.journal)})

    def real(self) -> dict[str, Any]:
        return {"infill.server.path": str(Path(sys.executable).parent / "infill-ls")}

    def run(self, program: str, **told: Any) -> list[dict[str, Any]]:
        """A program of this folder, told all it needs; what it found out, one object a case."""
        told |= {
            "origin": f"http://127.0.0.1:{self.port}",
            "chromium": chromium(),
            "journal": str(self.journal),
            "screenshots": str(SCREENSHOTS / f"vscode-{self.installed.folder.name}"),
            "pictures": str(SCREENSHOTS / "walkthrough"),
            "extension": str(EXTENSION),
        }
        done = subprocess.run(
            [self.installed.node, HERE / program, json.dumps(told)],
            capture_output=True,
            text=True,
            timeout=600,
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if not lines:
            raise AssertionError(f"{program}: {done.stdout}\n{done.stderr}")
        return [json.loads(line) for line in lines]

    def _node(self, *arguments: str) -> subprocess.Popen[bytes]:
        folders = {
            "--server-data-dir": "data",
            "--user-data-dir": "user",
            "--extensions-dir": "extensions",
        }
        given = [part for key, name in folders.items() for part in (key, str(self.folder / name))]
        without_ours = [
            each
            for each in os.environ["PATH"].split(os.pathsep)
            if not (Path(each) / "infill-ls").exists()
        ]
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(self.folder / "bin"), *without_ours]),
            "HOME": str(self.folder / "home"),
            "SHELL": "/bin/sh",
            "UV_TOOL_BIN_DIR": str(self.folder / "tools"),
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "2",
            "XDG_STATE_HOME": str(self.folder / "state"),
        }
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [
                    self.installed.node,
                    self.installed.program,
                    "--accept-server-license-terms",
                    *given,
                    *arguments,
                ],
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )

    @property
    def installed_by_uv(self) -> Path:
        """What uv was told to do, once it was."""
        return self.folder / "installed"

    def _write_installer(self) -> None:
        """A uv that fetches nothing: it says what it does, and links the server of this tree."""
        program = Path(sys.executable).parent / "infill-ls"
        script = f"""#!/bin/sh
echo "$@" >{self.installed_by_uv}
echo "Resolved 41 packages in 12ms" >&2
sleep 3
echo "Installed 1 executable: infill-ls" >&2
mkdir -p "$UV_TOOL_BIN_DIR" && ln -s {program} "$UV_TOOL_BIN_DIR/infill-ls"
"""
        uv = self.folder / "bin" / "uv"
        uv.parent.mkdir(parents=True)
        uv.write_text(script)
        uv.chmod(0o755)
        # VS Code takes PATH from the login shell, which begins with the system's.
        profile = self.folder / "home" / ".profile"
        profile.parent.mkdir(parents=True)
        profile.write_text(f"PATH={uv.parent}:$PATH\n")

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/version", timeout=1):
                return True
        except OSError:
            return False

    def _write(self, name: str, content: Any) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        return path


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
