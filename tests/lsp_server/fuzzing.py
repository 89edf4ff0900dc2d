"""Random editing and random asking, against an oracle that shares no code with the server.

`test_fuzz.py` runs a little of it, `benchmarks/soak.py` all of it.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from lsprotocol import types as t

from lsp_server.server import InfillServer, create_server

# What is typed: every line end, what is none though Python takes it for one, wide and odd letters.
PIECES = (
    "a", "x = 1", "    ", "\t", "()", "\n", "\r\n", "\r", "\f", "\v", "\x1c", "\x85", "\u2028",
    "é", "名", "🎉", "👩\u200d🔬", "\U0010ffff", "\ufeff", "e\u0301", "\x00",
    "def f():\n    pass\n",
)  # fmt: skip
HALVES = ("\ud83c", "\udf89")  # of 🎉, as an editor that counts UTF-16 can send them
UNIT = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}
MOST_UNITS = 4000


class Oracle:
    """A document as a list of code units of the encoding, each a bytes object."""

    def __init__(self, encoding: str, rng: random.Random) -> None:
        self.codec, self.size = UNIT[encoding]
        self.rng = rng
        self.units: list[bytes] = []
        self._half = ""

    @property
    def text(self) -> str:
        return b"".join(self.units).decode(self.codec, "surrogatepass")

    def units_of(self, text: str) -> list[bytes]:
        data = text.encode(self.codec, "surrogatepass")
        return [data[at : at + self.size] for at in range(0, len(data), self.size)]

    def change(self) -> dict[str, Any]:
        """A random edit, done here, as the LSP change that tells the server of it."""
        if self.rng.random() < 0.002:
            text = "".join(self.rng.choices(PIECES, k=40))
            self.units, self._half = self.units_of(text), ""
            return {"text": text}
        start = self._boundary(self.rng.randint(0, len(self.units)))
        end = start
        if self.rng.random() < (0.7 if len(self.units) > MOST_UNITS else 0.3):
            end = self._boundary(min(len(self.units), start + self.rng.randint(0, 60)))
        text = "".join(self.rng.choices(PIECES, k=self.rng.randint(0, 3)))
        if self.size == 2 and self.rng.random() < 0.1:
            text = self.rng.choice(HALVES)
        range = {"start": self._position(start), "end": self._position(end)}
        self.units[start:end] = self.units_of(text)
        return {"range": range, "text": text}

    def position(self) -> dict[str, int]:
        return self._position(self._boundary(self.rng.randint(0, len(self.units))))

    def _boundary(self, at: int) -> int:
        """`at`, or the next place that is not inside a character."""
        while not self._is_boundary(at):
            at += 1
        return at

    def _is_boundary(self, at: int) -> bool:
        if not 0 < at < len(self.units):
            return True
        before, after = self.units[at - 1], self.units[at]
        # A position between CR and LF is on neither line.
        if before == self.units_of("\r")[0] and after == self.units_of("\n")[0]:
            return False
        if self.size == 1:
            return after[0] & 0xC0 != 0x80
        if self.size == 4:
            return True
        return not (before[1] & 0xFC == 0xD8 and after[1] & 0xFC == 0xDC)

    def _position(self, at: int) -> dict[str, int]:
        cr, lf = self.units_of("\r")[0], self.units_of("\n")[0]
        line = start = index = 0
        while index < at:
            unit = self.units[index]
            index += 1
            if unit == cr and index < len(self.units) and self.units[index] == lf:
                if index == at:
                    break  # between the two: the end of the line before
                index += 1
            if unit in (cr, lf):
                line, start = line + 1, index
        return {"line": line, "character": index - start}


class Client:
    """A client in the server's own event loop: what it sends is handled as if from a pipe."""

    def __init__(self, server: InfillServer, encoding: str) -> None:
        self.server = server
        self.encoding = encoding
        self.sent: dict[int, str] = {}
        self.answers: Counter[int] = Counter()
        self.has_answered = asyncio.Event()  # cleared by whoever waits for the next one
        self.results: dict[int, Any] = {}
        self.codes: Counter[int] = Counter()
        self.notified: Counter[str] = Counter()
        server._stopping = asyncio.Event()
        server.protocol.set_writer(self)

    def write(self, data: bytes) -> None:
        message = json.loads(data[data.index(b"\r\n\r\n") :])
        if "method" not in message:
            self.answers[message["id"]] += 1
            self.has_answered.set()
            self.results[message["id"]] = message.get("result")
            self.codes[message.get("error", {}).get("code", 0)] += 1
        elif "id" in message:
            reply = {"jsonrpc": "2.0", "id": message["id"], "result": self.reply(message)}
            asyncio.get_running_loop().call_soon(self.feed, reply)
        else:
            self.notified[message["method"]] += 1

    def reply(self, message: dict[str, Any]) -> Any:
        if message["method"] == t.WORKSPACE_APPLY_EDIT:
            return {"applied": False, "failureReason": "chance"}
        return [{"steps": 2}] if message["method"] == t.WORKSPACE_CONFIGURATION else None

    def feed(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.server.protocol.receive(self.server.protocol.read(body))

    def notify(self, method: str, params: Any) -> None:
        self.feed({"method": method, "params": params})

    def request(self, method: str, params: Any) -> int:
        id = len(self.sent) + 1
        self.sent[id] = method
        self.feed({"id": id, "method": method, "params": params})
        return id

    async def settled(self, patience: float = 30.0) -> None:
        """Until every request has an answer; then a moment more, for a second one to come."""
        deadline = asyncio.get_running_loop().time() + patience
        while len(self.answers) < len(self.sent):
            open = sorted(set(self.sent) - set(self.answers))
            assert asyncio.get_running_loop().time() < deadline, f"no answer: {open[:9]}"
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)

    def initialize(self) -> None:
        support = {
            "general": {"positionEncodings": [self.encoding]},
            "textDocument": {
                "inlineCompletion": {},
                "codeAction": {"dataSupport": True, "resolveSupport": {"properties": ["edit"]}},
            },
            "workspace": {"configuration": True, "applyEdit": True},
            "window": {"workDoneProgress": True},
        }
        options = {"drafts": True, "stats": False}
        self.request("initialize", {"capabilities": support, "initializationOptions": options})
        self.notify("initialized", {})


class Chaos:
    """A client that does everything at any time. `step` does one thing."""

    def __init__(self, client: Client, rng: random.Random) -> None:
        self.client = client
        self.rng = rng
        self.open: dict[str, tuple[Oracle, int]] = {}
        self.offers: list[Any] = []
        self._count = 0

    def step(self) -> None:
        """Mostly typing and asking. Each is checked for what can be checked at once."""
        acts = (
            (self.edit, 30), (self.ask, 40), (self.resolve, 8), (self.cancel, 10), (self.opens, 2),
            (self.closes, 1), (self.configure, 2), (self.command, 4), (self.nonsense, 3),
        )  # fmt: skip
        act = self.rng.choices([each for each, _ in acts], [weight for _, weight in acts])[0]
        act()

    def opens(self) -> None:
        self._count += 1
        uri = f"file:///{self._count}.py"
        oracle = Oracle(self.client.encoding, self.rng)
        text = "".join(self.rng.choices(PIECES, k=30))
        oracle.units = oracle.units_of(text)
        self.open[uri] = oracle, 1
        item = {"uri": uri, "languageId": self.language(), "version": 1, "text": text}
        self.client.notify(t.TEXT_DOCUMENT_DID_OPEN, {"textDocument": item})
        if len(self.open) > 6:
            self.closes()

    def closes(self) -> None:
        if self.open:
            uri = self.rng.choice(list(self.open))
            del self.open[uri]
            self.client.notify(t.TEXT_DOCUMENT_DID_CLOSE, {"textDocument": {"uri": uri}})

    def edit(self) -> None:
        if not self.open:
            return
        uri = self.rng.choice(list(self.open))
        oracle, version = self.open[uri]
        changes = [oracle.change() for _ in range(self.rng.choice((1, 1, 1, 2)))]
        self.open[uri] = oracle, version + 1
        params = {"textDocument": {"uri": uri, "version": version + 1}, "contentChanges": changes}
        self.client.notify(t.TEXT_DOCUMENT_DID_CHANGE, params)
        document = self.client.server.session.documents[uri]
        assert document.text == oracle.text
        assert document.version == version + 1

    def ask(self) -> None:
        uri, oracle = self._somewhere()
        document = {"uri": uri}
        at = oracle.position() if oracle else {"line": 3, "character": 99}
        what = self.rng.random()
        if what < 0.5:
            context = {"triggerKind": self.rng.choice((1, 2))}
            params = {"textDocument": document, "position": at, "context": context}
            self.client.request(t.TEXT_DOCUMENT_INLINE_COMPLETION, params)
        elif what < 0.7:
            self.client.request(
                t.TEXT_DOCUMENT_COMPLETION, {"textDocument": document, "position": at}
            )
        else:
            to = oracle.position() if oracle and what > 0.85 else at
            context = {"diagnostics": [], "triggerKind": self.rng.choice((1, 2))}
            params = {
                "textDocument": document,
                "range": {"start": at, "end": to},
                "context": context,
            }
            self.offers.append(self.client.request(t.TEXT_DOCUMENT_CODE_ACTION, params))

    def resolve(self) -> None:
        """An action that was offered some time ago: its document has often moved on."""
        offered = list(self._offered())
        if offered:
            self.client.request(t.CODE_ACTION_RESOLVE, self.rng.choice(offered))

    def command(self) -> None:
        uri, oracle = self._somewhere()
        at = list(oracle.position().values()) if oracle else [0, 0]
        name = self.rng.choice(("fillGap", "fillBody", "fillHoles", "doTodo", "dance"))
        arguments: list[Any] = [{"uri": uri, "start": at, "end": at}]
        if self.rng.random() < 0.2:
            arguments = self.rng.choice(([], [3], [{"uri": 1}]))
        params = {"command": f"infill.{name}", "arguments": arguments}
        self.client.request(t.WORKSPACE_EXECUTE_COMMAND, params)

    def cancel(self) -> None:
        recent = max(1, len(self.client.sent) - 20)
        id = self.rng.randint(recent, len(self.client.sent) + 3)
        if id > 1:
            self.client.notify(t.CANCEL_REQUEST, {"id": id})

    def configure(self) -> None:
        settings = self.rng.choice(
            (
                {"infill": {"steps": self.rng.randint(1, 4)}},
                {"infill": {"completion": self.rng.random() < 0.5, "maxTokens": "many"}},
                {"infill": {"nonsense": 1}},
                None,
            )
        )
        self.client.notify(t.WORKSPACE_DID_CHANGE_CONFIGURATION, {"settings": settings})

    def nonsense(self) -> None:
        method = self.rng.choice(
            (t.TEXT_DOCUMENT_COMPLETION, t.TEXT_DOCUMENT_INLINE_COMPLETION, "textDocument/dance")
        )
        self.client.request(method, self.rng.choice(({}, None, [], {"textDocument": 3})))

    def language(self) -> str:
        return self.rng.choice(("python", "python", "javascript", "rust", "c", "plaintext"))

    def _somewhere(self) -> tuple[str, Oracle | None]:
        """Now and then a document that is not open."""
        if not self.open or self.rng.random() < 0.03:
            return "file:///closed.py", None
        uri = self.rng.choice(list(self.open))
        return uri, self.open[uri][0]

    def _offered(self) -> Iterator[Any]:
        for id in self.offers[-10:]:
            yield from self.client.results.get(id) or ()


def chaotic_server(script: str) -> InfillServer:
    return create_server(script, None, "tests.scripted:load")
