"""`python -m engine.tuning`: a run from beginning to end, told as JSON lines on stdout.

    {"stage": "measuring before", "done": K, "of": N, "paused": false}
    {"stage": "learning", "done": SECONDS, "of": SECONDS, "loss": .., "paused": false}
    {"stage": "measuring after", "done": K, "of": N, "paused": false}
    {"result": {..}}        a Record (engine/tuning/kept.py)
    {"ended": true}         it was told to end (SIGTERM), and goes on from there the next time
    {"error": "..."}

Which files are learned from is said on stdin, a path a line as JSON, relative to the folder: what
is ignored or may hold secrets is known to whoever asks.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from engine.api import EngineError
from engine.client.lock import FileLock
from engine.evaluation.cutting import LANGUAGES, LARGEST, LEAST_LINES, Text
from engine.tuning.kept import Kept, base_name

NICE = 19
LEAST_CHARACTERS = 200  # of a file


def main(arguments: list[str] | None = None) -> int:
    options = _options().parse_args(arguments)
    is_over = _ends_on_sigterm()
    texts = list(read_texts(options.folder, map(json.loads, sys.stdin)))
    _step_back(options.threads)
    kept = Kept.of(options.folder, options.model)
    try:
        kept.make()
        lock = FileLock(kept.lock)
        if not lock.take():
            raise OSError(f"{options.folder} is being learned already")
        try:
            _run(options, texts, kept, is_over)
        finally:
            lock.release()
    except (EngineError, OSError, ValueError) as error:
        _tell({"error": str(error)})
        return 1
    return 0


def _run(
    options: argparse.Namespace, texts: list[Text], kept: Kept, is_over: Callable[[], bool]
) -> None:
    import torch

    from engine.tuning.learner import Settings
    from engine.tuning.tune import Ended, Run, tune

    torch.set_num_threads(options.threads)
    settings = Settings(rank=options.rank)
    run = Run(
        workspace=options.folder.resolve(),
        texts=texts,
        base=base_name(options.model),
        seconds=60 * options.minutes,
        device=options.device or ("cuda" if torch.cuda.is_available() else "cpu"),
        settings=settings,
        most_gaps=options.gaps,
    )
    try:
        record = tune(run, kept, _tell, is_over)
    except Ended:
        _tell({"ended": True})
    else:
        _tell({"result": record.as_json()})


def read_texts(folder: Path, names: Iterable[str]) -> Iterator[Text]:
    """The files of these names below `folder` that something can be learned from."""
    for name in sorted(names):
        path = folder / name
        language = LANGUAGES.get(path.suffix)
        if language is None:
            continue
        try:
            if path.stat().st_size > 4 * LARGEST:
                continue
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        long_enough = len(text) >= LEAST_CHARACTERS and text.count("\n") >= LEAST_LINES
        if long_enough and len(text) <= LARGEST:
            yield Text(name, text, language)


def _step_back(threads: int) -> None:
    """Leave the processor to whoever wants it. Set before torch is loaded, which reads it then."""
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    if hasattr(os, "nice"):
        os.nice(NICE)


def _ends_on_sigterm() -> Callable[[], bool]:
    over = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal over
        over = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-c is for whoever asked: that one ends us
    return lambda: over


def _tell(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.tuning")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--device")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--gaps", type=int, default=200, help="held-out gaps that are measured")
    parser.add_argument("--threads", type=int, default=max(1, (os.cpu_count() or 1) // 2))
    return parser


if __name__ == "__main__":
    sys.exit(main())
