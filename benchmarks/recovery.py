"""How soon does a fill work again after its engine was killed, or hangs?

    python benchmarks/recovery.py [--hang] [--rounds 5] [--model embedded] [--device cpu] [--json]

Each round kills the host with SIGKILL in the middle of a fill (stops it with SIGSTOP: `--hang`) and
asks again as soon as that fill has failed. That takes a new process and loads the model anew:
beside the time until the answer stands the time that an engine takes to its first answer when
nothing has gone wrong. The difference is the price of the fault; it is to be less than 5 s.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from engine.api import FillRequest, HostLost, Shape
from engine.client.connect import HostEngine, connect

SOURCE = Path(__file__).resolve().parents[1] / "engine" / "client" / "connect.py"
MOST = 5.0


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds to the first answer of a new engine, from the fault until it is told, and until the
    next answer."""

    start: float
    told: float
    recovery: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hang", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--device")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rounds = []
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory() as folder:
            os.environ |= {"INFILL_RUNTIME_DIR": folder, "INFILL_LINGER": "0"}
            with connect(given.model, given.device) as engine:
                fault = signal.SIGSTOP if given.hang else signal.SIGKILL
                rounds.append(disturb_and_ask_again(engine, fault))
    print(json.dumps([asdict(each) for each in rounds]) if given.json else as_table(rounds))


def disturb_and_ask_again(engine: HostEngine, fault: signal.Signals) -> Round:
    text = SOURCE.read_text()
    half = len(text) // 2
    request = FillRequest((text[:half], text[half:]), "python", shape=Shape.BLOCK)
    started = time.perf_counter()
    engine.fill(request)
    start = time.perf_counter() - started
    under_way = threading.Event()
    job = engine.submit(request, lambda _: under_way.set())
    assert under_way.wait(60)
    assert engine.pid is not None
    os.kill(engine.pid, fault)
    disturbed = time.perf_counter()
    assert isinstance(job.future.exception(60), HostLost)
    told = time.perf_counter() - disturbed
    engine.fill(request)
    return Round(start, told, time.perf_counter() - disturbed)


def as_table(rounds: list[Round]) -> str:
    lines = [
        "| start, s | until it is told, s | until the next answer, s | price, s |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for each in rounds:
        figures = f"{each.start:.2f} | {each.told:.2f} | {each.recovery:.2f}"
        lines.append(f"| {figures} | {_price(each):+.2f} |")
    worst = max(map(_price, rounds))
    verdict = "less" if worst < MOST else "NOT less"
    return "\n".join(
        [
            *lines,
            "",
            f"price: median {median(map(_price, rounds)):+.2f} s, worst {worst:+.2f} s,"
            f" {verdict} than {MOST:g} s",
        ]
    )


def _price(each: Round) -> float:
    return each.recovery - each.start


if __name__ == "__main__":
    main()
