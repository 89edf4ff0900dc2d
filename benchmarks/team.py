"""How many people can one server serve? So many typists ask it at once, each with an engine of
their own, as each has on their own machine.

    python benchmarks/team.py ADDRESS [--typists 1 2 4 8] [--seconds 60] [--pause 2] [--patience 5]
                                      [--server "llama.cpp 0.7.0, 4 slots"] [--json]

A typist stops at some place in a line of this project's code, asks for the rest of it, looks at the
answer for a while (`--pause` seconds on average) and goes on somewhere else. One who has waited for
longer than `--patience` seconds on average types on: the fill is given up, and its stream closed.
Both times are drawn from an exponential distribution. `first` is when the first draft came, p50 and
p95 when the whole fill was there, of those that were answered. Errors are what was neither answered
nor given up. Only for servers of your own: this is a load test.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import platform
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

from engine.api import Cancelled, Draft, EngineError, EngineInfo, FillRequest, Shape
from engine.remote import RemoteEngine, load_remote

SOURCES = [
    path.read_text().splitlines(keepends=True)
    for path in sorted((Path(__file__).resolve().parents[1] / "lsp_server").rglob("*.py"))
]
MOST_TOKENS = 24
AROUND = 3000, 1000  # characters that are sent, before and after the cursor


@dataclass(slots=True)
class Typist:
    """What became of a typist's fills; times in seconds."""

    engine: RemoteEngine
    random: random.Random
    pause: float
    patience: float
    asked: int = 0
    given_up: int = 0
    firsts: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def work(self, until: float) -> None:
        """Until then; a fill that is under way is still waited for."""
        time.sleep(self.random.uniform(0.0, self.pause))
        while time.monotonic() < until:
            self.ask(self.place())
            time.sleep(self.random.expovariate(1 / self.pause))

    def ask(self, request: FillRequest) -> None:
        self.asked += 1
        asked = time.monotonic()
        leaves = asked + self.random.expovariate(1 / self.patience)
        first: list[float] = []

        def show(draft: Draft) -> None:
            if not first and draft.texts[0]:
                first.append(time.monotonic() - asked)

        try:
            self.engine.fill(request, show, lambda: time.monotonic() > leaves)
        except Cancelled:
            self.given_up += 1
        except EngineError as error:
            self.errors[str(error)] += 1
        else:
            self.times.append(time.monotonic() - asked)
            self.firsts.extend(first)

    def place(self) -> FillRequest:
        """In the middle of a line that says something."""
        while True:
            lines = self.random.choice(SOURCES)
            number = self.random.randrange(len(lines)) if lines else 0
            if lines and len(lines[number].strip()) > 12:
                break
        line = lines[number]
        column = self.random.randrange(len(line) - len(line.lstrip()) + 4, len(line.rstrip()))
        before = "".join(lines[:number]) + line[:column]
        after = "\n" + "".join(lines[number + 1 :])
        return FillRequest(
            (before[-AROUND[0] :], after[: AROUND[1]]),
            language="python",
            shape=Shape.LINE,
            max_tokens=MOST_TOKENS,
        )


@dataclass(frozen=True, slots=True)
class Row:
    """Times in seconds, None where nothing was answered."""

    typists: int
    asked: int
    answered: int
    given_up: int
    errors: dict[str, int]
    answers_a_minute: float
    fewest_answers: int  # of one typist
    first: float | None
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Result:
    server: str
    way: str
    model: str
    date: str
    machine: str
    seconds: float
    pause: float
    patience: float
    rows: list[Row]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("address")
    parser.add_argument("--typists", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--pause", type=float, default=2.0)
    parser.add_argument("--patience", type=float, default=5.0)
    parser.add_argument(
        "--server", default="", help="its name, version and options, for the result"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    rows = [row_of(given, count) for count in given.typists]
    info: EngineInfo = load_remote(given.address).info
    result = Result(
        server=given.server or info.device,
        way=info.way or "",
        model=info.model,
        date=date.today().isoformat(),
        machine=f"{platform.processor() or platform.machine()}, {platform.system()}",
        seconds=given.seconds,
        pause=given.pause,
        patience=given.patience,
        rows=rows,
    )
    print(json.dumps(asdict(result), indent=2) if given.json else as_table(result))


def row_of(given: argparse.Namespace, count: int) -> Row:
    typists = [
        Typist(load_remote(given.address), random.Random(number), given.pause, given.patience)
        for number in range(count)
    ]
    began = time.monotonic()
    threads = [
        threading.Thread(target=typist.work, args=(began + given.seconds,)) for typist in typists
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    minutes = (time.monotonic() - began) / 60
    times = [each for typist in typists for each in typist.times]
    return Row(
        typists=count,
        asked=sum(typist.asked for typist in typists),
        answered=len(times),
        given_up=sum(typist.given_up for typist in typists),
        errors=dict(sum((typist.errors for typist in typists), Counter[str]())),
        answers_a_minute=len(times) / minutes,
        fewest_answers=min(len(typist.times) for typist in typists),
        first=quantile([each for typist in typists for each in typist.firsts], 0.5),
        p50=quantile(times, 0.5),
        p95=quantile(times, 0.95),
    )


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest of `values` that so large a share of them does not exceed; None of none."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def as_table(result: Result) -> str:
    def seconds(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}"

    lines = [
        f"{result.server}, {result.model}, {result.way}, {result.date}; {result.seconds:g} s each,"
        f" a pause of {result.pause:g} s, a patience of {result.patience:g} s",
        "",
        "| typists | asked | answered | left | errors | a minute | first, s | p50, s | p95, s |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {row.typists} | {row.asked} | {row.answered} | {row.given_up}"
            f" | {sum(row.errors.values())} | {row.answers_a_minute:.0f} | {seconds(row.first)}"
            f" | {seconds(row.p50)} | {seconds(row.p95)} |"
            for row in result.rows
        ),
    ]
    errors = sum((Counter(row.errors) for row in result.rows), Counter[str]())
    lines += [f"\n{count} × {message}" for message, count in errors.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
