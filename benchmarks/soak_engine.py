"""Does the host stay as it was? Fills from several windows at once, with edits and cancels.

    python benchmarks/soak_engine.py [--fills 2000] [--windows 4] [--factory tests.scripted:load]

Prints the host's memory over the run, which must stay flat within 2% after the warm-up, and how
long after a cancel the host has stopped, beside the length of a step: at most that and 5 ms more.
Memory is Linux's "Rss" of the host process.
"""

from __future__ import annotations

import argparse
import json
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from engine.api import Cancelled, Draft, Fill, FillRequest, Shape
from engine.connect import HostEngine, connect

SOURCE = Path(__file__).resolve().parents[1] / "engine" / "connect.py"
CANCELLED = 0.2  # share of the fills
WARM_UP = 0.25  # share of the fills after which memory is to be flat
FLAT = 0.02
SLACK = 0.005


@dataclass(frozen=True, slots=True)
class Cancel:
    """Seconds from the cancel to the answer, and of the longest step of that fill before it."""

    seconds: float
    step: float


class Window:
    """One editor: types a character, asks, sometimes changes its mind."""

    def __init__(self, engine: HostEngine, seed: int) -> None:
        self._engine = engine
        self._draws = random.Random(seed)
        self._text = SOURCE.read_text()
        self.done = 0
        self.cancels: list[Cancel] = []
        self.failures: list[str] = []

    def work(self, fills: int) -> None:
        for prefix, suffix in self._gaps(fills):
            request = FillRequest((prefix, suffix), "python", shape=Shape.LINE, max_tokens=16)
            steps: list[float] = [time.monotonic()]
            begun = threading.Event()

            def on_draft(
                _: Draft, steps: list[float] = steps, begun: threading.Event = begun
            ) -> None:
                steps.append(time.monotonic())
                if len(steps) > 2:  # two drafts, so that a step's length is known
                    begun.set()

            job = self._engine.submit(request, on_draft)
            if self._draws.random() < CANCELLED:
                begun.wait(30)
                self._cancel(job.future, job.cancel, steps)
            else:
                try:
                    job.future.result(600)
                except Exception as error:
                    self.failures.append(f"{type(error).__name__}: {error}")
            self.done += 1

    def _cancel(self, future: Future[Fill], cancel: object, steps: list[float]) -> None:
        asked = time.monotonic()
        assert callable(cancel)
        cancel()
        try:
            future.result(600)
        except Cancelled:
            gaps = [after - before for before, after in pairwise(steps)][1:]
            if gaps:
                self.cancels.append(Cancel(time.monotonic() - asked, max(gaps)))
        except Exception as error:
            self.failures.append(f"{type(error).__name__}: {error}")

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
        time.sleep(0.2)
    seconds = time.monotonic() - started
    memory.append((sum(window.done for window in windows), resident(pid)))
    for engine in engines:
        engine.close()
    report(given.json, seconds, memory, windows)


def report(
    as_json: bool, seconds: float, memory: list[tuple[int, float]], windows: list[Window]
) -> None:
    fills = memory[-1][0]
    after = [rss for done, rss in memory if done >= WARM_UP * fills]
    growth = max(after) / after[0] - 1
    cancels = [each for window in windows for each in window.cancels]
    failures = [each for window in windows for each in window.failures]
    late = [each for each in cancels if each.seconds > each.step + SLACK]
    if as_json:
        found = {
            "fills": fills,
            "seconds": seconds,
            "growth": growth,
            "memory": memory,
            "cancels": [asdict(each) for each in cancels],
            "failures": failures,
        }
        print(json.dumps(found))
        return
    print(f"{fills} fills from {len(windows)} windows in {seconds:.0f} s, {len(failures)} failed")
    print("| fills | memory, MiB |\n|---|---|")
    for done, rss in memory[:: max(1, len(memory) // 10)]:
        print(f"| {done} | {rss:.1f} |")
    verdict = "flat" if growth <= FLAT else "NOT flat"
    print(f"memory after the warm-up: {100 * growth:+.2f}% at most, {verdict} within {FLAT:.0%}")
    if cancels:
        times = sorted(1e3 * each.seconds for each in cancels)
        steps = median(1e3 * each.step for each in cancels)
        print(
            f"{len(cancels)} cancels mid-fill: p50 {median(times):.1f} ms,"
            f" worst {times[-1]:.1f} ms, longest step p50 {steps:.1f} ms;"
            f" {len(late)} took longer than their fill's longest step and 5 ms"
        )
    for each in sorted(set(failures)):
        print(f"failed: {each}")


if __name__ == "__main__":
    main()
