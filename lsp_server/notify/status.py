"""infill/status: {state, model, device, message, way, why, better, confidence, quiet}, for a status
bar.

`way` to `confidence` are those of `EngineInfo`: how a server is asked, and what a confidence is
worth. `quiet` is null, or {reason, confidence, needed}: why nothing was shown at the last pause,
with two numbers where the confidence of what there was to show is under the one that is needed.

Sent when it changes, to clients that ask for it: others warn of a notification that they do not
know.
"""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Any

from pygls.lsp.server import LanguageServer

from engine.api import Calibration, EngineInfo
from lsp_server.suggest.policy import Quiet

METHOD = "infill/status"


class State(StrEnum):
    STARTING = "starting"  # the model loads
    READY = "ready"
    FILLING = "filling"
    PAUSED = "paused"  # the user wants nothing now
    FAILED = "failed"  # `message` says why; the next fill that succeeds ends it


class Status:
    """On the event loop. The most important of what holds is reported."""

    def __init__(self, server: LanguageServer, model: str, wanted: bool) -> None:
        self._server = server
        self._wanted = wanted
        self._model = model
        self._device: str | None = None
        self._info: EngineInfo | None = None
        self._state = State.STARTING
        self._message = ""
        self._quiet: Quiet | None = None
        self._filling = 0
        self._paused = False
        self._reported: dict[str, Any] | None = None

    def starting(self, model: str) -> None:
        self._model, self._device, self._info = model, None, None
        self._set(State.STARTING)

    def ready(self, info: EngineInfo | None = None) -> None:
        if info is not None:
            self._model, self._device, self._info = info.model, info.device, info
        self._set(State.READY)

    def failed(self, message: str) -> None:
        self._set(State.FAILED, message)

    def paused(self, paused: bool) -> None:
        self._paused = paused
        self._report()

    def begun(self) -> None:
        self._filling += 1
        self._report()

    def ended(self) -> None:
        self._filling -= 1
        self._report()

    def quiet(self, why: Quiet | None) -> None:
        """The last pause showed nothing, and why; or it did show something."""
        self._quiet = why
        self._report()

    def engine(self) -> dict[str, Any]:
        """What serves, as far as it is known."""
        return {"model": self._model, "device": self._device}

    @property
    def calibration(self) -> Calibration | None:
        """What a confidence of the model is worth; None where that is not known yet."""
        return self._info.confidence if self._info is not None else None

    def as_json(self) -> dict[str, Any]:
        state, info = self._state, self._info
        if self._paused:
            state = State.PAUSED
        elif self._filling and state is State.READY:
            state = State.FILLING
        message = self._message if state is State.FAILED else ""
        return {
            "state": str(state),
            **self.engine(),
            "message": message,
            "way": info.way if info is not None else "",
            "why": info.why if info is not None else "",
            "better": info.better if info is not None else "",
            "confidence": self.calibration,
            "quiet": asdict(self._quiet) if self._quiet is not None else None,
        }

    def _set(self, state: State, message: str = "") -> None:
        self._state, self._message = state, message
        self._report()

    def _report(self) -> None:
        now = self.as_json()
        if self._wanted and now != self._reported:
            self._reported = now
            self._server.protocol.notify(METHOD, now)
