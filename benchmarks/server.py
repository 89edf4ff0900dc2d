"""How quick is the language server itself, whatever the model?

    python benchmarks/server.py [--json] [--lines 10000] [--rounds 300]

Every number has a limit beside it:

    initialize      from the start of the process to the answer, against a bare pygls server's,
                    both started in turn in this run
    didChange       how long one edit in a long Python file keeps the event loop
    type-through    from the request to an answer that the last fill already holds
    code actions    from the request to the list, when typing rests, as editors ask for it; and at
                    once after a key
    memory          of the server process with that file open, after requests of every kind
    typing          a line typed at 10, 50 and 150 ms a key, asking at every key: engine steps whose
                    fill was never shown, suggestions that changed under the user's fingers, and
                    answers that no longer fitted. The scripted engine takes 8 steps of 8 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from lsprotocol import types as t  # noqa: E402

from lsp_server.document import Document, Encoding  # noqa: E402
from lsp_server.transport import Framing  # noqa: E402
from tests.lsp_server.fuzzing import Client, chaotic_server  # noqa: E402

BARE = "from pygls.lsp.server import LanguageServer as S; S('bare', '1').start_io()"
STEPS, STEP_SECONDS = 8, 0.008
LINE = "total = sum(each.price * each.count for each in basket if each.count > 0)"
KEYS = (0.010, 0.050, 0.150)
REST = 0.3
STATEMENT = "        found = lookup(self.items, größe)\n"

Spent = tuple[float, float]  # seconds that passed, and of the processor


@dataclass(frozen=True, slots=True)
class Measure:
    """`floor` is what nobody could be quicker than here; None where there is no telling. `cpu` is
    the 99th percentile of the processor time, less the floor's: what would be over the floor with
    nobody else on the machine.
    """

    what: str
    p50: float
    p99: float
    unit: str
    limit: float | None
    floor: float | None = None
    cpu: float | None = None

    @property
    def holds(self) -> bool:
        return self.limit is None or self.p99 - (self.floor or 0.0) <= self.limit

    @property
    def holds_by_processor(self) -> bool | None:
        """As `holds`, whatever else the machine was doing meanwhile."""
        if self.limit is None or self.cpu is None:
            return None
        return self.cpu <= self.limit


@dataclass(frozen=True, slots=True)
class Typing:
    key_ms: int
    requests: int
    shown: int
    steps: int
    wasted_steps: int
    flicker: int
    stale: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--lines", type=int, default=10_000, help="of the long file")
    parser.add_argument("--rounds", type=int, default=300, help="requests of each kind")
    parser.add_argument("--starts", type=int, default=9, help="of either server")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"INFILL_RUNTIME_DIR": folder, "INFILL_LINGER": "0", "XDG_STATE_HOME": folder}
        # As installed: compiled once.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(folder) / "pycache")
        script = str(scripted(Path(folder)))
        text = long_file(arguments.lines)
        measures = [
            started(arguments.starts, script),
            *asyncio.run(in_loop(script, text, arguments.rounds)),
            memory(script, text),
        ]
        typed = [asyncio.run(typing_at(seconds, script)) for seconds in KEYS]
    print(as_json(measures, typed) if arguments.json else as_table(measures, typed))


def scripted(folder: Path) -> Path:
    """The rest of LINE after each of its beginnings, and something elsewhere."""
    rest = [
        {"after": LINE[:n], "text": LINE[n:], "steps": STEPS, "delay": STEP_SECONDS}
        for n in range(len(LINE) - 1, 0, -1)
    ]
    script = folder / "script.json"
    journal = str(folder / "journal")
    script.write_text(json.dumps({"fills": [*rest, {"text": "pass"}], "journal": journal}))
    return script


def long_file(lines: int) -> str:
    """Python with classes, holes and strings, and a letter beyond ASCII."""
    block = (
        "class Basket{n}:\n"
        '    """One of many: größer."""\n\n'
        "    def total(self, items: list[Item], *, tax: float = 0.2) -> float:\n"
        "        # TODO: sum the prices\n"
        "        price = ...\n"
        "        return round(price * (1 + tax), 2)\n\n"
        "    def clear(self) -> None:\n"
        "        self.items = {{}}\n\n\n"
    )
    count = lines // block.count("\n") + 1
    return "".join(block.format(n=n) for n in range(count))


def started(times: int, script: str) -> Measure:
    """In turn, so that whatever else the machine does strikes both."""
    server = [sys.executable, "-m", "lsp_server", "--model", script]
    server += ["--factory", "tests.scripted:load"]
    ours, bare = [], []
    for command in ([sys.executable, "-c", BARE], server):
        seconds_to_initialize(command)
    for _ in range(times):
        bare.append(seconds_to_initialize([sys.executable, "-c", BARE]))
        ours.append(seconds_to_initialize(server))
    (passed, used), (bare_passed, bare_used) = (
        [round(1000 * statistics.median(each), 1) for each in zip(*spent, strict=True)]
        for spent in (ours, bare)
    )
    return Measure(
        "initialize", passed, passed, "ms", 100.0, bare_passed, round(used - bare_used, 1)
    )


def seconds_to_initialize(command: list[str]) -> Spent:
    body = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}'
    begun, cpu = time.perf_counter(), of_children()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        process.stdin.flush()
        process.stdout.readline()
        seconds = time.perf_counter() - begun
        process.kill()
    return seconds, of_children() - cpu


def of_children() -> float:
    """Seconds of the processor that the processes this one has waited for have used."""
    times = os.times()
    return times.children_user + times.children_system


async def in_loop(script: str, text: str, rounds: int) -> list[Measure]:
    """The server in this event loop: what is measured is its own time, not a pipe's."""
    client = Client(chaotic_server(script), "utf-16")
    client.initialize()
    await client.settled()
    editor = Editor(client, "file:///long.py", text)
    rng = random.Random(0)
    await actions_at(editor, 0)
    changes = [await editor.edit(rng) for _ in range(rounds)]
    lists, at_once = [], []
    for _ in range(rounds):
        await editor.edit(rng)
        at_once.append(await actions_at(editor, editor.at))
        await editor.edit(rng)
        await asyncio.sleep(REST)
        lists.append(await actions_at(editor, editor.at))
    through = [each for _ in range(max(1, rounds // 20)) for each in await typed_through(client)]
    client.server.session.close()
    return [
        measured(f"didChange, {len(editor.document.line_starts) - 1} lines", changes, 5.0),
        measured("type-through", through, 2.0),
        measured("code actions", lists, 5.0),
        measured("code actions at once", at_once, 5.0),
    ]


class Editor:
    def __init__(self, client: Client, uri: str, text: str) -> None:
        self.client = client
        self.document = Document(uri, 1, "python", text, Encoding.Utf16)
        self.at = 0
        self._keys: list[str] = []
        item = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        client.notify(t.TEXT_DOCUMENT_DID_OPEN, {"textDocument": item})

    async def edit(self, rng: random.Random) -> Spent:
        """A key: a statement is typed, then another one in another function."""
        if not self._keys:
            self._keys = [*STATEMENT]
            place = "        price = ..."
            places = self.document.text.count(place)
            self.at = -1
            for _ in range(rng.randrange(1, places + 1)):
                self.at = self.document.text.index(place, self.at + 1)
        spent = await self.type(self.at, self._keys.pop(0))
        self.at += 1
        return spent

    async def type(self, at: int, text: str) -> Spent:
        """What the event loop was kept for, reading the message included."""
        range = self.document.range(at, at)
        position = {"line": range.start.line, "character": range.start.character}
        change = {"range": {"start": position, "end": position}, "text": text}
        event = t.TextDocumentContentChangePartial(range, text)
        self.document = self.document.edited([event], self.document.version + 1)
        identifier = {"uri": self.document.uri, "version": self.document.version}
        params = {"textDocument": identifier, "contentChanges": [change]}
        message = {"jsonrpc": "2.0", "method": t.TEXT_DOCUMENT_DID_CHANGE, "params": params}
        body = json.dumps(message).encode()
        protocol = self.client.server.protocol
        begun, cpu = time.perf_counter(), time.thread_time()
        protocol.receive(protocol.read(body))
        spent = time.perf_counter() - begun, time.thread_time() - cpu
        await asyncio.sleep(0.002)
        return spent

    def position(self, at: int) -> dict[str, int]:
        position = self.document.position(at)
        return {"line": position.line, "character": position.character}

    def ask(self, at: int) -> int:
        params = {
            "textDocument": {"uri": self.document.uri},
            "position": self.position(at),
            "context": {"triggerKind": 2},
        }
        return self.client.request(t.TEXT_DOCUMENT_INLINE_COMPLETION, params)


async def actions_at(editor: Editor, at: int) -> Spent:
    position = editor.position(at)
    params = {
        "textDocument": {"uri": editor.document.uri},
        "range": {"start": position, "end": position},
        "context": {"diagnostics": [], "triggerKind": 1},
    }
    return await answered(
        editor.client, lambda: editor.client.request(t.TEXT_DOCUMENT_CODE_ACTION, params)
    )


async def answered(client: Client, ask: Callable[[], int]) -> Spent:
    begun, cpu = time.perf_counter(), time.process_time()
    id = ask()
    while id not in client.answers:
        await asyncio.sleep(0.0002)
    return time.perf_counter() - begun, time.process_time() - cpu


_typed_files = iter(range(1_000_000))


async def typed_through(client: Client) -> list[Spent]:
    """One fill, then its text key by key."""
    editor = Editor(client, f"file:///through{next(_typed_files)}.py", "")
    await editor.type(0, LINE[:8])
    id = editor.ask(8)
    while id not in client.answers:
        await asyncio.sleep(0.01)
    spent = []
    for at in range(8, len(LINE) - 1):
        await editor.type(at, LINE[at])
        spent.append(await answered(client, lambda at=at: editor.ask(at + 1)))
    client.notify(t.TEXT_DOCUMENT_DID_CLOSE, {"textDocument": {"uri": editor.document.uri}})
    return spent


def memory(script: str, text: str) -> Measure:
    return Measure("memory", *[asyncio.run(megabytes(script, text))] * 2, "MB", 80.0)


async def megabytes(script: str, text: str) -> float:
    """Of a server process of its own; 0 where the system has no /proc."""
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "lsp_server", "--model", script],
        *["--factory", "tests.scripted:load"],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    item = {"uri": "file:///long.py", "languageId": "python", "version": 1, "text": text}
    here = {"line": 5, "character": 19}
    document = {"textDocument": {"uri": "file:///long.py"}}
    messages: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize", "params": {"capabilities": {}}},
        {"method": "initialized", "params": {}},
        {"method": t.TEXT_DOCUMENT_DID_OPEN, "params": {"textDocument": item}},
    ]
    for id in range(2, 60, 3):
        where = {"line": id, "character": 4}
        span = {"range": {"start": where, "end": where}, "context": {"diagnostics": []}}
        at = {**document, "position": here}
        asked = {**at, "context": {"triggerKind": 1}}
        messages += [
            {"id": id, "method": t.TEXT_DOCUMENT_INLINE_COMPLETION, "params": asked},
            {"id": id + 1, "method": t.TEXT_DOCUMENT_COMPLETION, "params": at},
            {"id": id + 2, "method": t.TEXT_DOCUMENT_CODE_ACTION, "params": {**document, **span}},
        ]
    framing, answered = Framing(), set()
    for message in messages:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        await process.stdin.drain()
        while "id" in message and message["id"] not in answered:
            for answer in framing.feed(await process.stdout.read(1 << 16)):
                answered.add(json.loads(answer).get("id"))
    status = Path(f"/proc/{process.pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    process.kill()
    await process.wait()
    return round(sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024, 1)


async def typing_at(seconds: float, script: str) -> Typing:
    journal = Path(json.loads(Path(script).read_text())["journal"])
    client = Client(chaotic_server(script), "utf-16")
    client.initialize()
    await client.settled()
    warm = Editor(client, "file:///warm.py", "")
    warm.ask(0)
    await client.settled()
    before = len(journal.read_text().splitlines())
    editor = Editor(client, "file:///typed.py", "")
    watch = Watch(editor)
    for at, key in enumerate(LINE[:-1]):
        await editor.type(at, key)
        watch.asked(editor.ask(at + 1), at + 1)
        await watch.until(time.perf_counter() + seconds)
    await client.settled()
    watch.look()
    events = [json.loads(line) for line in journal.read_text().splitlines()[before:]]
    client.server.session.close()
    done = {event["fill"] for event in events if event["event"] == "end"}
    steps = [event["fill"] for event in events if event["event"] == "step"]
    wasted = sum(fill not in done for fill in steps)
    return Typing(
        round(1000 * seconds),
        len(watch.waiting) + watch.seen,
        watch.shown,
        len(steps),
        wasted,
        watch.flicker,
        watch.stale,
    )


class Watch:
    """What a user sees while typing: each answer as it comes, on the text as it is by then."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self.waiting: dict[int, int] = {}
        self.seen = self.shown = self.flicker = self.stale = 0
        self._visible: str | None = None

    def asked(self, id: int, length: int) -> None:
        """A key that goes on with what is shown leaves it there, shorter; another one hides it."""
        self.waiting[id] = length
        key = self.editor.document.text[length - 1 : length]
        visible = self._visible
        self._visible = visible[1:] or None if visible and visible[0] == key else None

    async def until(self, then: float) -> None:
        while (left := then - time.perf_counter()) > 0:
            await asyncio.sleep(min(left, 0.002))
            self.look()

    def look(self) -> None:
        for id in [id for id in self.waiting if id in self.editor.client.answers]:
            self._answer(self.waiting.pop(id), self.editor.client.results[id])

    def _answer(self, length: int, result: Any) -> None:
        self.seen += 1
        text = self.editor.document.text
        if not result:
            if length == len(text) and self._visible is not None:
                self.flicker += 1
                self._visible = None
            return
        item = result["items"][0]
        start = item["range"]["start"]["character"]
        after = text[:start] + item["insertText"]
        if not LINE.startswith(text) or after != LINE:
            self.stale += 1
            return
        now = item["insertText"][len(text) - start :]
        if self._visible is not None and self._visible != now:
            self.flicker += 1
        self.shown += self._visible is None
        self._visible = now


def measured(what: str, spent: list[Spent], limit: float | None) -> Measure:
    seconds, processor = zip(*spent, strict=True)
    p50, p99 = percentile(seconds, 0.5), percentile(seconds, 0.99)
    return Measure(what, p50, p99, "ms", limit, cpu=percentile(processor, 0.99))


def percentile(seconds: Sequence[float], share: float) -> float:
    """In milliseconds."""
    ordered = sorted(seconds)
    return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)


def environment() -> dict[str, object]:
    from importlib import metadata

    return {
        "python": platform.python_version(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "pygls": metadata.version("pygls"),
    }


def as_json(measures: list[Measure], typed: list[Typing]) -> str:
    return json.dumps(
        {
            **environment(),
            "measures": [
                {
                    **asdict(each),
                    "holds": each.holds,
                    "holds_by_processor": each.holds_by_processor,
                }
                for each in measures
            ],
            "typing": [asdict(each) for each in typed],
        },
        indent=2,
    )


def as_table(measures: list[Measure], typed: list[Typing]) -> str:
    lines = [", ".join(f"{key} {value}" for key, value in environment().items()), ""]
    lines += [
        "| what | p50 | p99 | processor | floor | limit | holds | by processor |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- | --- |",
    ]
    for each in measures:
        cpu = "" if each.cpu is None else f"{each.cpu} {each.unit}"
        floor = "" if each.floor is None else f"{each.floor} {each.unit}"
        above = "floor + " if each.floor is not None else ""
        limit = f"{above}{each.limit:g} {each.unit}" if each.limit is not None else ""
        lines.append(
            f"| {each.what} | {each.p50} {each.unit} | {each.p99} {each.unit} | {cpu} | {floor}"
            f" | {limit} | {_said(each.holds)} | {_said(each.holds_by_processor)} |"
        )
    lines += ["", "| key | requests | shown | engine steps | wasted | flicker | stale |"]
    lines += ["| ---: " * 7 + "|"]
    for typing in typed:
        lines.append(
            f"| {typing.key_ms} ms | {typing.requests} | {typing.shown} | {typing.steps}"
            f" | {typing.wasted_steps} | {typing.flicker} | {typing.stale} |"
        )
    return "\n".join(lines)


def _said(holds: bool | None) -> str:
    return "" if holds is None else "yes" if holds else "NO"


if __name__ == "__main__":
    main()
