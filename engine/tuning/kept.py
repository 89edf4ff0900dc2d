"""Where what was learned of a workspace lies, and what is told of it. Imports no torch.

    <data folder>/tuned/NAME/            one for a workspace and a base, for the user's eyes alone
        tuned.json                       what is told of the last run: a Record
        state.safetensors                a run that has not come to its end, to go on from
        lock                             held by a run
        <digest>/                        a model folder (engine/checkpoints/tuned.py), there where
                                         the last run that came to its end gained

A model folder is named after what it learned, so that whoever has it loaded by its name never
mistakes a newer one for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from engine.api import ModelMissing
from engine.checkpoints.catalog import CATALOG, EMBEDDED, folder_of, store
from engine.checkpoints.tuned import TUNED, sampled_digest

LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Record:
    """Of a workspace and a base: the last run, and the model that is in use.

    `before` and `after` are shares of held-out gaps that were filled exactly, `gaps` of them, in
    `held_out` files, `loss_before` and `loss_after` in nats per token of held-out lessons; None of
    a run that has not come to its end. `gained` says whether the last run was kept. `model` is the
    name of the model folder in use, "" without one, and `digest` that of the base's folder.
    """

    workspace: str
    base: str
    digest: str
    files: int = 0
    held_out: int = 0
    gaps: int = 0
    steps: int = 0
    minutes: float = 0.0
    before: float | None = None
    after: float | None = None
    loss_before: float | None = None
    loss_after: float | None = None
    gained: bool | None = None
    finished: str = ""
    model: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Kept:
    """The folder of a workspace and a base."""

    folder: Path

    @classmethod
    def of(cls, workspace: Path, base: str) -> Kept:
        where = json.dumps([os.path.realpath(workspace), base_name(base)])
        readable = re.sub(r"[^A-Za-z0-9.]+", "-", workspace.resolve().name)[-24:].strip("-.")
        digest = hashlib.sha256(where.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        return cls(tuned_folder() / f"{readable or 'workspace'}-{digest}")

    @property
    def lock(self) -> Path:
        return self.folder / LOCK

    def make(self) -> None:
        """Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)

    def record(self) -> Record | None:
        """None where nothing was learned here, or what is told of it cannot be read."""
        known = {each.name for each in fields(Record)}
        try:
            told = json.loads((self.folder / TUNED).read_text(encoding="utf-8"))
            return Record(**{name: value for name, value in told.items() if name in known})
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    def write(self, record: Record) -> None:
        """At once or not at all. Raises OSError."""
        write_json(self.folder / TUNED, record.as_json())

    def model(self) -> Path | None:
        """The model folder in use, None where there is none for the base as it is now."""
        record = self.record()
        if record is None or not record.model:
            return None
        folder = self.folder / record.model
        try:
            is_same = sampled_digest(folder_of(record.base)) == record.digest
        except (ModelMissing, OSError):
            return None
        return folder if is_same and (folder / TUNED).exists() else None

    def drop_models(self, but: str = "") -> None:
        """Remove every model folder, or all `but` one."""
        for each in self.folder.iterdir() if self.folder.is_dir() else ():
            if each.is_dir() and each.name != but:
                shutil.rmtree(each, ignore_errors=True)

    def forget(self) -> bool:
        """Remove all that was learned; whether there was anything. Raises OSError."""
        if not self.folder.exists():
            return False
        shutil.rmtree(self.folder)
        return True


def base_name(model: str) -> str:
    """`model` as it is called wherever one works: a folder by its whole path."""
    if model == EMBEDDED or model in {entry.name for entry in CATALOG}:
        return model
    folder = Path(model).expanduser()
    return os.path.realpath(folder) if folder.is_dir() else model


def tuned_folder() -> Path:
    """Beside the pulled models, in the user's data folder."""
    return store().parent / "tuned"


def all_kept() -> Iterator[Kept]:
    """Every workspace that something is kept of."""
    folder = tuned_folder()
    for each in sorted(folder.iterdir()) if folder.is_dir() else ():
        if each.is_dir():
            yield Kept(each)


def tuned_for(folder: Path, base: str = EMBEDDED) -> Path | None:
    """The model folder that was tuned for `folder`, or for the nearest folder around it."""
    for each in (folder, *folder.parents):
        if (found := Kept.of(each, base).model()) is not None:
            return found
    return None


def write_json(path: Path, document: dict[str, Any]) -> None:
    """At once or not at all. Raises OSError."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


__all__ = ["Kept", "Record", "all_kept", "base_name", "tuned_folder", "tuned_for", "write_json"]
