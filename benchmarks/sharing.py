"""Does it pay that fills of several windows share their steps? What waiting costs, both ways.

    python benchmarks/sharing.py [--windows 1 2 4] [--rounds 12] [--device cpu]
                                 [--cpu-time]

So many windows ask at the same moment. In turn, each fill has the device to itself; together, all
of them take every step as one batch. Printed per window count: how long a window waits for its
answer on average, how long the last one waits, and how much of the time in turn that is. Rounds
alternate between the two ways, so that both meet the same machine; figures are medians of rounds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median

import torch

from engine.api import Fill, FillRequest, Shape, Share
from engine.fill.load import load_engine
from engine.fill.sharing import SharedEngine

SOURCE = Path(__file__).resolve().parents[1] / "engine" / "client" / "connect.py"


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds from the common moment to the answers: their mean, and the last one's."""

    mean: float
    last: float


@dataclass(frozen=True, slots=True)
class Row:
    windows: int
    in_turn: Waits
    together: Waits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--device")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="one thread's own time, where others use the CPU too",
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.cpu_time:
        torch.set_num_threads(1)
    clock = time.process_time if given.cpu_time else time.perf_counter
    # Two engines, so that neither way finds in its cache what the other has encoded.
    engines = [load_engine(given.model, given.device) for _ in range(2)]
    rows = []
    for windows in given.windows:
        ways = SharedEngine(engines[0], 1), SharedEngine(engines[1], windows)
        found: tuple[list[Waits], list[Waits]] = ([], [])
        for number in range(given.rounds + 1):
            for way, waits in zip(ways, found, strict=True):
                waits.append(ask(clock, way, requests(windows, number)))
        rows.append(Row(windows, *(typical(waits[1:]) for waits in found)))  # the first warms up
    report(given.json, engines[0].info.device, rows)


def ask(clock: Callable[[], float], engine: SharedEngine, asked: Sequence[FillRequest]) -> Waits:
    waiting = deque(enumerate(asked))
    waits: list[float] = []
    started = clock()

    def end(outcome: Fill | BaseException) -> None:
        if isinstance(outcome, BaseException):
            raise outcome
        waits.append(clock() - started)

    def join() -> Share | None:
        if not waiting:
            return None
        window, request = waiting.popleft()
        return Share(request, end, window=str(window))

    engine.fill_together(join)
    return Waits(mean(waits), max(waits))


def requests(windows: int, number: int) -> list[FillRequest]:
    """The rest of a line, for each window elsewhere in the file, one character on at each round."""
    text = SOURCE.read_text()
    cuts = [len(text) * (at + 1) // (windows + 1) + number for at in range(windows)]
    return [FillRequest((text[:at], text[at:]), "python", shape=Shape.LINE) for at in cuts]


def typical(waits: Sequence[Waits]) -> Waits:
    return Waits(median(each.mean for each in waits), median(each.last for each in waits))


def report(as_json: bool, device: str, rows: Sequence[Row]) -> None:
    if as_json:
        print(json.dumps({"device": device, "rows": [asdict(row) for row in rows]}))
        return
    print(f"on {device}, milliseconds")
    print("| windows | in turn: mean | last | together: mean | last | mean, ratio | last, ratio |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        turn, both = row.in_turn, row.together
        print(
            f"| {row.windows} | {1e3 * turn.mean:.0f} | {1e3 * turn.last:.0f}"
            f" | {1e3 * both.mean:.0f} | {1e3 * both.last:.0f}"
            f" | {both.mean / turn.mean:.2f} | {both.last / turn.last:.2f} |"
        )


if __name__ == "__main__":
    main()
