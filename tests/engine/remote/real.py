"""Real servers, started here: where `.ci/run` put them, or where INFILL_TEST_SERVER says one runs.

`build/servers` has a folder for each, with a command that starts it, and `models` (models.py).
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.engine.remote.models import CHAT, DIFFUSION, FILL, SMOLLM2

SERVERS = Path(__file__).resolve().parents[3] / "build" / "servers"
START = 600.0  # seconds; vLLM takes minutes, and the machine may have other things to do
CONTEXT = 2048  # tokens
KEY = "open sesame"


@dataclass(frozen=True, slots=True)
class Kind:
    """A server as the tests start it: the command `start`, a port and the `options`. `way` is how
    it has to be asked, `fragment` what its address says of that; `streams` says whether its answer
    comes in pieces, `context` the tokens beyond which it refuses a prompt."""

    name: str
    start: tuple[str, ...]  # a command in `build/servers` first, and a model there last
    options: tuple[str, ...] = ()
    way: str = "chat"
    fragment: str = ""
    key: str | None = None
    streams: bool = True
    context: int | None = None

    @property
    def is_here(self) -> bool:
        return all((SERVERS / each).exists() for each in (self.start[0], self.start[-1]))


LLAMA_CPP = ("--ctx-size", str(CONTEXT), "--alias", "smollm2")
KINDS = (
    Kind(
        "llama.cpp",
        ("llama.cpp/start", f"models/{SMOLLM2}"),
        LLAMA_CPP,
        context=CONTEXT,
    ),
    Kind(
        "llama.cpp-infill",
        ("llama.cpp/start", f"models/{FILL}"),
        (*LLAMA_CPP, "--spm-infill", "--api-key", KEY),
        way="fill-in-the-middle (/infill)",
        fragment="fill=infill",
        key=KEY,
    ),
    Kind("mlx-lm", ("mlx/start", "lm", f"models/{CHAT}")),
    Kind("mlx-vlm", ("mlx/start", "vlm", f"models/{DIFFUSION}"), streams=False),
    # Only where .ci/vllm put it.
    Kind(
        "vllm",
        ("vllm/start", f"models/{DIFFUSION}"),
        ("--served-model-name", "diffusion", "--api-key", KEY),
        way="pinned canvas",
        key=KEY,
        streams=False,
        context=CONTEXT,
    ),
)


class Running:
    """A server that runs, and what may befall it."""

    def __init__(self, kind: Kind | None, address: str = "", log: Path | None = None) -> None:
        self.kind = kind
        self._log = log or Path(os.devnull)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0 if address else free_port()
        self.server = address.partition("#")[0] or f"http://127.0.0.1:{self.port}/v1"
        self.address = address or self.named(kind.fragment if kind else "")
        if kind is not None:
            self.start()

    def named(self, fragment: str) -> str:
        return f"{self.server}#{fragment}" if fragment else self.server

    def start(self) -> None:
        kind = self.kind
        assert kind is not None
        paths = [str(SERVERS / part) if (SERVERS / part).exists() else part for part in kind.start]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*paths, str(self.port), *kind.options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise

    def _wait(self) -> None:
        assert self._process is not None
        until = time.monotonic() + START
        while not self._answers():
            assert self._process.poll() is None, f"it ended: {self.told()}"
            assert time.monotonic() < until, f"it does not answer: {self.told()}"
            time.sleep(0.1)

    def told(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-2000:] if self._log.is_file() else ""

    def kill(self) -> None:
        if self._process is not None:
            self._send(signal.SIGKILL)
            self._process.wait()

    def freeze(self) -> None:
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._send(signal.SIGCONT)

    def _send(self, what: signal.Signals) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):  # of a group that outlives its leader, too
            os.killpg(self._process.pid, what)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.server}/models", timeout=5):
                return True
        except urllib.error.HTTPError as error:
            return error.code == 401  # it is up, and wants its key; 503 while it loads
        except OSError:
            return False


def free_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def required() -> Sequence[str]:
    """What the environment says must not be skipped."""
    return os.environ.get("INFILL_REQUIRED", "").split()


def given() -> list[str]:
    """Addresses of servers that run already."""
    return os.environ.get("INFILL_TEST_SERVER", "").split()
