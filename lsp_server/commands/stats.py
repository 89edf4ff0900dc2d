"""`infill-ls stats`: what became of the fills on this machine."""

from __future__ import annotations

import json
import logging
from typing import Annotated, Any

import typer

from engine.tuning.kept import all_kept
from lsp_server.commands import index, tune
from lsp_server.commands.fault import FAILED, CommandError
from lsp_server.index.kept import kept
from lsp_server.stats.counters import KEPT_AFTER, Count, Counters
from lsp_server.stats.store import Store

HEADER = ("kind", "shown", "accepted", "rate", "kept 30 s", "kept 5 min", "p50 ms", "p95 ms")


def command(
    reset: Annotated[bool, typer.Option("--reset", help="Forget all of it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what was shown, accepted and kept. Counted on this machine, and told to nobody."""
    logging.basicConfig(format="infill-ls: %(message)s")
    store = Store()
    try:
        if reset:
            forgotten = store.reset()
            print("The counters are back at zero." if forgotten else "There was nothing to forget.")
            return
        counters, since = store.load()
        indexes = list(kept())
    except OSError as error:
        raise CommandError(f"{store.path}: {error.strerror or error}: fix that", FAILED) from error
    tuned = [record for each in all_kept() if (record := each.record()) is not None]
    if as_json:
        told: dict[str, Any] = {"since": since, "path": str(store.path), "kinds": summary(counters)}
        told["indexes"] = [index.as_row(each) for each in indexes]
        told["tuned"] = [record.as_json() for record in tuned]
        print(json.dumps(told))
        return
    if since is None:
        print("Nothing is counted yet. The language server counts while you work with it.")
    else:
        print("\n".join([*table(counters), "", f"since {since}, in {store.path}"]))
    for each in indexes:
        print(f"index of {index.in_words(each)}")
    for record in tuned:
        print(f"learned of {tune.in_words(record)}")


def table(counters: Counters) -> list[str]:
    """Markdown that can be pasted."""
    rows = [(str(kind), *_cells(count)) for kind, count in counters.kinds.items()]
    widths = [max(len(row[n]) for row in [HEADER, *rows]) for n in range(len(HEADER))]
    lines = [HEADER, tuple("-" * (width - 1) + ":" for width in widths), *rows]
    return [
        "| "
        + " | ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]


def summary(counters: Counters) -> dict[str, dict[str, float | int | None]]:
    return {
        str(kind): {
            "shown": count.shown,
            "accepted": count.accepted,
            **{f"looked_{after}s": count.looked.get(after, 0) for after in KEPT_AFTER},
            **{f"kept_{after}s": count.kept.get(after, 0) for after in KEPT_AFTER},
            "p50_ms": _rounded(count.percentile(0.5)),
            "p95_ms": _rounded(count.percentile(0.95)),
        }
        for kind, count in counters.kinds.items()
    }


def _cells(count: Count) -> tuple[str, ...]:
    return (
        str(count.shown),
        str(count.accepted),
        _share(count.accepted, count.shown),
        *(_share(count.kept.get(after, 0), count.looked.get(after, 0)) for after in KEPT_AFTER),
        *(_milliseconds(count.percentile(share)) for share in (0.5, 0.95)),
    )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "–"


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3g}")
