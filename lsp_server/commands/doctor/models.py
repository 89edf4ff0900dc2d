"""The model's files, and the memory that is free for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.checkpoints import catalog
from engine.checkpoints.catalog import GB
from lsp_server.commands.doctor.asking import AskEngine, NoAnswer, ask_module
from lsp_server.commands.doctor.finding import Finding, ok, warning, wrong
from lsp_server.commands.doctor.packages import AGAIN

PATIENCE = 120.0  # seconds; a large checkpoint has 47,067 headers to read
SERVER = "docs/remote.md has a table of what such words mean"
CLOSE_OTHERS = "close other programs that use it, or choose a smaller model"


def model(name: str, ask_engine: AskEngine) -> Iterator[Finding]:
    """The model that is asked for: its files, then what memory allows of it. Nothing is loaded."""
    if is_address(name):
        yield from served(name)
        return
    try:
        report = ask_engine(PATIENCE, "model")
    except NoAnswer as why:
        yield wrong("model", f"{name} cannot be looked at: {why}", AGAIN)
        return
    fault = report["fault"] or {}
    if fault.get("of") == "files":
        yield wrong("model", *message_and_fix(fault["message"]))
        return
    stored = report["bytes"]
    size = f"{stored / GB:.1f} GB" if stored >= GB / 10 else f"{stored / 1e6:.1f} MB"
    yield ok("model", f"{name}, {report['format']}, {size} in {report['folder']}")
    yield confidence(name, report["confidence"])
    yield memory(report)


def is_address(name: str) -> bool:
    """A model on a server."""
    return name.startswith(("http://", "https://"))


def confidence(name: str, worth: str) -> Finding:
    """What a fill's confidence is worth. One that is not calibrated is no fault to mend."""
    if worth == "calibrated":
        return ok("confidence", "calibrated: how often such a fill is exactly right")
    return ok(
        "confidence",
        "not calibrated: it only tells a likelier fill from another; to fit it to your files run"
        f" `infill-ls eval files --data FOLDER --calibrate --model {name}`",
    )


def served(address: str) -> Iterator[Finding]:
    """The server whose address is the model, asked what it serves and how it can be asked."""
    try:
        found = ask_module(PATIENCE, "engine.remote", address)
    except NoAnswer as why:
        yield wrong("model", f"{address} cannot be asked: {why}", AGAIN)
        return
    if found["fault"]:
        yield wrong("model", *message_and_fix(found["fault"], SERVER))
        return
    message = f"{found['model']} on {found['device']}, asked by {found['way']}: {found['why']}"
    if found["way"] == "chat" and found["better"]:
        yield warning("model", message, f"serve {found['better']}")
    else:
        yield ok("model", message)


def memory(report: dict[str, Any]) -> Finding:
    """`told` is what `engine.measure.diagnosis model` reports."""
    if report["fault"]:
        return wrong("memory", *message_and_fix(report["fault"]["message"], CLOSE_OTHERS))
    free = "unknown" if report["free"] is None else f"{report['free'] / GB:.1f} GB"
    message = f"{free} free on {report['device']}, {report['needs']} needed for {report['use']}"
    if report["is_cut_down"]:
        return warning("memory", f"{message}: less than the model's profile asks for", CLOSE_OTHERS)
    return ok("memory", message)


def pulled(verify: bool) -> Iterator[Finding]:
    """Every model in the store: whole by the sizes of its files; with `verify`, byte by byte."""
    store = catalog.store()
    for entry in (*catalog.CATALOG, *catalog.others()):
        called = entry.repository if entry.is_unknown else entry.name
        folder, again = store / entry.name, f"run `infill-ls pull {called}`"
        receipt = catalog.receipt(folder)
        if receipt is not None:
            damaged = next(_damaged(folder, receipt), None) if verify else None
            if damaged is not None:
                message = f"{damaged} is not what was pulled"
                yield wrong("models", message, f"remove {folder}, then {again}")
            else:
                by = "every byte verified" if verify else "all files have their size"
                yield ok("models", f"{called}: {by}")
        elif folder.exists():
            message = f"{folder} is not whole: a file is missing or has another size"
            yield wrong("models", message, f"remove it, then {again}")
        elif (store / f"{entry.name}.partial").exists():
            yield warning("models", f"{called} has come in part", f"{again} to go on")


def _damaged(folder: Path, receipt: dict[str, Any]) -> Iterator[Path]:
    """Files whose checksum is not the one they came with: sha256, or git's sha1 for small ones."""
    for name, file in receipt["files"].items():
        is_large = len(file["checksum"]) == 64
        found = hashlib.sha256() if is_large else hashlib.sha1(b"blob %d\0" % file["size"])
        with (folder / name).open("rb") as content:
            while chunk := content.read(1 << 20):
                found.update(chunk)
        if found.hexdigest() != file["checksum"]:
            yield folder / name


def message_and_fix(message: str, fix: str = "") -> tuple[str, str]:
    """The engine's messages end with the fix, behind a semicolon or a colon."""
    for mark in ("; ", ": "):
        cause, found, last = message.rpartition(mark)
        if found and cause:
            return cause, last
    return message, fix or "choose another model"
