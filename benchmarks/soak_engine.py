"""Does the host stay as it was? Fills from several windows at once, with edits and cancels.

    python benchmarks/soak_engine.py [--fills 2000] [--windows 4] [--save STEM]

Prints the host's memory over the run, which must stay flat within 2% after the warm-up, and how
long after a cancel the host has stopped: at most 5 ms after the end of the step that was under way,
which is known from its draft, since the host still sends that. Memory is Linux's "Rss" of the host
process.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from engine.api import FillRequest, Shape
from engine.client import wire
from engine.client.address import address_of
from engine.client.channel import dial
from engine.client.connect import HostEngine, connect
from engine.client.greeting import say_hello

SOURCE = Path(__file__).resolve().parents[1] / "engine" / "client" / "connect.py"
CANCELLED = 0.2  # share of the fills
WARM_UP = 0.25  # share of the fills after which memory is to be flat
FLAT = 0.02
SLACK = 0.005
PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Cancel:
    """Seconds from the cancel to the answer, and of them those after the end of the step that was
    under way."""

    seconds: float
    after_step: float


class Window:
    """One editor: types a character, asks, sometimes changes its mind."""

    def __init__(self, engine: HostEngine, seed: int) -> None:
        self._engine = engine
        self._address = address_of(engine.loaded)
        self._name = f"{os.getpid()}.cancels{seed}"
        self._draws = random.Random(seed)
        self._text = SOURCE.read_text()
        self.done = 0
        self.cancels: list[Cancel] = []
        self.uncancelled = 0
        self.failures: list[str] = []

    def work(self, fills: int) -> None:
        for prefix, suffix in self._gaps(fills):
            request = FillRequest((prefix, suffix), "python", shape=Shape.LINE, max_tokens=16)
            try:
                if self._draws.random() < CANCELLED:
                    self._cancel(request)
                else:
                    self._engine.submit(request).future.result(600)
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            self.done += 1

    def _cancel(self, request: FillRequest) -> None:
        """Spoken without a HostEngine, which hides the drafts of what is cancelled."""
        channel = dial(self._address, PATIENCE)
        say_hello(channel, "window", window=self._name)
        channel.socket.settimeout(None)
        params = wire.fill_to_params(request, wire.Terms(drafts=True))
        channel.send({"id": 1, "method": "fill", "params": params})
        drafts = 0
        while "id" not in (message := channel.receive()):
            drafts += message["method"] == "draft"
            if drafts == 2:
                break
        else:
            channel.close()
            return  # filled before it could be cancelled
        channel.send({"method": "cancel", "params": {"id": 1}})
        asked = step_ended = time.monotonic()
        while "id" not in (message := channel.receive()):
            step_ended = time.monotonic()
        answered = time.monotonic()
        channel.close()
        if "error" in message:
            self.cancels.append(Cancel(answered - asked, answered - step_ended))
        else:
            self.uncancelled += 1

    def _gaps(self, fills: int) -> Iterator[tuple[str, str]]:
        at = self._draws.randrange(len(self._text))
        for _ in range(fills):
            if self._draws.random() < 0.1:  # elsewhere in the file
                at = self._draws.randrange(len(self._text))
            typed = self._draws.choice("abc(.= ")
            self._text = self._text[:at] + typed + self._text[at:]
            at += 1
            yield self._text[:at], self._text[at:]


def resident(pid: int) -> float:
    """MiB of memory that the process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"process {pid} tells no memory")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--device")
    parser.add_argument("--factory")
    parser.add_argument("--fills", type=int, default=2000)
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", type=Path, metavar="STEM", help="write STEM.md and STEM.json too")
    given = parser.parse_args()

    engines = [connect(given.model, given.device, given.factory) for _ in range(given.windows)]
    windows = [Window(engine, seed) for seed, engine in enumerate(engines)]
    engines[0].info  # noqa: B018  # the model is loaded
    pid = engines[0].pid
    assert pid is not None
    share = given.fills // given.windows
    threads = [threading.Thread(target=window.work, args=(share,)) for window in windows]
    memory: list[tuple[int, float]] = []
    started = time.monotonic()
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        memory.append((sum(window.done for window in windows), resident(pid)))
        time.sleep(0.5)
    seconds = time.monotonic() - started
    memory.append((sum(window.done for window in windows), resident(pid)))
    for engine in engines:
        engine.close()
    result = judged(seconds, memory, windows)
    print(json.dumps(asdict(result)) if given.json else as_table(result))
    if given.save is not None:
        given.save.with_suffix(".md").write_text(as_table(result) + "\n")
        given.save.with_suffix(".json").write_text(json.dumps(asdict(result)) + "\n")


@dataclass(frozen=True, slots=True)
class Result:
    """`memory` are (fills done, MiB) over the run, `growth` the most of it after the warm-up, as a
    share of what it was then."""

    fills: int
    windows: int
    seconds: float
    failures: list[str]
    memory: list[tuple[int, float]]
    growth: float
    cancels: list[Cancel]
    uncancelled: int  # fills that were answered all the same

    @property
    def late(self) -> list[Cancel]:
        return [each for each in self.cancels if each.after_step > SLACK]


def judged(seconds: float, memory: list[tuple[int, float]], windows: list[Window]) -> Result:
    fills = memory[-1][0]
    after = [rss for done, rss in memory if done >= WARM_UP * fills]
    return Result(
        fills=fills,
        windows=len(windows),
        seconds=seconds,
        failures=[each for window in windows for each in window.failures],
        memory=memory,
        growth=max(after) / after[0] - 1,
        cancels=[each for window in windows for each in window.cancels],
        uncancelled=sum(window.uncancelled for window in windows),
    )


def as_table(result: Result) -> str:
    verdict = "flat" if result.growth <= FLAT else "NOT flat"
    every = max(1, len(result.memory) // 20)
    lines = [
        f"{result.fills} fills from {result.windows} windows in {result.seconds:.0f} s,"
        f" {len(result.failures)} failed",
        "",
        "| fills | memory, MiB |",
        "| ---: | ---: |",
        *(f"| {done} | {rss:.1f} |" for done, rss in result.memory[::every]),
        "",
        f"memory after the warm-up: {100 * result.growth:+.2f}% at most,"
        f" {verdict} within {FLAT:.0%}",
    ]
    if result.cancels:
        times = sorted(1e3 * each.seconds for each in result.cancels)
        after = sorted(1e3 * each.after_step for each in result.cancels)
        lines += [
            f"{len(times)} cancels mid-fill, answered after p50 {median(times):.1f} ms, p95"
            f" {times[int(0.95 * len(times))]:.1f} ms; of that after the step under way: p50"
            f" {median(after):.1f} ms, p95 {after[int(0.95 * len(after))]:.1f} ms, worst"
            f" {after[-1]:.1f} ms; {len(result.late)} of them more than {1e3 * SLACK:g} ms",
            f"{result.uncancelled} cancels came too late to stop the fill",
        ]
    return "\n".join([*lines, *(f"failed: {each}" for each in sorted(set(result.failures)))])


if __name__ == "__main__":
    main()
