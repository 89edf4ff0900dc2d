"""Training state -> the folder that ships: weights, config, profile; loadable by `transformers`."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from engine.checkpoints.checkpoint import PREFIX
from engine.profile import Profile, read_profile
from engine.training.data import BOS, DEL, EOS, FIRST_TEXT_TOKEN, MASK, PAD, is_causal
from engine.training.settings import Settings

ENCODER = "model.encoder.language_model."
TOKENIZER = Path(__file__).parents[1] / "embedded" / "tokenizer.json"
DECIDED_BY_WEIGHTS = (
    "name", "bos", "eos", "pad", "first_text_token", "slack", "noise", "heal", "head_tokens",
    "prompt_tokens", "self_conditioning", "order",
)  # fmt: skip
TAIL = 100  # steps that the closing losses are averaged over

# `transformers` builds a vision tower for every checkpoint of this family; ours is as small as it
# can be, holds no weights, and is never run.
VISION = {
    "model_type": "gemma4_vision",
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "position_embedding_size": 4,
}


def export(settings: Settings, work: Path, folder: Path, dtype: torch.dtype, hardware: str) -> None:
    """Write model.safetensors, config.json, profile.json and training.json into `folder`.

    Of a profile that is there already the tuned part stays, but what was fitted to other weights
    (rank and calibration) does not: `evaluate --calibrate` follows. The tokenizer comes along to a
    folder without one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        PREFIX + name.removeprefix("model."): tensor.to(dtype).contiguous()
        for name, tensor in load_file(work / "state.safetensors").items()
        if name.startswith("model.")
    }
    # `transformers` shares the encoder's weights with the decoder, but not its layers' scalars:
    # those it would leave uninitialised.
    scalars = {
        name.replace(PREFIX, ENCODER): tensor.clone()
        for name, tensor in tensors.items()
        if name.endswith(".layer_scalar")
    }
    save_file(tensors | scalars, folder / "model.safetensors", metadata={"format": "pt"})
    config = settings.config_json() | {"vision_config": VISION}
    _write(folder / "config.json", config)
    if not (folder / TOKENIZER.name).exists():
        shutil.copyfile(TOKENIZER, folder / TOKENIZER.name)
    write_profile(_profile(settings, folder), folder)
    history = training_record(settings, work / "log.jsonl")
    size = (folder / "model.safetensors").stat().st_size
    parameters = sum(tensor.numel() for tensor in tensors.values())
    record = {"parameters": parameters, "bytes": size, "hardware": hardware, **history}
    _write(folder / "training.json", record)


def training_record(settings: Settings, log: Path) -> dict[str, Any]:
    """What the log says of the steps that were kept: how many, how long, and how it ended."""
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    kept = {entry["step"]: entry for entry in entries}
    clocks = [0.0, *(entry["seconds"] for entry in entries)]
    # The clock starts anew at every resumption.
    seconds = sum(now - last if now >= last else now for last, now in pairwise(clocks))
    data, schedule = settings.data, settings.schedule
    causal = sum(is_causal(settings, step) for step in kept)
    joint = len(kept) - causal
    chunks = causal * schedule.causal_chunks + joint * data.chunks
    last = [entry for _, entry in sorted(kept.items())][-TAIL:]
    slots = [entry["slot"] for entry in last if "slot" in entry]
    return {
        "languages": _languages(data.languages, [entry for _, entry in sorted(kept.items())]),
        "causal_share": round(causal / len(kept), 3),
        "steps": len(kept),
        "seconds": round(seconds),
        "chunk_tokens": chunks * data.chunk_tokens,
        "canvases": joint * data.chunks * data.canvases,
        "tail": len(last),
        "slot_loss": round(sum(slots) / max(len(slots), 1), 3),
        "causal_loss": round(sum(e["causal"] for e in last) / len(last), 3),
    }


def _languages(
    weights: Mapping[str, float], entries: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """The share of each language over all steps, in percent: an entry that names weights holds for
    those after it too; `weights` are those before any does."""
    shares: Counter[str] = Counter()
    for entry in entries:
        weights = entry.get("languages", weights)
        total = sum(weights.values())
        shares.update({name: weight / total for name, weight in weights.items()})
    return {name: round(100 * share / len(entries), 1) for name, share in shares.most_common()}


def _profile(settings: Settings, folder: Path) -> Profile:
    """The profile in `folder` with what the weights decide written anew, or the default one."""
    fresh = default_profile(settings)
    if not (folder / "profile.json").exists():
        return fresh
    decided = {name: getattr(fresh, name) for name in DECIDED_BY_WEIGHTS}
    return replace(read_profile(folder), **decided, rank=(), calibration=())


def default_profile(settings: Settings) -> Profile:
    """How a model trained by these settings is used."""
    data = settings.data
    return Profile(
        name="embedded",
        bos=BOS,
        eos=EOS,
        pad=PAD,
        first_text_token=FIRST_TEXT_TOKEN,
        slack=DEL,
        noise=(MASK,),
        heal=False,
        canvas_tokens=data.canvas_tokens,
        head_tokens=data.head_tokens,
        prompt_tokens=data.chunk_tokens,
        line_tokens=(16, 32),
        block_tokens=(24, 48),
        steps=24,
        t_max=1.0,
        t_min=1.0,
        entropy_bound=0.1,
        greedy=True,
        quota=True,
        confidence_threshold=0.02,
        stability_threshold=1,
        self_conditioning=False,
        order="left",
        haste=0.5,
        hopeless=10.0,
        suffix_tokens=24,
        rank_suffix_tokens=4,
        rank_suffix_weight=0.75,
        beams=8,
        lookup=True,
    )


def write_profile(profile: Profile, folder: Path) -> None:
    _write(folder / "profile.json", asdict(profile))


def _write(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
