"""Files in parts small enough to be carried to another machine and back: xz, 16 MiB a part at most.

The corpus goes as text: canvases are cut at characters, so token ids alone would not do, and the
tokenizer gives the same ids everywhere.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from pathlib import Path

PART = 16 * 2**20  # bytes
READ = 2**22
PRESET = 6


def pack(file: Path, folder: Path) -> list[Path]:
    """Write `file` compressed into `folder` as FILE.000.xz and so on; the parts in order."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in parts(folder, file.name):
        old.unlink()
    written: list[Path] = []
    pending = b""
    for block in _compressed(file):
        pending += block
        while len(pending) >= PART:
            written.append(_write(folder, file.name, len(written), pending[:PART]))
            pending = pending[PART:]
    if pending:
        written.append(_write(folder, file.name, len(written), pending))
    return written


def unpack(folder: Path, name: str, file: Path) -> Path:
    """Write the file that was packed under `name` to `file`.

    Raises FileNotFoundError when there is no part of it, LZMAError when one is missing or damaged.
    """
    found = parts(folder, name)
    if not found:
        raise FileNotFoundError(f"{folder} holds no part of {name}: pack it first")
    decompressor = lzma.LZMADecompressor()
    partial = file.with_name(file.name + ".partial")
    with partial.open("wb") as out:
        for part in found:
            out.write(decompressor.decompress(part.read_bytes()))
    if not decompressor.eof:
        partial.unlink()
        raise lzma.LZMAError(f"the last part of {name} is missing from {folder}: copy all of them")
    partial.replace(file)
    return file


def parts(folder: Path, name: str) -> list[Path]:
    return sorted(folder.glob(f"{name}.[0-9][0-9][0-9].xz"))


def _compressed(file: Path) -> Iterator[bytes]:
    compressor = lzma.LZMACompressor(preset=PRESET)
    with file.open("rb") as source:
        while block := source.read(READ):
            yield compressor.compress(block)
    yield compressor.flush()


def _write(folder: Path, name: str, number: int, content: bytes) -> Path:
    path = folder / f"{name}.{number:03}.xz"
    path.write_bytes(content)
    return path
