"""The training loop: resumable at any moment, on a CPU or a CUDA device.

On a CPU several single-threaded processes each take a part of the batch: they meet a few times a
step, where the threads of one process would meet in every operation. Weights, gradients and the
optimiser's state lie in memory they share.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from types import FrameType

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.multiprocessing.spawn import spawn

from engine.evaluation.splits import TUNE
from engine.training.adapt import adapters
from engine.training.adapt.adapters import CANVAS_ADAPTER
from engine.training.adapt.data import Batch, batch_of, batches
from engine.training.adapt.model import (
    TAUGHT,
    TAUGHT_ROWS,
    Dimensions,
    Model,
    Shapes,
    read_weights,
    size_of,
    to_checkpoint,
    views,
)
from engine.training.adapt.objective import Loss, loss_of
from engine.training.adapt.optimiser import State, measure_norm, update
from engine.training.adapt.products import gradient_of
from engine.training.adapt.settings import Settings
from engine.training.adapt.tokens import read_tokenizer
from engine.training.data import Corpus, Share
from engine.training.throughput import matmul_rate

SAVE_SECONDS = 600.0
REPORT_EVERY = 20  # steps
MEASURE_EVERY = 1_000_000  # positions
HELD_OUT_BATCHES = 16
STATE, LOG, CURVE = "state.safetensors", "log.jsonl", "curve.jsonl"


@dataclass(frozen=True, slots=True)
class Run:
    """What to train, where, and for how long. `folder` holds the state, the log, the learning
    curve and a snapshot of the weights every million positions."""

    settings: Settings
    base: Path
    corpus: Path
    folder: Path
    device: torch.device
    compiled: bool
    seconds: float | None
    processes: int


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where processes wait for each other; `stop` [1] is above 0 when all are to end, `sums` [P, 2]
    carry losses from each."""

    barrier: Barrier | None
    stop: Tensor
    sums: Tensor

    def wait(self) -> None:
        if self.barrier is not None:
            self.barrier.wait()


def train(run: Run) -> None:
    """Train until the last position, or until `run.seconds` have passed or a SIGTERM arrives.

    The state left in the folder is where the next call goes on. Raises ValueError for several
    processes on anything but a CPU, and where they do not part the batch evenly.
    """
    processes = run.processes
    if processes > 1 and run.device.type != "cpu":
        raise ValueError(f"several processes share a CPU, not {run.device}: take one")
    if run.settings.data.chunks % processes:
        raise ValueError(f"{run.settings.data.chunks} chunks a step do not part in {processes}")
    run.folder.mkdir(parents=True, exist_ok=True)
    dimensions = Dimensions.read(run.base)
    base = read_base(run, dimensions)
    shapes = adapters.shapes(dimensions, run.settings.adapters)
    state = State.new(size_of(shapes), processes, torch.bfloat16, run.device)
    step, positions = load_state(run.folder, state)
    if not step:
        begin(run, shapes, base, state)
    stop, sums = torch.zeros(1), torch.zeros(processes, 2)
    if processes == 1:
        _train(0, run, base, state, Meeting(None, stop, sums), step, positions)
        return
    context = torch.multiprocessing.get_context("spawn")
    meeting = Meeting(context.Barrier(processes), stop.share_memory_(), sums.share_memory_())
    spawn(_train, (run, base, state, meeting, step, positions), nprocs=processes)


def read_base(run: Run, dimensions: Dimensions) -> Tensor:
    """The base's weights in bfloat16, one flat buffer that processes share."""
    flat = torch.empty(size_of(dimensions.shapes()), dtype=torch.bfloat16, device=run.device)
    read_weights(run.base, views(flat, dimensions.shapes()))
    return flat.share_memory_() if run.processes > 1 else flat


def begin(run: Run, shapes: Shapes, base: Tensor, state: State) -> None:
    """What is learnt, before anything was."""
    embedding = views(base, Dimensions.read(run.base).shapes())["embedding"]
    adapters.begin(views(state.master, shapes), embedding, run.settings.seed)
    state.weights.copy_(state.master)


def _train(
    rank: int,
    run: Run,
    base: Tensor,
    state: State,
    meeting: Meeting,
    first_step: int,
    positions: int,
) -> None:
    try:
        _run(rank, run, base, state, meeting, first_step, positions)
    except BaseException:
        if meeting.barrier is not None:
            meeting.barrier.abort()  # the others would wait for ever
        raise


def _run(
    rank: int,
    run: Run,
    base: Tensor,
    state: State,
    meeting: Meeting,
    first_step: int,
    positions: int,
) -> None:
    settings, device = run.settings, run.device
    if device.type == "cpu" and run.processes > 1:
        torch.set_num_threads(1)
    asked_to_stop = _stopping(run.seconds)
    dimensions = Dimensions.read(run.base)
    model = _model(rank, run, base, state, dimensions)
    tokenizer = read_tokenizer(run.base)
    share = Share(rank, run.processes)
    held_out = _held_out(run, tokenizer, share)
    texts = Corpus(run.corpus / "train.jsonl", settings.data.languages)
    peak = matmul_rate(device, run.processes) if not rank else 0.0
    started = saved = last = time.monotonic()
    if not first_step:
        _measure(rank, run, model, held_out, meeting, positions)
    for step, batch in batches(settings, tokenizer, texts, first_step, share):
        gradient_of(model.learnt[TAUGHT_ROWS]).zero_()  # all others are written anew
        loss = loss_of(model, batch.to(device), settings.causal)
        loss.total.backward()
        if not rank and asked_to_stop():
            meeting.stop.fill_(1)
        meeting.wait()
        ended = bool(meeting.stop)
        measure_norm(state, rank)
        meeting.wait()
        rate = settings.schedule.rate(positions)
        norm = update(state, rank, settings.optimiser, rate, step)
        before, positions = positions, positions + batch.positions * run.processes
        ended = ended or positions >= settings.schedule.positions
        meeting.wait()
        if before // MEASURE_EVERY < positions // MEASURE_EVERY:
            part = state.part(rank)
            state.weights[part].copy_(state.mean[part])
            meeting.wait()
            _measure(rank, run, model, held_out, meeting, positions)
            if not rank:
                snapshot(run, dimensions, base, state.mean, positions)
            state.weights[part].copy_(state.master[part])
            meeting.wait()
        if not rank:
            now = time.monotonic()
            speed = batch.positions * run.processes / (now - last)
            work = speed * operations(dimensions, settings, batch)
            last = now
            _log(run.folder / LOG, step, positions, loss, norm, rate, now - started)
            if step % REPORT_EVERY == 0:
                print(
                    f"step {step}, {positions / 1e6:.2f} M: slot {loss.slot:.3f}, "
                    f"causal fill {loss.causal_fill:.3f}, norm {norm:.2f}; "
                    f"{speed:,.0f} positions/s, {work / 1e9:,.0f} GFLOP/s: "
                    f"{work / peak:.0%} of the {peak / 1e9:,.0f} measured here",
                    flush=True,
                )
            if now - saved > SAVE_SECONDS or ended:
                save_state(run.folder, state, step + 1, positions)
                saved = now
        if ended:
            return


def _model(rank: int, run: Run, base: Tensor, state: State, dimensions: Dimensions) -> Model:
    given = run.settings.adapters
    shapes = adapters.shapes(dimensions, given)
    gradients = views(state.gradients[rank], shapes)
    leaves = {}
    for name, weight in views(state.weights, shapes).items():
        leaves[name] = weight.detach().requires_grad_()
        leaves[name].grad = gradients[name]
    return Model(
        views(base, dimensions.shapes()),
        leaves,
        dimensions,
        run.settings.data.groups,
        given.scale / given.rank,
        compiled=run.compiled,
    )


def operations(dimensions: Dimensions, settings: Settings, batch: Batch) -> float:
    """In matrix products of weights a position; attention's are left out. A chunk's are read once,
    a canvas's forward and back, and so its head's."""
    head = dimensions.vocab_size * dimensions.hidden_size
    body = size_of(dimensions.shapes()) - head
    learnt = size_of(adapters.shapes(dimensions, settings.adapters))
    scored = int((batch.weight > 0).sum())
    chunk, canvas = batch.chunk.numel(), batch.canvas.numel()
    whole = chunk * body + canvas * (2 * body + 3 * learnt) + scored * 2 * head
    return 2.0 * whole / batch.positions


def _held_out(run: Run, tokenizer: Tokenizer, share: Share) -> list[Batch]:
    """Batches of files that are never trained on, this process's part of them."""
    corpus = Corpus(run.corpus / "held_out.jsonl", run.settings.data.languages, TUNE)
    steps = range(10**9, 10**9 + HELD_OUT_BATCHES)
    return [batch_of(run.settings, tokenizer, corpus, step, share) for step in steps]


@torch.no_grad()
def _measure(
    rank: int, run: Run, model: Model, held_out: list[Batch], meeting: Meeting, positions: int
) -> None:
    """Add the losses on held-out batches, all processes', to the learning curve. The weights are
    those of the running mean."""
    causal = run.settings.causal
    losses = [loss_of(model, batch.to(run.device), causal) for batch in held_out]
    meeting.sums[rank] = torch.tensor([[loss.slot, loss.causal_fill] for loss in losses]).mean(0)
    meeting.wait()
    if not rank:
        slot, fill = (round(value, 4) for value in meeting.sums.mean(0).tolist())
        entry = {"positions": positions, "slot": slot, "causal_fill": fill}
        with (run.folder / CURVE).open("a", encoding="utf-8") as curve:
            curve.write(json.dumps(entry) + "\n")
        print(f"held out: {entry}", flush=True)
    meeting.wait()


def _log(
    path: Path, step: int, positions: int, loss: Loss, norm: float, rate: float, seconds: float
) -> None:
    entry = {
        "step": step,
        "positions": positions,
        "slot": round(loss.slot, 4),
        "causal_fill": round(loss.causal_fill, 4),
        "norm": round(norm, 3),
        "rate": round(rate, 4),
        "seconds": round(seconds, 1),
    }
    with path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(entry) + "\n")


def _stopping(seconds: float | None) -> Callable[[], bool]:
    asked = False

    def ask(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True

    signal.signal(signal.SIGTERM, ask)
    parent = os.getppid()
    end = time.monotonic() + seconds if seconds is not None else None
    return lambda: asked or os.getppid() != parent or (end is not None and time.monotonic() > end)


def snapshot(
    run: Run, dimensions: Dimensions, base: Tensor, learnt: Tensor, positions: int
) -> Path:
    """The base with the rows that were `learnt`, in bfloat16, beside it what canvases are read
    with, its config and its tokenizer."""
    folder = run.folder / f"{positions // MEASURE_EVERY:03d}M"
    folder.mkdir(exist_ok=True)
    given = run.settings.adapters
    named = views(learnt, adapters.shapes(dimensions, given))
    weights = dict(views(base, dimensions.shapes()))
    taught = torch.tensor(TAUGHT, device=base.device)
    rows = named[TAUGHT_ROWS].to(base.dtype)
    weights["embedding"] = weights["embedding"].index_copy(0, taught, rows)
    save_file(to_checkpoint(weights, dimensions), folder / "model.safetensors", {"format": "pt"})
    added = adapters.to_checkpoint(named, dimensions, given)
    save_file(added, folder / CANVAS_ADAPTER)
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_bytes((run.base / name).read_bytes())
    return folder


def save_state(folder: Path, state: State, step: int, positions: int) -> None:
    tensors = {name: getattr(state, name) for name in ("master", "first", "second", "mean")}
    partial = folder / f"{STATE}.partial"
    save_file(tensors, partial, metadata={"step": str(step), "positions": str(positions)})
    partial.replace(folder / STATE)


def load_state(folder: Path, state: State) -> tuple[int, int]:
    """The next step and the positions done; 0 and 0 where there is no state."""
    path = folder / STATE
    if not path.exists():
        return 0, 0
    for name, tensor in load_file(path, device=str(state.master.device)).items():
        getattr(state, name).copy_(tensor)
    state.weights.copy_(state.master)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    return int(metadata["step"]), int(metadata["positions"])
