"""window/showMessage: what the user should know."""

from __future__ import annotations

from lsprotocol import types as t
from pygls.lsp.server import LanguageServer


class Messages:
    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._shown: set[str] = set()

    def show(self, message: str, kind: t.MessageType = t.MessageType.Info) -> None:
        self._server.window_show_message(
            t.ShowMessageParams(type=kind, message=f"infill: {message}")
        )

    def show_once(
        self, message: str, kind: t.MessageType = t.MessageType.Info, cause: str | None = None
    ) -> None:
        """Once for each `cause`, which is the message itself where there is none."""
        cause = cause or message
        if cause not in self._shown:
            self._shown.add(cause)
            self.show(message, kind)

    def warn_once(self, message: str, cause: str | None = None) -> None:
        self.show_once(message, t.MessageType.Warning, cause)

    def forget(self) -> None:
        """Another engine may fail for the same cause, and the user wants to know."""
        self._shown.clear()
