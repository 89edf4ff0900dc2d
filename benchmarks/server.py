"""How quick is the language server itself, whatever the model?

    python benchmarks/server.py [--json] [--lines 10000] [--rounds 300]

Every number has a limit beside it:

    initialize      from the start of the process to the answer, against a bare pygls server's,
                    both started in turn in this run
    didChange       how long one edit in a long Python file keeps the event loop
    type-through    from the request to an answer that the last fill already holds
    code actions    from the request to the list, when typing rests, as editors ask for it; and at
                    once after a key
                    the same in deep and long syntax: an expression of 5,000 lines in brackets, a
                    chain of 2,000 `else if`, brackets in brackets, a function of 5,000 lines
    memory          of the server process with that file open, after requests of every kind
    typing          lines typed at 10, 50 and 150 ms a key with pauses to think, asking at every
                    key: how often ghost text was shown and how many keys it already had, engine
                    steps whose fill was not to be, suggestions that changed under the user's
                    fingers, and answers that no longer fitted. A fill takes 8 steps of 8 ms.
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

from benchmarks.files import deep_files, long_file  # noqa: E402
from benchmarks.typist import LINES, Editor, Spent, Typing, rules, typing_at  # noqa: E402
from lsp_server.framing import Framing  # noqa: E402
from tests.lsp_server.fuzzing import Client, chaotic_server  # noqa: E402

BARE = "from pygls.lsp.server import LanguageServer as S; S('bare', '1').start_io()"
KEYS = (0.010, 0.050, 0.150)
REST = 0.3
STATEMENT = "        found = lookup(self.items, größe)\n"


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
    script = folder / "script.json"
    journal = str(folder / "journal")
    script.write_text(json.dumps({"fills": [*rules(), {"text": "pass"}], "journal": journal}))
    return script


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
    writer, rng = Writer(editor), random.Random(0)
    await actions_at(editor, 0)
    changes = [await writer.key(rng) for _ in range(rounds)]
    lists, at_once = [], []
    for _ in range(rounds):
        await writer.key(rng)
        at_once.append(await actions_at(editor, writer.at))
        await writer.key(rng)
        await asyncio.sleep(REST)
        lists.append(await actions_at(editor, writer.at))
    through = [each for _ in range(max(1, rounds // 20)) for each in await typed_through(client)]
    deep = [
        measured(f"code actions, {name}", await in_deep_syntax(client, *each, rounds), 5.0)
        for name, each in deep_files().items()
    ]
    client.server.session.close()
    return [
        measured(f"didChange, {len(editor.document.line_starts) - 1} lines", changes, 5.0),
        measured("type-through", through, 2.0),
        measured("code actions", lists, 5.0),
        measured("code actions at once", at_once, 5.0),
        *deep,
    ]


async def in_deep_syntax(client: Client, language: str, text: str, rounds: int) -> list[Spent]:
    """At random lines, as the cursor moves: nothing is typed, so the tree is there."""
    editor = Editor(client, f"file:///deep.{language}", text, language)
    starts, rng = editor.document.line_starts, random.Random(0)
    await asyncio.sleep(REST)
    await actions_at(editor, 0)
    spent = [
        await actions_at(editor, editor.document.line_bounds(rng.randrange(len(starts)))[1])
        for _ in range(rounds)
    ]
    client.notify(t.TEXT_DOCUMENT_DID_CLOSE, {"textDocument": {"uri": editor.document.uri}})
    return spent


class Writer:
    """Types a statement in one function of a long file, then another one in another function."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self.at = 0
        self._keys: list[str] = []

    async def key(self, rng: random.Random) -> Spent:
        if not self._keys:
            self._keys = [*STATEMENT]
            text, place = self.editor.document.text, "        price = ..."
            self.at = -1
            for _ in range(rng.randrange(1, text.count(place) + 1)):
                self.at = text.index(place, self.at + 1)
        spent = await self.editor.type(self.at, self._keys.pop(0))
        self.at += 1
        return spent


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
        client.has_answered.clear()
        await client.has_answered.wait()
    return time.perf_counter() - begun, time.process_time() - cpu


_typed_files = iter(range(1_000_000))


async def typed_through(client: Client) -> list[Spent]:
    """One fill, then its text key by key."""
    editor = Editor(client, f"file:///through{next(_typed_files)}.py", "\n")
    line = f"\n{LINES[0]}"
    await editor.type(1, line[1:9])
    id = editor.ask(9)
    while id not in client.answers:
        await asyncio.sleep(0.01)
    spent = []
    for at in range(9, len(line) - 1):
        await editor.type(at, line[at])
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
    lines += ["", "| key | asked | shown | typed through | steps | wasted | flicker | stale |"]
    lines += ["| ---: " * 8 + "|"]
    for typing in typed:
        lines.append(
            f"| {typing.key_ms} ms | {typing.requests} | {typing.shown} | {typing.typed_through}"
            f" | {typing.steps} | {typing.wasted_steps} | {typing.flicker} | {typing.stale} |"
        )
    return "\n".join(lines)


def _said(holds: bool | None) -> str:
    return "" if holds is None else "yes" if holds else "NO"


if __name__ == "__main__":
    main()
