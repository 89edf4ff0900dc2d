"""What the model has learned of the user's folders, and whether that can still be used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.tuning.kept import Kept, Record, all_kept
from lsp_server.commands.doctor.finding import Finding, ok, warning
from lsp_server.commands.tune import in_words


def tuning() -> Iterator[Finding]:
    """Of every folder that was learned. Nothing is loaded."""
    found = [_of(kept, record) for kept in all_kept() if (record := kept.record()) is not None]
    yield from found or [ok("tuning", "no folder was learned; `infill-ls tune` does")]


def _of(kept: Kept, record: Record) -> Finding:
    command = f"`infill-ls tune {record.workspace} --model {record.base}"
    if not Path(record.workspace).is_dir():
        return warning("tuning", f"{record.workspace} is gone", f"run {command} --forget`")
    if record.model and kept.model() is None:
        message = f"{record.workspace} was learned by another version of {record.base}"
        return warning("tuning", f"{message}: not in use", f"run {command}`")
    return ok("tuning", in_words(record))
