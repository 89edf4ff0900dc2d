"""How often is what belongs into a gap among what the workspace proposes, and how long does that
take? Without a model: what of it a model then chooses, `infill-ls eval repositories` tells.

    python benchmarks/lookup.py --data FOLDER [--lines 1000] [--json] [--write]

FOLDER holds repositories (`python -m engine.training checkout FOLDER`). Each row is of one source,
beside what the engine finds in the file itself; `more` are gaps that the file does not give. The
text of other files that a source lets a model read is looked through as well.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.evaluation.exactness import is_exact
from engine.evaluation.items import Item
from engine.evaluation.repositories import ALONE, cut_repositories
from engine.fill.lookup import look_up, look_up_block
from lsp_server.commands.around import WAYS, around
from lsp_server.secrets import is_secret

RESULT = Path(__file__).parent / "results" / "lookup.md"


@dataclass(frozen=True, slots=True)
class Row:
    """Of `n` gaps: how often the text is among the candidates that are looked up, and not among
    those of the file alone; milliseconds of processor that the source takes, of the gaps after the
    first of each repository."""

    way: str
    kind: str
    n: int
    among: float
    more: float
    p50: float
    p95: float


def measure(data: Path, lines: int, seed: int) -> list[Row]:
    items = cut_repositories(data, seed, is_secret, lines, max(1, lines // 4))
    first = {item.path.partition("/")[0]: item for item in items}
    for item in first.values():
        around(data, item, WAYS[1])  # it builds the index
    found: dict[str, dict[str, bool]] = {way: {} for way in WAYS}
    times: dict[str, dict[str, float]] = {way: {} for way in WAYS}
    for item in items:
        for way in WAYS:
            started = time.process_time()
            context, proposals = around(data, item, way)
            times[way][item.id] = 1000 * (time.process_time() - started)
            texts = [each.text for each in proposals]
            look = look_up_block if item.block else look_up
            texts += [
                each.text
                for each in look(item.prefix, item.suffix, [each.text for each in context])
            ]
            found[way][item.id] = any(is_exact(item, text) for text in texts)
    return [
        _row(way, kind, [item for item in items if item.kind == kind], found, times)
        for kind in dict.fromkeys(item.kind for item in items)
        for way in WAYS
    ]


def _row(
    way: str,
    kind: str,
    items: list[Item],
    found: dict[str, dict[str, bool]],
    times: dict[str, dict[str, float]],
) -> Row:
    ordered = sorted(times[way][item.id] for item in items)
    among = [found[way][item.id] for item in items]
    more = [found[way][item.id] and not found[ALONE][item.id] for item in items]
    return Row(
        way,
        kind,
        len(items),
        sum(among) / len(items),
        sum(more) / len(items),
        ordered[len(ordered) // 2],
        ordered[int(0.95 * (len(ordered) - 1))],
    )


def as_table(rows: list[Row]) -> str:
    lines = [
        "# What a workspace knows of a gap",
        "",
        "`python benchmarks/lookup.py`: how often the text of a gap is among what is looked up,"
        " before any model has chosen. Gaps of the packages to report on; milliseconds of"
        " processor.",
        "",
        "| gaps | source | among | more than the file | p50, ms | p95, ms |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        lines.append(
            f"| {row.kind}, {row.n} | {row.way} | {100 * row.among:.1f}% | {100 * row.more:.1f}% |"
            f" {row.p50:.2f} | {row.p95:.2f} |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    rows = measure(options.data, options.lines, options.seed)
    print(json.dumps([asdict(row) for row in rows]) if options.json else as_table(rows))
    if options.write:
        RESULT.write_text(as_table(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
