"""How much does a model gain from learning a repository?

    python benchmarks/tune.py [--json] [--minutes 20] [--lines 200] FOLDER [FOLDER ...]

Each folder is a repository that the model was not trained on. `infill-ls tune` learns it, into a
folder that is thrown away. Then gaps of a line are cut from the files that it held out, by another
seed than those by which it decided to keep or to drop what it learned, and filled by the model as
it was and as it is: where nothing was kept, that is the same one. Intervals hold 95% of resamples
of the differences, gap by gap, and in the last row of all repositories' gaps together.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.evaluation.cutting import cut_held_out
from engine.evaluation.exactness import is_exact
from engine.evaluation.intervals import bootstrap, mean
from engine.evaluation.items import Item
from engine.evaluation.methods import request_for
from engine.fill.load import load_engine
from engine.tuning.__main__ import read_texts
from engine.tuning.kept import Kept, Record, base_name
from engine.tuning.tune import is_held_out
from lsp_server.commands.tune import files_of, learn

SEED = 1  # `infill-ls tune` measures with 0


@dataclass(frozen=True, slots=True)
class Row:
    """`gain` and its interval in points of exactly filled lines."""

    repository: str
    files: int
    lines: int
    steps: int
    kept: bool
    before: float
    after: float
    gain: float
    low: float
    high: float


def measure(folder: Path, model: str, minutes: float, lines: int) -> tuple[Row, list[float]]:
    """The row of a repository, and the difference that each of its gaps makes, -1, 0 or 1."""
    names = files_of(folder)
    texts = list(read_texts(folder.resolve(), names))
    arguments = [str(folder.resolve()), "--model", base_name(model), "--minutes", str(minutes)]
    record = learn(arguments, names)
    if record is None:
        raise KeyboardInterrupt
    held = [text for text in texts if is_held_out(text.name)]
    languages = {text.language: 1.0 for text in held}
    items = cut_held_out(held, lines, 0, SEED, languages)
    before = exact(model, items)
    tuned = Kept.of(folder, model).model()
    after = before if tuned is None else exact(str(tuned), items)
    differences = [float(b) - float(a) for a, b in zip(before, after, strict=True)]
    name = folder.resolve().name
    return row(name, len(texts), record, before, after), differences


def exact(model: str, items: Sequence[Item]) -> list[bool]:
    engine = load_engine(model, "cpu")
    return [is_exact(item, engine.fill(request_for(item)).texts[0]) for item in items]


def row(name: str, files: int, record: Record, before: list[bool], after: list[bool]) -> Row:
    differences = [float(b) - float(a) for a, b in zip(before, after, strict=True)]
    low, high = bootstrap(differences)
    points = (100 * value for value in (mean(before), mean(after), mean(differences), low, high))
    kept = bool(record.model)
    return Row(name, files, len(before), record.steps, kept, *points)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--lines", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows: list[Row] = []
    differences: list[float] = []
    with tempfile.TemporaryDirectory() as data:
        os.environ["INFILL_MODELS"] = str(Path(data) / "models")
        for folder in options.folders:
            found, more = measure(folder, options.model, options.minutes, options.lines)
            rows.append(found)
            differences += more
    low, high = bootstrap(differences)
    total = {"gain": 100 * mean(differences), "low": 100 * low, "high": 100 * high}
    told = {
        "model": options.model,
        "minutes": options.minutes,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "rows": [asdict(each) for each in rows],
        "all": {**total, "lines": len(differences)},
    }
    print(json.dumps(told, indent=1) if options.json else as_table(told))


def as_table(told: dict[str, object]) -> str:
    """Markdown that can be pasted."""
    rows, total = told["rows"], told["all"]
    assert isinstance(rows, list)
    assert isinstance(total, dict)
    lines = [
        f"{told['model']}, {told['minutes']:g} minutes each, {told['machine']}",
        "",
        "| repository | files | lines | steps | kept | before | after | gain (95%) |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for each in rows:
        lines.append(
            f"| {each['repository']} | {each['files']} | {each['lines']} | {each['steps']}"
            f" | {'yes' if each['kept'] else 'no'}"
            f" | {each['before']:.1f} % | {each['after']:.1f} % | {interval(each)} |"
        )
    lines.append(f"| all | | {total['lines']} | | | | | {interval(total)} |")
    return "\n".join(lines)


def interval(each: dict[str, float]) -> str:
    return f"{each['gain']:+.1f} ({each['low']:+.1f} to {each['high']:+.1f})"


if __name__ == "__main__":
    main()
