"""The training loop: resumable at any moment, on a CPU or a CUDA device.

On a CPU several single-threaded processes, each with a part of the batch, beat one process with
several threads: they meet once a step, not once an operation.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import distributed
from torch.distributed import FileStore  # type: ignore[attr-defined]

from engine.checkpoints.tokenizer import read_tokenizer
from engine.models.family import Model
from engine.models.training import training_of
from engine.training.data import Corpus, Share, batches, is_causal
from engine.training.objective import (
    Batch,
    believed,
    causal_loss,
    joint_loss,
)
from engine.training.optimiser import Optimiser
from engine.training.settings import Settings
from engine.training.throughput import Work, matmul_rate

SAVE_SECONDS = 240.0
TOLD_EVERY = 50  # steps


@dataclass(frozen=True, slots=True)
class Run:
    """What to train, where, and for how long. `folder` holds state.safetensors and log.jsonl."""

    settings: Settings
    corpus: Path
    folder: Path
    tokenizer: Path
    device: torch.device
    compiled: bool
    seconds: float | None
    processes: int


def train(rank: int, run: Run) -> None:
    """Train until the last step, or until `run.seconds` have passed or a SIGTERM arrives.

    The state left in the folder is where the next call goes on. `rank` says which of
    `run.processes` this is. Raises ValueError for several processes on anything but a CPU.
    """
    if run.processes > 1 and run.device.type != "cpu":
        raise ValueError(f"several processes share a CPU, not {run.device}: take one")
    settings, folder, device = run.settings, run.folder, run.device
    folder.mkdir(parents=True, exist_ok=True)
    model = settings.new_model().to(device)
    optimiser = Optimiser(model, *_rates(settings), muon=settings.optimiser.muon)
    first_step = _resume(folder, model, optimiser)
    share = Share(rank, run.processes)
    if run.processes > 1:
        torch.set_num_threads(1)
        store = FileStore(str(folder / f"rendezvous.{os.getppid()}"), run.processes)
        distributed.init_process_group("gloo", store=store, rank=rank, world_size=run.processes)
    stop = _stopping(run.seconds)
    training = training_of(model)
    joint, causal = training.joint, training.causal
    if run.compiled:
        # One eager pass fills the model's rotary cache, on which compiled code would be guarded.
        model.encode(torch.zeros(2, dtype=torch.long, device=device))
        joint = torch.compile(training.joint, dynamic=False)
        causal = torch.compile(training.causal, dynamic=False)
    peak = matmul_rate(device, run.processes)
    started = saved = last = time.monotonic()
    texts = Corpus(run.corpus / "train.jsonl", settings.data.languages)
    cut = read_tokenizer(run.tokenizer)
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        for step, batch in batches(settings, cut, texts, first_step, share):
            here = batch.to(device)
            with torch.autocast(device.type, torch.bfloat16):
                if is_causal(settings, step):
                    loss = causal_loss(model, here, causal)
                    parts = {"causal": float(loss.detach())}
                else:
                    soft = _signal(settings, model, here, step)
                    weight = settings.schedule.causal_weight
                    loss, slot, clm = joint_loss(model, here, soft, weight, joint)
                    parts = {"slot": float(slot.detach()), "causal": float(clm.detach())}
            loss.backward()
            ended = average_gradients(model, share, stop())
            optimiser.step(step, settings.schedule.rate(step))
            now = time.monotonic()
            if share.rank:
                if ended:
                    return
                continue
            if step % TOLD_EVERY == 0:
                work = Work.of(settings, model, causal="slot" not in parts)
                losses = ", ".join(f"{name} {value:.3f}" for name, value in parts.items())
                print(f"step {step}: {losses}; {work.describe(now - last, peak)}", flush=True)
            last = now
            entry: dict[str, Any] = {"step": step, **parts, "seconds": round(now - started, 2)}
            if step == first_step:
                entry |= {"languages": settings.data.languages}
            log.write(json.dumps(entry) + "\n")
            log.flush()
            if now - saved > SAVE_SECONDS or ended or step + 1 == settings.schedule.steps:
                _save(folder, model, optimiser, step + 1)
                saved = now
            if ended:
                return


def average_gradients(model: Model[Any], share: Share, stop: bool) -> bool:
    """Average the gradients over all processes; whether any of them wants to stop."""
    if share.processes == 1:
        return stop
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients] + [torch.tensor([float(stop)])])
    distributed.all_reduce(flat)
    at = 0
    for gradient in gradients:
        gradient.copy_(flat[at : at + gradient.numel()].view_as(gradient)).div_(share.processes)
        at += gradient.numel()
    return bool(flat[-1] > 0)


def _rates(settings: Settings) -> tuple[float, float, float]:
    chosen = settings.optimiser
    return chosen.matrix_rate, chosen.other_rate, chosen.momentum


def _signal(settings: Settings, model: Model[Any], batch: Batch, step: int) -> torch.Tensor | None:
    """The self-conditioning signal of this step. Zeros are the same as none: they keep to one
    compiled program the steps of a training that has both."""
    schedule = settings.schedule
    if not schedule.self_conditioning:
        return None
    late = step >= (1 - schedule.self_conditioning_share) * schedule.steps
    if late and (step * 0.6180339887) % 1.0 < schedule.self_conditioning:
        return believed(model, batch)
    rows, width = batch.canvas.shape[0] * batch.canvas.shape[1], batch.canvas.shape[2]
    size = training_of(model).head(model)[0].shape[1]
    return torch.zeros(rows, width, size, device=batch.canvas.device)


def _stopping(seconds: float | None) -> Callable[[], bool]:
    is_stopped = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal is_stopped
        is_stopped = True

    signal.signal(signal.SIGTERM, stop)
    end = time.monotonic() + seconds if seconds is not None else None
    return lambda: is_stopped or (end is not None and time.monotonic() > end)


def _save(folder: Path, model: Model[Any], optimiser: Optimiser, step: int) -> None:
    tensors = {f"model.{name}": p.detach() for name, p in model.state_dict().items()}
    tensors |= {f"optimiser.{name}": state for name, state in optimiser.state.items()}
    partial = folder / "state.safetensors.partial"
    save_file(tensors, partial, metadata={"step": str(step)})
    partial.replace(folder / "state.safetensors")


def _resume(folder: Path, model: Model[Any], optimiser: Optimiser) -> int:
    state = folder / "state.safetensors"
    if not state.exists():
        return 0
    tensors = load_file(state, device=str(model.device))
    model.load_state_dict(
        {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}
    )
    for name, kept in optimiser.state.items():
        kept.copy_(tensors[f"optimiser.{name}"])
    with safe_open(state, framework="pt") as file:
        return int(file.metadata()["step"])
