"""Where hosts are met: one private folder per user and machine, in it a few files per host.

The folder is `$INFILL_RUNTIME_DIR`, or `infill-ls` in `$XDG_RUNTIME_DIR`, or else
`/tmp/infill-ls-<uid>`.
It belongs to the user alone (mode 0700), or it is not used. A host's files share a name made of
what it has loaded and of the package that runs it, so that hosts of different versions, models or
devices never answer for each other:

    NAME.sock   its socket; where there are none, NAME.port holds a loopback port and a secret
    NAME.lock   locked for as long as the host lives
    NAME.start  locked by the client that is starting it
    NAME.log    what it and the libraries in it have to say
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine import __version__
from engine.api import EngineError
from engine.client import wire

LONGEST_SOCKET_PATH = 103  # bytes; what macOS allows, Linux takes four more


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a host has loaded: clients that ask for the same share it.

    `factory` is "module:function" and replaces the real engine in tests.
    """

    model: str = "embedded"
    device: str | None = None
    factory: str | None = None

    def name(self) -> str:
        """A short name that starts readably and is different for everything that differs."""
        last = re.split(r"[/\\]+", self.model.rstrip("/\\"))[-1]
        readable = re.sub(r"[^A-Za-z0-9.]+", "-", last)[-20:].strip("-.") or "model"
        identity = [
            wire.PROTOCOL,
            __version__,
            code_fingerprint(),
            self.model,
            self.device,
            self.factory,
            os.environ.get("CUDA_VISIBLE_DEVICES"),
        ]
        digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        return f"{readable}-{digest[:12]}"


@dataclass(frozen=True, slots=True)
class Address:
    folder: Path
    name: str

    @property
    def socket(self) -> Path:
        return self.folder / f"{self.name}.sock"

    @property
    def port(self) -> Path:
        return self.folder / f"{self.name}.port"

    @property
    def lock(self) -> Path:
        return self.folder / f"{self.name}.lock"

    @property
    def start(self) -> Path:
        return self.folder / f"{self.name}.start"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def is_served(self) -> bool:
        """Whether there is a socket, which may have outlived its host."""
        return self.socket.exists() or self.port.exists()


def address_of(loaded: Loaded) -> Address:
    """Raises EngineError when there is no folder that is safe to meet in."""
    address = Address(runtime_folder(), loaded.name())
    if len(os.fsencode(address.socket)) > LONGEST_SOCKET_PATH:
        raise EngineError(
            f"{address.folder} is too long a path for a socket: set INFILL_RUNTIME_DIR to a"
            " shorter one"
        )
    return address


def addresses() -> Iterator[Address]:
    """Every host that left a socket, running or not."""
    folder = runtime_folder()
    found = {path.stem for path in folder.iterdir() if path.suffix in (".sock", ".port")}
    return (Address(folder, name) for name in sorted(found))


def runtime_folder() -> Path:
    """Made if it is not there. Raises EngineError unless it is this user's alone."""
    folder = _chosen_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise EngineError(
            f"the engine's folder {folder} cannot be made ({error.strerror}): fix that, or set"
            " INFILL_RUNTIME_DIR to a folder of your own"
        ) from error
    if not stat.S_ISDIR(found.st_mode):
        raise EngineError(f"the engine's folder {folder} is no folder: remove it")
    if sys.platform == "win32":  # below the user's profile, which others cannot enter
        return folder
    if found.st_uid != os.geteuid():
        raise EngineError(
            f"the engine's folder {folder} belongs to another user: remove it, or set"
            " INFILL_RUNTIME_DIR to a folder of your own"
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise EngineError(
            f"the engine's folder {folder} can be entered by other users: run `chmod 700 {folder}`"
        )
    return folder


def _chosen_folder() -> Path:
    if given := os.environ.get("INFILL_RUNTIME_DIR"):
        return Path(given).absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or tempfile.gettempdir()) / "infill-ls" / "run"
    if (given := os.environ.get("XDG_RUNTIME_DIR")) and _is_mine(Path(given)):
        return Path(given) / "infill-ls"
    # Not $TMPDIR: some shells have one of their own, and would get an engine of their own.
    return Path("/tmp") / f"infill-ls-{os.geteuid()}"


def _is_mine(folder: Path) -> bool:
    """After `su` the variable may still name the folder of the user one was."""
    try:
        return folder.stat().st_uid == os.geteuid()
    except OSError:
        return False


def code_fingerprint() -> str:
    """Differs between two states of a source tree, whose version is the same."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for package in ("engine", "kernels"):
        for path in sorted((root / package).rglob("*.py")):
            if "training" not in path.parts:
                found = path.stat()
                digest.update(f"{path}{found.st_size}{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
