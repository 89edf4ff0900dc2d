"""Training state -> the folder that ships: weights, config, profile.

Weights ship in int8 (engine/checkpoints/formats/int8.py), which `transformers` does not read for
this family; in floats, which `dequantise` makes of any folder, it reads them as this engine does.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.files import read_json
from engine.checkpoints.formats.int8 import quantise
from engine.checkpoints.load import load_weights
from engine.checkpoints.profile import (
    Layouts,
    Profile,
    Ranking,
    Sampling,
    Tokens,
    read_profile,
)
from engine.models.family import Architecture
from engine.models.training import training_of
from engine.training.data import BOS, DEL, EOS, FIRST_TEXT_TOKEN, MASK, PAD, is_causal
from engine.training.settings import Settings

TOKENIZER = Path(__file__).parents[1] / "embedded" / "tokenizer.json"
DECIDED_BY_WEIGHTS = ("heal", "head_tokens", "prompt_tokens")  # of what canvases look like
WEIGHTS = "model.safetensors"
TAIL = 100  # steps that the closing losses are averaged over

INT8 = {
    "quant_method": "compressed-tensors",
    "format": "int-quantized",
    "config_groups": {
        "group_0": {
            "targets": ["Linear", "Embedding"],
            "weights": {"num_bits": 8, "type": "int", "strategy": "channel", "symmetric": True},
        }
    },
}

Kind = Literal["int8", "bfloat16", "float32"]


def export(settings: Settings, work: Path, folder: Path, kind: Kind, hardware: str) -> None:
    """Write model.safetensors, config.json, profile.json and training.json into `folder`.

    Of a profile that is there already the tuned part stays, but what was fitted to other weights
    (rank and calibration) does not: `evaluate --calibrate` follows. The tokenizer comes along to a
    folder without one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name.removeprefix("model."): tensor
        for name, tensor in load_file(work / "state.safetensors").items()
        if name.startswith("model.")
    }
    config, shape = settings.config_json(), settings.architecture()
    if kind == "int8":
        stored, config = _in_int8(tensors, shape), config | {"quantization_config": _int8(shape)}
    else:
        stored = _in_floats(tensors, shape, getattr(torch, kind))
    save_file(stored, folder / WEIGHTS, metadata={"format": "pt"})
    _write(folder / "config.json", config)
    if not (folder / TOKENIZER.name).exists():
        shutil.copyfile(TOKENIZER, folder / TOKENIZER.name)
    write_profile(_profile(settings, folder), folder)
    history = training_record(settings, work / "log.jsonl")
    size = (folder / WEIGHTS).stat().st_size
    parameters = sum(tensor.numel() for tensor in tensors.values())
    record = {"parameters": parameters, "bytes": size, "hardware": hardware, **history}
    _write(folder / "training.json", record)


def dequantise(folder: Path, out: Path, dtype: torch.dtype) -> None:
    """Write the model of `folder` into `out` with its weights in floats, for `transformers`.

    Raises ModelMissing as `open_checkpoint` does.
    """
    model = load_weights(open_checkpoint(folder), torch.device("cpu"), dtype, packed=False)
    config = read_json(folder / "config.json")
    config.pop("quantization_config", None)
    out.mkdir(parents=True, exist_ok=True)
    save_file(
        _in_floats(model.state_dict(), model.config, dtype),
        out / WEIGHTS,
        metadata={"format": "pt"},
    )
    _write(out / "config.json", config)
    for name in ("tokenizer.json", "profile.json"):
        if (folder / name).exists():
            shutil.copyfile(folder / name, out / name)


def _in_floats(
    tensors: Mapping[str, Tensor], shape: Architecture, dtype: torch.dtype
) -> dict[str, Tensor]:
    """`tensors`, by the model's names, as `transformers` wants them in a file."""
    stored = {
        _stored(name, shape): tensor.to(dtype).contiguous() for name, tensor in tensors.items()
    }
    return training_of(shape).published(stored)


def _in_int8(tensors: Mapping[str, Tensor], shape: Architecture) -> dict[str, Tensor]:
    """`tensors`, by the model's names: matrices in int8, experts one by one; the rest (norms,
    scalars, the router) in bfloat16."""
    stored, exact = {}, training_of(shape).exact
    for name, matrix in _one_by_one(tensors, shape):
        at = _stored(name, shape)
        if matrix.ndim == 2 and not any(part in name for part in exact):
            stored[at], stored[f"{at}_scale"] = quantise(matrix)
        else:
            stored[at] = matrix.bfloat16()
    return stored


def _int8(shape: Architecture) -> dict[str, Any]:
    """What a config.json says of it, in the words of compressed-tensors, so that a reader which
    does not know it says so."""
    return {**INT8, "ignore": [f"re:.*{part}.*" for part in training_of(shape).exact]}


def _stored(name: str, shape: Architecture) -> str:
    return shape.stored_as(name)[0]


def _one_by_one(tensors: Mapping[str, Tensor], shape: Architecture) -> Iterator[tuple[str, Tensor]]:
    """`tensors` with the matrices of stacked experts under names of their own."""
    for name, tensor in tensors.items():
        parts = shape.parts_of(name)
        if not parts:
            yield name, tensor
            continue
        layer, _, _ = name.rpartition("experts.")
        for expert, matrix in enumerate(tensor):
            for part, rows in zip(parts, matrix.chunk(len(parts)), strict=True):
                yield f"{layer}experts.{expert}.{part}.weight", rows


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
    canvas = {name: getattr(fresh.canvas, name) for name in DECIDED_BY_WEIGHTS}
    sampling = {name: getattr(fresh.sampling, name) for name in ("self_conditioning", "order")}
    kept = replace(read_profile(folder), name=fresh.name, tokens=fresh.tokens)
    return kept.but(**canvas, **sampling, weights={}, calibration={})


def default_profile(settings: Settings) -> Profile:
    """How a model trained by these settings is used."""
    data = settings.data
    return Profile(
        name="embedded",
        tokens=Tokens(
            bos=BOS,
            eos=EOS,
            pad=PAD,
            first_text=FIRST_TEXT_TOKEN,
            slack=DEL,
            noise=(MASK,),
        ),
        canvas=Layouts(
            width=data.canvas_tokens,
            head_tokens=data.head_tokens,
            prompt_tokens=data.chunk_tokens,
            line_tokens=(16, 32),
            block_tokens=(24, 48),
            suffix_tokens=24,
            heal=False,
        ),
        sampling=Sampling(
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
            stride_growth=0.5,
            abandon_loss=10.0,
        ),
        ranking=Ranking(scored_suffix_tokens=4, suffix_weight=0.75, beams=8, lookup=True),
    )


def write_profile(profile: Profile, folder: Path) -> None:
    _write(folder / "profile.json", asdict(profile))


def _write(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
