"""Does the server keep its promises for a long time? Text, answers, tasks, memory.

    python benchmarks/soak.py [--json] [--edits 100000] [--requests 10000] [--encoding utf-16]

Per encoding: random edits (CRLF, form feeds, emoji, halves of surrogate pairs) with the text
compared to an independent oracle's after each; then random requests with cancels, stale actions,
closes and changes of settings, through the real protocol with a scripted engine. Every request
must have exactly one answer, and neither tasks nor memory may grow. Exit status 1 if not so.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import platform
import random
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lsprotocol import types as t

from lsp_server.document import Document, Encoding
from tests.lsp_server.fuzzing import UNIT, Chaos, Client, Oracle, chaotic_server

MOST_GROWTH = 8.0  # MB, over the last four fifths of the requests


@dataclass(frozen=True, slots=True)
class Result:
    encoding: str
    edits: int
    edits_per_second: float
    requests: int
    answers_missing: int
    answered_twice: int
    internal_errors: int
    tasks_left: int
    memory_growth_mb: float

    @property
    def holds(self) -> bool:
        wrong = self.answers_missing + self.answered_twice + self.internal_errors + self.tasks_left
        return wrong == 0 and self.memory_growth_mb < MOST_GROWTH


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--edits", type=int, default=100_000, help="edits per encoding")
    parser.add_argument("--requests", type=int, default=10_000, help="requests per encoding")
    parser.add_argument("--encoding", choices=UNIT, help="one of them; all if not given")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    results = []
    for encoding in [arguments.encoding] if arguments.encoding else UNIT:
        rng = random.Random(f"{arguments.seed} {encoding}")
        rate = edit_at_random(encoding, arguments.edits, rng)
        results.append(asyncio.run(ask_at_random(encoding, arguments, rate, rng)))
    print(as_json(results) if arguments.json else as_table(results))
    sys.exit(not all(result.holds for result in results))


def edit_at_random(encoding: str, count: int, rng: random.Random) -> float:
    """Edits per second of the server's document alone. Raises AssertionError at a difference."""
    oracle = Oracle(encoding, rng)
    document = Document("file:///a", 0, "python", "", Encoding(encoding))
    seconds = 0.0
    for version in range(count):
        change = oracle.change()
        event: t.TextDocumentContentChangeEvent
        if "range" in change:
            start, end = (t.Position(**change["range"][name]) for name in ("start", "end"))
            event = t.TextDocumentContentChangePartial(t.Range(start, end), change["text"])
        else:
            event = t.TextDocumentContentChangeWholeDocument(change["text"])
        started = time.perf_counter()
        document = document.edited([event], version)
        seconds += time.perf_counter() - started
        assert document.text == oracle.text, f"{encoding}: edit {version} went wrong"
    return count / seconds if seconds else 0.0


async def ask_at_random(
    encoding: str, arguments: argparse.Namespace, rate: float, rng: random.Random
) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"INFILL_RUNTIME_DIR": folder, "INFILL_LINGER": "0"}
        script = Path(folder) / "script.json"
        rule = {"text": "a(b)\n    c", "steps": 3, "delay": 0.001}
        script.write_text(json.dumps({"fills": [rule]}))
        server = chaotic_server(str(script))
        client = Client(server, encoding)
        client.initialize()
        chaos = Chaos(client, rng)
        chaos.opens()
        begun = 0.0
        while len(client.sent) < arguments.requests:
            chaos.step()
            if rng.random() < 0.3:
                await asyncio.sleep(rng.choice((0, 0, 0.001, 0.01)))
            if len(client.sent) % 500 == 0:
                await client.settled()
            if not begun and len(client.sent) > arguments.requests / 5:
                begun = await memory(client)
        growth = await memory(client) - begun
        for uri in list(chaos.open):
            client.notify(t.TEXT_DOCUMENT_DID_CLOSE, {"textDocument": {"uri": uri}})
        await asyncio.sleep(1)
        tasks = len(asyncio.all_tasks()) - 1
        server.session.close()
        return Result(
            encoding=encoding,
            edits=arguments.edits,
            edits_per_second=round(rate),
            requests=len(client.sent),
            answers_missing=len(set(client.sent) - set(client.answers)),
            answered_twice=sum(count > 1 for count in client.answers.values()),
            internal_errors=client.codes[t.ErrorCodes.InternalError.value],
            tasks_left=tasks,
            memory_growth_mb=round(growth, 1),
        )


async def memory(client: Client) -> float:
    """Megabytes in use, with nothing under way, and without what this client itself keeps."""
    await client.settled()
    client.results.clear()
    gc.collect()
    return resident(None)


def resident(pid: int | None) -> float:
    """Megabytes of a process, or of this one, where the system has /proc; 0 elsewhere."""
    path = Path(f"/proc/{pid or 'self'}/status")
    if not path.exists():
        return 0.0
    (line,) = (line for line in path.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def as_json(results: list[Result]) -> str:
    return json.dumps(
        {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "results": [{**asdict(result), "holds": result.holds} for result in results],
        }
    )


def as_table(results: list[Result]) -> str:
    lines = [
        "| encoding | edits | edits/s | requests | missing | twice | internal errors | tasks left"
        " | memory growth MB |",
        "| --- " + "| ---: " * 8 + "|",
    ]
    for each in results:
        lines.append(
            f"| {each.encoding} | {each.edits} | {each.edits_per_second:.0f} | {each.requests}"
            f" | {each.answers_missing} | {each.answered_twice} | {each.internal_errors}"
            f" | {each.tasks_left} | {each.memory_growth_mb:.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
