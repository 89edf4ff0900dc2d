"""What the matrices of a snapshot are multiplied with: read causally, and on masked canvases."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from engine.checkpoints.files import read_json
from engine.models.dense import CausalPrefix
from engine.models.dense.config import PREFIX
from engine.models.family import Look, architecture_of, build
from engine.training.adapt.export import filling
from engine.training.adapt.tokens import DOCUMENT, MASK, encode, read_tokenizer

CHUNK = 512  # tokens
CHUNKS = 24
APART = 97  # lines of the corpus from one chunk to the next
HEAD, SLOT, AFTER = 8, 16, 24  # tokens of a canvas
CANVASES = 6  # of a chunk
READS_THE_SAME = {"k_proj": "q_proj", "v_proj": "q_proj", "up_proj": "gate_proj"}


def read_chunks(
    texts: Path, tokenizer: Path, count: int = CHUNKS, apart: int = APART
) -> list[Tensor]:
    """Ids [CHUNK] of the beginnings of `count` files, of lines of `texts` that lie `apart`."""
    tokens = read_tokenizer(tokenizer)
    found: list[Tensor] = []
    with texts.open(encoding="utf-8") as file:
        for line in islice(file, 0, None, apart):
            ids = encode(tokens, json.loads(line)["text"][: 16 * CHUNK]).ids
            if len(ids) >= CHUNK:
                found.append(torch.tensor([DOCUMENT, *ids[: CHUNK - 1]]))
            if len(found) == count:
                break
    return found


def canvases(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Of the last tokens of a chunk: canvases [B, C] whose slots are masked, and the slots [B, M];
    they stand behind the chunk's first half."""
    width = HEAD + SLOT + AFTER
    rows = ids[len(ids) // 2 :].unfold(0, width, SLOT)[:CANVASES].clone()
    rows[:, HEAD : HEAD + SLOT] = MASK
    return rows, torch.arange(HEAD, HEAD + SLOT).expand(len(rows), -1)


def floats(snapshot: Path) -> CausalPrefix:
    """The model of a snapshot, in float32."""
    model = build(architecture_of(filling(read_json(snapshot / "config.json"))))
    assert isinstance(model, CausalPrefix)
    stored = load_file(snapshot / "model.safetensors")
    model.load_state_dict({name.removeprefix(PREFIX): each for name, each in stored.items()})
    return model.float().eval().requires_grad_(False)


@torch.no_grad()
def second_moments(snapshot: Path, chunks: list[Tensor]) -> dict[str, Tensor]:
    """The mean of x x^T [K, K] over the inputs x of each matrix of a layer, by its name in the
    file."""
    model = floats(snapshot)
    sums: dict[str, Tensor] = {}
    counts: dict[str, int] = {}

    def watch(name: str) -> Any:
        def add(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            x = inputs[0].flatten(0, -2)
            sums[name] = sums.get(name, torch.zeros(())) + x.T @ x
            counts[name] = counts.get(name, 0) + len(x)

        return add

    linears = {name: each for name, each in model.named_modules() if isinstance(each, nn.Linear)}
    for name, linear in linears.items():
        if name.rpartition(".")[2] not in READS_THE_SAME:
            linear.register_forward_pre_hook(watch(name))
    for ids in chunks:
        model.score(ids)
        rows, at = canvases(ids)
        model.look([Look(rows, model.encode(ids[: len(ids) // 2]), at)])
    found = {}
    for name in linears:
        layer, _, leaf = name.rpartition(".")
        source = f"{layer}.{READS_THE_SAME.get(leaf, leaf)}"
        found[f"{PREFIX}{name}.weight"] = sums[source] / counts[source]
    return found
