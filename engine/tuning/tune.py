"""A run: measure on held-out files, learn from the others, measure again, keep or drop.

measure   gaps of held-out files, filled as in use by the base
learn     until the time is over; paused while somebody waits for fills; the state is saved
          every now and then, so that a run that was ended goes on from there
measure   the same gaps, filled by the model as it would be used
keep      where more of them are exactly right and the loss of held-out lessons has fallen too:
          of a few gaps more, chance alone makes as many wins as losses, the loss hardly moves
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from engine import __version__
from engine.checkpoints.catalog import by_way_of, folder_of
from engine.checkpoints.checkpoint import open_checkpoint, read_config
from engine.checkpoints.load import compute_dtype, load_weights
from engine.checkpoints.tuned import ADAPTER, TUNED, sampled_digest
from engine.evaluation.cutting import Text, cut_held_out
from engine.evaluation.exactness import is_exact
from engine.evaluation.items import BadData, Item
from engine.evaluation.methods import request_for
from engine.evaluation.question import MODEL_FILES, digest_items
from engine.fill.infill import LocalEngine
from engine.fill.load import load_engine
from engine.fill.writable import Writable
from engine.models.family import Model, loader_of
from engine.tuning.kept import Kept, Record, write_json
from engine.tuning.learner import STATE, Learner, Settings
from engine.tuning.lessons import Lesson, Lessons
from engine.tuning.quiet import LOOK_EVERY, Quiet

HELD_OUT = 5  # one file in so many, by a digest of its path
LEAST_FILES = 4  # to learn from: of fewer there is nothing to hold out
MOST_GAPS = 200  # that are measured
MEASURING = 0.15  # of the time, for each of the two measurements; then with fewer gaps
LEAST_GAPS = 10
LOSS_LESSONS = 24  # held-out, for the loss
SAVE_EVERY = 30.0  # seconds
MEASURED = "measured.json"  # what the base fills exactly, of a run that has not come to its end

Tell = Callable[[dict[str, Any]], None]


class NothingToLearn(ValueError):
    """The files are too few. The message says how many there are and how many it takes."""


@dataclass(frozen=True, slots=True)
class Run:
    """What to learn from, for how many seconds, and where to keep it."""

    workspace: Path
    texts: Sequence[Text]
    base: str
    seconds: float
    device: str = "cpu"
    settings: Settings = field(default_factory=Settings)
    most_gaps: int = MOST_GAPS


class Ended(Exception):
    """The run was told to end; what it has learned so far is saved."""


def is_held_out(name: str) -> bool:
    """Whether the file of this path is held out: the same for every run, wherever it is."""
    return (
        int(hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest(), 16) % HELD_OUT == 0
    )


def tune(
    run: Run,
    kept: Kept,
    tell: Tell = lambda message: None,
    is_over: Callable[[], bool] = lambda: False,
    quiet: Quiet | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Record:
    """The record of the run, written into `kept`, whose lock the caller holds.

    `tell` hears {"stage", "done", "of", ..} now and then; `is_over` is asked whether to stop.
    Raises Ended, NothingToLearn, OSError, and ModelMissing or OutOfMemory of the base.
    """
    learn, held = _part(run.texts)
    folder = folder_of(run.base)
    if by_way_of(run.base)[0] or loader_of(read_config(folder)) is not None:
        raise ValueError(
            f"{run.base} is run by another library, whose models cannot be taught here"
        )
    digest = sampled_digest(folder)
    kept.make()
    last = kept.record()
    record = Record(
        workspace=str(run.workspace),
        base=run.base,
        digest=digest,
        files=len(learn),
        held_out=len(held),
        model=last.model if last is not None and last.digest == digest else "",
    )
    watch = _Watch(tell, is_over, quiet or Quiet(), clock)
    items = _items(held, run.most_gaps)
    before, teaching = _before(run, items, learn, held, digest, kept, watch)
    items = items[: len(before.exact)]
    record = replace(record, gaps=len(items), before=_share(before.exact))
    seconds = max(run.seconds - 2 * before.seconds, run.seconds / 2)
    record, adapter = _learned(run, teaching, seconds, kept, record, watch)
    made = _make_model(adapter, folder, kept, record)
    engine = load_engine(str(made), run.device)
    after = _measure(engine, items, None, watch, "measuring after")
    record = replace(record, after=_share(after.exact), finished=_now())
    record = _keep_or_drop(record, made, kept)
    for name in (STATE, MEASURED):
        (kept.folder / name).unlink(missing_ok=True)
    return record


@dataclass(frozen=True, slots=True)
class Teaching:
    """Lessons of the files to learn from, and some of those that are held out. `listens`: the model
    is used with self-conditioning."""

    lessons: Lessons
    held_out: list[Lesson]
    listens: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """Which gaps were filled exactly, and how long all of them took."""

    exact: list[bool]
    seconds: float


@dataclass(slots=True)
class _Watch:
    """Tells, waits while somebody works, and ends a run that is over."""

    tell: Tell
    is_over: Callable[[], bool]
    quiet: Quiet
    clock: Callable[[], float]

    def pause(self, message: dict[str, Any]) -> None:
        """Returns when nobody waits for fills. Raises Ended."""
        while True:
            if self.is_over():
                raise Ended
            waits = not self.quiet.is_quiet()
            self.tell({**message, "paused": waits})
            if not waits:
                return
            time.sleep(LOOK_EVERY / 4)


def _part(texts: Sequence[Text]) -> tuple[list[Text], list[Text]]:
    learn = [text for text in texts if not is_held_out(text.name)]
    held = [text for text in texts if is_held_out(text.name)]
    if len(learn) < LEAST_FILES or not held:
        raise NothingToLearn(
            f"there are {len(texts)} files to learn from, of which {len(held)} are held out: it"
            f" takes {LEAST_FILES} to learn and one to measure with"
        )
    return learn, held


def _items(held: Sequence[Text], most: int) -> list[Item]:
    """Gaps of held-out files, lines and blocks mixed, so that a beginning of them is fair too."""
    languages: Counter[str] = Counter()
    for text in held:
        languages[text.language] += len(text.text)
    for count in (most, most // 4, LEAST_GAPS):
        lines = max(1, count * 4 // 5)
        try:
            items = cut_held_out(held, lines, count - lines, weights=languages)
        except BadData:
            continue
        return sorted(items, key=lambda item: hashlib.sha256(item.id.encode()).digest())
    raise NothingToLearn("the held-out files are too short to cut gaps from")


def _before(
    run: Run,
    items: Sequence[Item],
    learn: Sequence[Text],
    held: Sequence[Text],
    digest: str,
    kept: Kept,
    watch: _Watch,
) -> tuple[Measured, Teaching]:
    """What the base fills exactly, and lessons for it; of it nothing else stays in memory."""
    engine = load_engine(run.base, run.device)
    size, device = engine.model.config.vocab_size, engine.model.device
    writable = Writable(engine.tokenizer, size, engine.profile, device)
    given = engine.tokenizer, engine.profile, writable, size, run.settings.seed
    unseen = Lessons(held, *given)
    teaching = Teaching(
        Lessons(learn, *given),
        [unseen.lesson(number) for number in range(LOSS_LESSONS)],
        engine.profile.sampling.self_conditioning,
    )
    return _measured_before(engine, items, run, digest, kept, watch), teaching


def _learned(
    run: Run, teaching: Teaching, seconds: float, kept: Kept, record: Record, watch: _Watch
) -> tuple[Record, dict[str, Tensor]]:
    """What was learned, an adapter's tensors; what is told of it so far is in `kept`, whatever
    happens. Raises Ended."""
    learner = Learner(_learning_model(run), run.settings)
    record = replace(record, loss_before=learner.loss(teaching.held_out))
    identity = _identity(run, record.digest)
    learner.resume(kept.folder, identity)
    try:
        _learn(learner, teaching, seconds, watch, lambda: learner.save(kept.folder, identity))
    finally:
        learner.save(kept.folder, identity)
        done = learner.progress
        record = replace(record, steps=done.steps, minutes=round(done.seconds / 60, 2))
        kept.write(record)
    return replace(record, loss_after=learner.loss(teaching.held_out)), learner.adapter()


def _measured_before(
    engine: LocalEngine, items: Sequence[Item], run: Run, digest: str, kept: Kept, watch: _Watch
) -> Measured:
    """What the base fills exactly, as it is remembered of a run that was ended."""
    asked = {"digest": digest, "items": digest_items(items), "seconds": run.seconds}
    path = kept.folder / MEASURED
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["asked"] == asked:
            return Measured(list(known["exact"]), float(known["seconds"]))
    found = _measure(engine, items, run.seconds * MEASURING, watch, "measuring before")
    write_json(path, {"asked": asked, **asdict(found)})
    return found


def _measure(
    engine: LocalEngine, items: Sequence[Item], seconds: float | None, watch: _Watch, stage: str
) -> Measured:
    """As many of the items as `seconds` allow, all of them if it is None."""
    exact: list[bool] = []
    spent = 0.0
    for item in items:
        watch.pause({"stage": stage, "done": len(exact), "of": len(items)})
        started = watch.clock()
        exact.append(is_exact(item, engine.fill(request_for(item)).texts[0]))
        spent += watch.clock() - started
        if seconds is not None and spent > seconds and len(exact) >= LEAST_GAPS:
            break
    return Measured(exact, spent)


def _learning_model(run: Run) -> Model[Any]:
    device = torch.device(run.device)
    # On a CPU no quantised product has a gradient; on a card the base stays as small as it is.
    packed = None if device.type == "cuda" else False
    checkpoint = open_checkpoint(folder_of(run.base))
    return load_weights(checkpoint, device, compute_dtype(device), packed=packed)


def _learn(
    learner: Learner,
    teaching: Teaching,
    seconds: float,
    watch: _Watch,
    save: Callable[[], None],
) -> None:
    """Until `seconds` have been spent on it, pauses not counted. Raises Ended."""
    done, settings = learner.progress, learner.settings
    saved = watch.clock()
    while done.seconds < seconds:
        told = {"done": round(done.seconds, 1), "of": round(seconds, 1), "loss": done.loss}
        watch.pause({"stage": "learning", **told})
        started = watch.clock()
        rng = random.Random(f"{settings.seed}/{done.steps}")
        numbers = range(done.lessons, done.lessons + settings.lessons)
        learner.step(
            [teaching.lessons.lesson(number) for number in numbers],
            done.seconds / seconds,
            self_conditioning=teaching.listens and rng.random() < settings.self_conditioning,
        )
        done.seconds += watch.clock() - started
        if watch.clock() - saved > SAVE_EVERY:
            save()
            saved = watch.clock()


def _identity(run: Run, digest: str) -> dict[str, Any]:
    """What a state depends on: a run of anything else does not go on from it."""
    return {
        "version": __version__,
        "base": run.base,
        "digest": digest,
        "seconds": run.seconds,
        "settings": asdict(run.settings),
    }


def _make_model(adapter: dict[str, Tensor], base: Path, kept: Kept, record: Record) -> Path:
    """A model folder of what was learned."""
    partial = kept.folder / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    save_file(adapter, partial / ADAPTER, {"format": "pt"})
    for name in (*MODEL_FILES, "profile.json"):
        if name != TUNED and (base / name).exists():
            shutil.copyfile(base / name, partial / name)
    write_json(partial / TUNED, {"base": record.base, "digest": record.digest})
    with (partial / ADAPTER).open("rb") as file:
        folder = kept.folder / hashlib.file_digest(file, "sha256").hexdigest()[:12]
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)
    return folder


def _keep_or_drop(record: Record, made: Path, kept: Kept) -> Record:
    assert record.before is not None
    assert record.after is not None
    assert record.loss_before is not None
    assert record.loss_after is not None
    gained = record.after > record.before and record.loss_after < record.loss_before
    record = replace(record, gained=gained, model=made.name if gained else record.model)
    kept.write(record)  # first, so that nobody is led to a folder that goes
    kept.drop_models(but=record.model)
    return record


def _share(exact: Sequence[bool]) -> float:
    return sum(exact) / len(exact)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


__all__ = ["Ended", "NothingToLearn", "Run", "is_held_out", "tune"]
