"""Is the embedded model better in bfloat16 or, at half the bytes, in int8?

    python benchmarks/int8.py --data build/corpus/held_out.jsonl [--work build/training]
        [--items 500] [--seed 30]

One training state is exported in both ways; both models then fill the same held-out gaps with the
profile that ships. Told: how many each fills exactly, how many only one of them does, and the bytes
of the weights.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import torch

from engine.checkpoints.catalog import folder_of
from engine.evaluation.exactness import is_exact
from engine.evaluation.intervals import Proportion
from engine.evaluation.items import Item
from engine.evaluation.methods import Filler
from engine.evaluation.splits import TUNE
from engine.evaluation.suites import held_out_items
from engine.fill.load import load_engine
from engine.training.export import WEIGHTS, Kind, export
from engine.training.settings import Settings

KINDS: tuple[Kind, ...] = ("bfloat16", "int8")


def right(folder: Path, items: list[Item]) -> tuple[list[bool], list[bool]]:
    """Of each gap, whether the fill is exact, and whether the model's own is."""
    filler = Filler(load_engine(str(folder), "cpu"))
    pairs = [
        [is_exact(item, filler.fill(item, method).texts[0]) for method in ("searched", "alone")]
        for item in items
    ]
    return [exact for exact, _ in pairs], [own for _, own in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="held_out.jsonl of a corpus")
    parser.add_argument("--work", type=Path, default=Path("build/training"), help="of a training")
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--seed", type=int, default=30)
    arguments = parser.parse_args()
    settings = Settings.read()
    # Which of the two ships is a choice: it is made by the packages that choices are made by.
    items = held_out_items(arguments.data, TUNE, arguments.seed, arguments.items, 0)
    found: dict[Kind, tuple[list[bool], list[bool]]] = {}
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            export(settings, arguments.work, folder, kind, "")
            # What was fitted to the weights, which an export does not know.
            shutil.copyfile(folder_of("embedded") / "profile.json", folder / "profile.json")
            found[kind] = exact, own = right(folder, items)
            size = (folder / WEIGHTS).stat().st_size / 2**20
        print(
            f"{kind}: {size:.1f} MiB, exact {Proportion.of(exact)},"
            f" by the model alone {Proportion.of(own)}",
            flush=True,
        )
    one, other = found["bfloat16"][0], found["int8"][0]
    only = [sum(a > b for a, b in zip(*pair, strict=True)) for pair in ((one, other), (other, one))]
    print(json.dumps({"only bfloat16": only[0], "only int8": only[1], "torch": torch.__version__}))


if __name__ == "__main__":
    main()
