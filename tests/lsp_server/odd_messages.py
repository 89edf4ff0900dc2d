"""Messages that no client should send, of many kinds, made at random from a seed.

Each is given with the ids that must be answered for it, exactly once. Where the id of a request
cannot be read from what was sent, its answer bears none and is not counted.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from lsprotocol import types as t

from tests.lsp_server.wire import TEXT, framed

Odd = tuple[bytes, list[Any]]

REQUESTS = (
    t.TEXT_DOCUMENT_INLINE_COMPLETION, t.TEXT_DOCUMENT_COMPLETION, t.TEXT_DOCUMENT_CODE_ACTION,
    t.CODE_ACTION_RESOLVE, t.COMPLETION_ITEM_RESOLVE, t.WORKSPACE_EXECUTE_COMMAND, t.INITIALIZE,
    "infill/fill", t.TEXT_DOCUMENT_HOVER, "textDocument/dance", "$/dance", "", "infill/\ud800",
)  # fmt: skip
NOTIFICATIONS = (
    t.TEXT_DOCUMENT_DID_OPEN, t.TEXT_DOCUMENT_DID_CHANGE, t.TEXT_DOCUMENT_DID_CLOSE,
    t.NOTEBOOK_DOCUMENT_DID_OPEN, t.NOTEBOOK_DOCUMENT_DID_CHANGE, t.NOTEBOOK_DOCUMENT_DID_CLOSE,
    t.WORKSPACE_DID_CHANGE_CONFIGURATION, t.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS, t.INITIALIZED,
    t.CANCEL_REQUEST, t.SET_TRACE, t.WINDOW_WORK_DONE_PROGRESS_CANCEL, t.PROGRESS,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**32 - 1, 2**63, 10**400, 0.5, 3.0, float("inf"),
    float("nan"), "", "x", "\ud800", "\0", "file://[bad/a.py", "🎉" * 50, [], [[]], [None], {},
    {"": {}}, {"uri": None}, {"line": -1, "character": "x"}, [{"range": None, "text": None}],
)  # fmt: skip
URIS = ("file:///odd1.py", "file:///odd2.js", "file://[bad/odd.py", "cell:1", "\ud800")


class OddMessages:
    def __init__(self, seed: str) -> None:
        self.rng = random.Random(seed)
        self._count = 0
        self.kinds: tuple[Callable[[], Odd], ...] = (
            self.request, self.request, self.notification, self.notification, self.request_by_name,
            self.notification_by_name, self.envelope, self.id, self.response, self.frame,
            self.bytes,
        )  # fmt: skip

    def next(self) -> Odd:
        return self.rng.choice(self.kinds)()

    def request(self) -> Odd:
        return self._asked(self.rng.choice(REQUESTS), self._mutated(self._params()))

    def notification(self) -> Odd:
        method = self.rng.choice(NOTIFICATIONS)
        return framed({"method": method, "params": self._mutated(self._params())}), []

    def request_by_name(self) -> Odd:
        """A request that bears the name of a notification."""
        return self._asked(self.rng.choice((*NOTIFICATIONS, t.EXIT)), self._params())

    def notification_by_name(self) -> Odd:
        method = self.rng.choice((*REQUESTS, t.SHUTDOWN))
        return framed({"method": method, "params": self._params()}), []

    def envelope(self) -> Odd:
        """What stands around the parameters."""
        id = self._id()
        message = {"jsonrpc": "2.0", "id": id, "method": self.rng.choice(REQUESTS), "params": {}}
        message[self.rng.choice(("jsonrpc", "method", "params"))] = self._value()
        if self.rng.random() < 0.3:
            message[self.rng.choice(("error", "extra"))] = self._value()
        # Without a method, what bears an error is an answer.
        ids = [] if message["method"] is None and "error" in message else [id]
        return framed(json.dumps(message).encode()), ids

    def id(self) -> Odd:
        odd = self.rng.choice([each for each in VALUES if type(each) not in (str, int)])
        return framed({"id": odd, "method": self.rng.choice(REQUESTS), "params": {}}), []

    def response(self) -> Odd:
        outcome = self.rng.choice(("result", "error"))
        return framed({"id": self._value(), outcome: self._value()}), []

    def frame(self) -> Odd:
        """A request in a wrong frame, of which nothing is asked; then one in a right frame."""
        lost = json.dumps({"jsonrpc": "2.0", "method": "dance", "params": self._params()}).encode()
        length = self.rng.choice(
            (len(lost) - self.rng.randint(1, 9), len(lost) + self.rng.randint(1, 40), 10**8, 10**20)
        )
        header = self.rng.choice(
            (f"Content-Length: {length}\r\n\r\n", f"content-length:{length}\n\n", "A: b\r\n\r\n")
        )
        right, ids = self.request()
        return framed(lost, header) + right, ids

    def bytes(self) -> Odd:
        """A body that is no JSON, or noise between two frames."""
        noise = self.rng.randbytes(self.rng.randint(0, 300))
        deep = b"[" * self.rng.randint(1, 20_000)
        return self.rng.choice((noise, framed(noise), framed(deep), b"\r\n\r\n" * 9)), []

    def _asked(self, method: str, params: Any) -> Odd:
        id = self._id()
        message = {"id": id, "method": method, "params": params}
        if params is None and self.rng.random() < 0.5:
            del message["params"]
        return framed(message), [id]

    def _id(self) -> Any:
        self._count += 1
        return self.rng.choice((self._count, f"{self._count}", f"\ud800{self._count}"))

    def _params(self) -> dict[str, Any]:
        """Such as are right for most methods at once, at one of a few documents."""
        uri = self.rng.choice(URIS)
        start, end = self._position(), self._position()
        range = {"start": start, "end": end}
        item = {"uri": uri, "languageId": "python", "version": self._count, "text": TEXT}
        cell = {"kind": 2, "document": "cell:1"}
        content = {"document": item, "changes": [{"range": range, "text": "x"}]}
        array = {"start": 0, "deleteCount": 1, "cells": [cell]}
        structure = {"array": array, "didOpen": [{**item, "uri": "cell:1"}], "didClose": []}
        return {
            "textDocument": item,
            "position": start,
            "range": range,
            "context": {"triggerKind": 1, "diagnostics": [], "only": ["quickfix"]},
            "contentChanges": [{"range": range, "text": "x\n"}],
            "holes": [range],
            "capabilities": {"textDocument": {"semanticTokens": {}}},
            "notebookDocument": {"uri": "n", "notebookType": "x", "version": 1, "cells": [cell]},
            "cellTextDocuments": [{**item, "uri": "cell:1"}],
            "change": {"cells": {"structure": structure, "textContent": [content], "data": [cell]}},
            "settings": {"infill": {"steps": 2}},
            "event": {"added": [{"uri": uri, "name": "x"}], "removed": []},
            "command": self.rng.choice(("infill.fillGap", "infill.fillHoles", "x")),
            "arguments": [{"uri": uri, "start": [0, 0], "end": [0, 1]}],
            "data": {"action": "fillGap", "uri": uri, "version": 1, "start": [0, 0], "end": [0, 0]},
            "title": "x",
            "label": "x",
            "id": self._count - 1,
            "token": "x",
            "value": "off",
        }

    def _position(self) -> dict[str, Any]:
        return {"line": self.rng.randint(0, 1), "character": self.rng.randint(0, 9)}

    def _value(self) -> Any:
        return self.rng.choice(VALUES)

    def _mutated(self, params: Any) -> Any:
        """One to three places, at any depth, with another value there or none."""
        for _ in range(self.rng.randint(1, 3)):
            place, key = {"": params}, ""
            while isinstance(place[key], dict | list) and place[key] and self.rng.random() < 0.8:
                place = place[key]
                key = self.rng.choice(
                    list(place) if isinstance(place, dict) else [*range(len(place))]
                )
            if key != "" and isinstance(place, dict) and self.rng.random() < 0.3:
                del place[key]
            elif key != "":
                place[key] = self._value()
            elif self.rng.random() < 0.2:
                return self._value()
        return params
