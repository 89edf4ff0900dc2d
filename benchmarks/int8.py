"""Is the embedded model better in bfloat16 or, at half the bytes, in int8?

    python benchmarks/int8.py --data build/corpus/held_out.jsonl [--items 500] [--seed 30]

Every matrix is rounded to int8 with a scale per row and made bfloat16 again; both models then fill
the same held-out gaps with the same profile. Told: how many each fills exactly, how many only one
of them does, and the bytes of the weights.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.checkpoints.catalog import folder_of
from engine.load import load_engine
from engine.training.evaluate import Share, alone, is_exact, roll
from engine.training.items import Item, held_out_items
from engine.training.settings import Settings

MOST = 127  # of an int8


def rounded(matrix: Tensor) -> Tensor:
    """As int8 with a scale for each row would give it back."""
    if matrix.ndim < 2:
        return matrix
    wide = matrix.float()
    scale = wide.abs().amax(dim=-1, keepdim=True).clamp(min=1e-12) / MOST
    return ((wide / scale).round() * scale).to(matrix.dtype)


def right(folder: Path, items: list[Item]) -> tuple[list[bool], list[bool]]:
    """Of each gap, whether the fill is exact, and whether the model's own is."""
    engine = load_engine(str(folder), "cpu")
    rolled = [roll(engine, item) for item in items]
    pairs = list(zip(items, rolled, strict=True))
    return (
        [is_exact(item, each.candidates[0].texts[0]) for item, each in pairs],
        [is_exact(item, alone(engine, each)) for item, each in pairs],
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="held_out.jsonl of a corpus")
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--seed", type=int, default=30)
    arguments = parser.parse_args()
    weights = Settings.read().data.languages
    items = held_out_items(arguments.data, arguments.items, arguments.seed, languages=weights)
    folder = folder_of("embedded")
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "int8"
        shutil.copytree(folder, copy)
        tensors = load_file(copy / "model.safetensors")
        kept = {name: rounded(tensor) for name, tensor in tensors.items()}
        save_file(kept, copy / "model.safetensors", metadata={"format": "pt"})
        found = {"bfloat16": right(folder, items), "int8": right(copy, items)}
    rows = sum(tensor.numel() // tensor.shape[-1] for tensor in tensors.values() if tensor.ndim > 1)
    count = sum(tensor.numel() for tensor in tensors.values())
    size = {"bfloat16": 2 * count, "int8": count + 2 * rows}
    for name, (exact, own) in found.items():
        print(
            f"{name}: {size[name] / 2**20:.1f} MiB, exact {Share(sum(exact), len(exact))},"
            f" by the model alone {Share(sum(own), len(own))}"
        )
    one, other = found["bfloat16"][0], found["int8"][0]
    only = [sum(a > b for a, b in zip(*pair, strict=True)) for pair in ((one, other), (other, one))]
    print(json.dumps({"only bfloat16": only[0], "only int8": only[1], "torch": torch.__version__}))


if __name__ == "__main__":
    main()
