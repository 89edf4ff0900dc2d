"""What does a full-size checkpoint take of this machine before and while it is loaded?

    python benchmarks/checkpoint.py [--json] [--layers 30]

DiffusionGemma's NVFP4 checkpoint with the names, shapes and index of all its 47,067 tensors, and
files of the real length that are holes: no weights are needed, and no room on the disk.

    walk     every header read and checked, every weight placed, a use planned for 24 GB: at most
             20 s and 1 GiB
    stream   every weight read into the form that kernels want and let go, as when it goes to a
             card: at most 2 GiB of memory beside the mapped files
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.engine.checkpoints import published  # noqa: E402
from tests.engine.checkpoints.measuring import STREAM, WALK, run  # noqa: E402

GIB = 1 << 30


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--layers", type=int, default=published.LAYERS, help="the first ones only")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        size = published.write(Path(folder), given.layers)
        found = {"bytes": size, "walk": run(WALK, folder), "stream": run(STREAM, folder)}
    print(json.dumps(found) if given.json else as_table(found))


def as_table(found: dict[str, Any]) -> str:
    walk, stream = found["walk"], found["stream"]
    return "\n".join(
        [
            f"{found['bytes'] / 1e9:.1f} GB of {walk['format']}, on {platform.machine()},"
            f" Python {platform.python_version()}",
            "",
            "| what | seconds | limit | memory, GiB | limit |",
            "| --- | ---: | ---: | ---: | ---: |",
            f"| walk and plan | {walk['seconds']:.1f} | 20 | {walk['peak'] / GIB:.2f} | 1 |",
            f"| stream | {stream['seconds']:.1f} | | {stream['peak'] / GIB:.2f} | 2 |",
            "",
            f"The largest weight takes {stream['largest'] / GIB:.2f} GiB; {walk['use']} in 24 GB.",
        ]
    )


if __name__ == "__main__":
    main()
