"""In how many bits does an adapted model say most of what it says in 16?

    python benchmarks/bits.py --snapshot FOLDER --corpus build/corpus [--chunks 6] [--json]

A snapshot of `python -m engine.training.adapt train` is exported in several ways. Each is read back
into floats and compared with the snapshot on held-out code, read causally and on canvases whose
slots are masked: the mean Kullback-Leibler divergence of its next tokens, in nats, how often its
likeliest token is the same, and the bytes of its weights. "made up for" rounds with calibration.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from engine.checkpoints.load import load_model
from engine.models.dense import CausalPrefix
from engine.models.family import Look
from engine.training.adapt.calibration import canvases, floats, read_chunks, second_moments
from engine.training.adapt.export import Storage, export

WAYS = [
    (Storage(8), False),
    (Storage(5, 64), False),
    (Storage(5, 64), True),
    (Storage(5, 96), True),
    (Storage(4, 32), False),
    (Storage(4, 32), True),
]


@dataclass(frozen=True, slots=True)
class Result:
    way: str
    megabytes: float
    causal: float
    causal_same: float
    canvas: float
    canvas_same: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--snapshot", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, default=Path("build/corpus"))
    parser.add_argument("--chunks", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    inputs = second_moments(
        given.snapshot, read_chunks(given.corpus / "train.jsonl", given.snapshot)
    )
    held_out = read_chunks(given.corpus / "held_out.jsonl", given.snapshot, given.chunks, 31)
    exact = says(floats(given.snapshot), held_out)
    results = []
    for storage, makes_up in WAYS:
        with tempfile.TemporaryDirectory() as folder:
            size = export(given.snapshot, Path(folder), storage, inputs if makes_up else None)
            model = load_model(folder, "cpu", torch.float32, packed=False)
            assert isinstance(model, CausalPrefix)
            found = says(model, held_out)
        name = f"{storage.bits} bits" + (f", groups of {storage.group}" * (storage.bits < 8))
        pairs = [apart(*pair) for pair in zip(exact, found, strict=True)]
        way = name + ", made up for" * makes_up
        results.append(Result(way, round(size / 1e6, 1), *pairs[0], *pairs[1]))
        if not given.json:
            print(" | ".join(str(value) for value in asdict(results[-1]).values()), flush=True)
    if given.json:
        print(json.dumps([asdict(each) for each in results], indent=2))


@torch.no_grad()
def says(model: CausalPrefix, chunks: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Log-probabilities [N, V] of all chunks, read causally and on their canvases."""
    causal, slots = [], []
    for ids in chunks:
        causal.append(model.score(ids[:256]).log_softmax(dim=-1))
        rows, at = canvases(ids)
        (seen,) = model.look([Look(rows, model.encode(ids[: len(ids) // 2]), at)])
        slots.append(seen.flatten(0, 1).log_softmax(dim=-1))
    return torch.cat(causal), torch.cat(slots)


def apart(exact: Tensor, found: Tensor) -> tuple[float, float]:
    """The mean divergence of `found` from `exact`, and how often both find the same likeliest."""
    divergence = (exact.exp() * (exact - found)).sum(dim=-1).mean()
    same = (exact.argmax(dim=-1) == found.argmax(dim=-1)).float().mean()
    return round(float(divergence), 4), round(float(same), 3)


if __name__ == "__main__":
    main()
