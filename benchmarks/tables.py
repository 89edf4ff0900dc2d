"""Tables in the documentation that are made of committed results: see benchmarks/figures.py.

    <!-- table exact -->
    ...
    <!-- /table -->

A table that is not named in TABLES is an error. What nobody has measured says "not measured".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CARD = ROOT / "engine" / "embedded" / "evaluation.json"
NOT_MEASURED = "not measured"
GB = 1e9

SUITES = {"held-out": "packages held out", "fresh": "packages of 2026"}
PARTS = (
    "lines", "rest of line", "whole line", "cursor inside a word", "lines without bare brackets",
    "blocks",
)  # fmt: skip
LANGUAGES = {
    "python": "Python", "javascript": "JavaScript", "typescript": "TypeScript", "go": "Go",
    "rust": "Rust", "c": "C", "cpp": "C++", "java": "Java", "lua": "Lua", "shellscript": "shell",
    "css": "CSS", "html": "HTML", "json": "JSON",
}  # fmt: skip
# What each kind of machine would run: its model, and where the time of a fill was measured.
MACHINES = (
    ("a laptop, two cores", "embedded", "fill"),
    ("a laptop, 4 GB of memory free", "open-dcoder-0.5b", "families"),
    ("a card of 8 GB", "open-dcoder-0.5b", ""),
    ("a card of 12 or 16 GB", "dreamon-7b", ""),
    ("a card of 24 GB", "diffusiongemma-nvfp4", ""),
    ("a server's card of 80 GB", "diffusiongemma-bf16", ""),
)


def exact() -> str:
    """How often a fill is exactly what the author wrote, of the model that ships."""
    rows = []
    for suite, words in SUITES.items():
        for part in PARTS:
            found = [_report(suite, method, part) for method in ("checked", "alone", "any")]
            rows.append([words, part, str(found[0]["n"]), *(_rate(row["exact"]) for row in found)])
    head = ["gaps of", "kind", "n", "what is put in", "the model alone", "among the candidates"]
    return _table(head, rows, right=(2,))


def languages() -> str:
    rows = []
    for language, name in LANGUAGES.items():
        cells = [_exact_of(suite, language) for suite in SUITES]
        if any(cells):
            rows.append([name, *(cell or "no such gaps" for cell in cells)])
    return _table(["language", *SUITES.values()], rows)


def gates() -> str:
    """What ghost text would show with other thresholds, and how much of that is exact."""
    rows = []
    for suite, words in SUITES.items():
        default = _card()[suite]["gate"]
        for row in _card()[suite]["calibration"]["checked"]["gates"]:
            mark = " (default)" if row["gate"] == default else ""
            rows.append(
                [words, f"{row['gate']:.2f}{mark}", f"{row['shown']['mean']:.0%}",
                 _rate(row["exact"])]
            )  # fmt: skip
    return _table(["gaps of", "threshold", "shown", "exact of those"], rows)


def trivial() -> str:
    """How often a fill that needs no model is exact."""
    names = _card()["held-out"]["baselines"]
    rows = [
        [name, *(_rate(_card()[suite]["baselines"][name]) for suite in SUITES)] for name in names
    ]
    return _table(["always", *SUITES.values()], rows)


def repositories() -> str:
    result = _result("repositories")
    methods = list(dict.fromkeys(row["method"] for row in result["report"]))
    parts = dict.fromkeys(row["part"] for row in result["report"] if row["part"] != "all")
    rows = []
    for part in parts:
        of = {row["method"]: row for row in result["report"] if row["part"] == part}
        n = of[methods[0]]["exact"]["n"]
        rows.append([part, str(n), *(_rate(of[method]["exact"]) for method in methods)])
    return _table(["gaps", "n", *methods], rows, right=(1,))


def models() -> str:
    """Every model of the catalog, and on which suites it was measured."""
    from engine.checkpoints.catalog import CATALOG, EMBEDDED

    measured = ", ".join(f"`{suite}`" for suite in SUITES if suite in _card())
    rows = [[f"`{EMBEDDED}`", f"{measured}, `repositories`", "this page"]]
    for entry in CATALOG:
        command = (
            f"`infill-ls pull {entry.name} && infill-ls eval held-out --model {entry.name}"
            " --data FILE`"
        )
        rows.append([f"`{entry.name}`", NOT_MEASURED, command])
    return _table(["model", "measured on its real weights", "how"], rows)


def bits() -> str:
    """What storing a snapshot in fewer bits does to its predictions."""
    rows = []
    for row in _result("bits")["rows"]:
        found = [(row[kind]["divergence"], row[kind]["same"]) for kind in ("causal", "masked")]
        cells = [cell for nats, same in found for cell in (f"{nats:.3f}", f"{same:.1%}")]
        rows.append([row["weights"], f"{row['megabytes']:.1f}", *cells])
    head = ["weights", "MB", "read causally", "same token", "masked slots", "same token"]
    return _table(head, rows, right=(1, 2, 3, 4, 5))


def hardware() -> str:
    rows = []
    for machine, model, source in MACHINES:
        needs = _result("fits")["models"][model]
        least = needs["cpu"] if source else needs["cuda"]
        rows.append([machine, f"`{model}`", _bytes(least), _time_of(source)])
    return _table(["machine", "model", "memory, at least", "a line takes"], rows)


def _time_of(source: str) -> str:
    if source == "fill":
        timing = next(row for row in _result("fill")["timings"] if row["case"] == "typing")
        return f"{timing['p50']} ms, two cores"
    if source == "families":
        return f"{_result('families')['fill_p50']} s, one core, random weights"
    return NOT_MEASURED


TABLES: dict[str, Callable[[], str]] = {
    "exact": exact,
    "languages": languages,
    "gates": gates,
    "trivial": trivial,
    "repositories": repositories,
    "models": models,
    "hardware": hardware,
    "bits": bits,
}


@cache
def _result(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


@cache
def _card() -> Any:
    return json.loads(CARD.read_text(encoding="utf-8"))


def _report(suite: str, method: str, part: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = _card()[suite]["report"]
    return next(row for row in rows if row["method"] == method and row["part"] == part)


def _exact_of(suite: str, language: str) -> str:
    try:
        row = _report(suite, "checked", language)
    except StopIteration:
        return ""
    return f"{_rate(row['exact'])}, n = {row['exact']['n']}"


def _rate(share: dict[str, float]) -> str:
    return f"{share['mean']:.0%} ({100 * share['low']:.0f} to {100 * share['high']:.0f})"


def _bytes(count: float) -> str:
    return f"{count / GB:.1f} GB" if count >= 0.1 * GB else f"{count / 1e6:.0f} MB"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    rule = ["---:" if index in right else "---" for index in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))
