"""A source file on disk: read once, positions as people write them, put back byte for byte."""

from __future__ import annotations

import codecs
import os
import re
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from engine.api import Shape
from lsp_server import languages
from lsp_server.commands.fault import FAILED, CommandError
from lsp_server.document import Document
from lsp_server.gap import Gap, cut

_POSITION = re.compile(r"([0-9]{1,9}):([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Source:
    """`name` as the user gave it, `path` where the file really is, `content` what was read.

    `document` holds the text: decoded, without a byte order mark, with the file's own line ends.
    """

    name: str
    path: Path
    content: bytes
    document: Document

    def gap(self, at: str, to: str | None = None) -> Gap:
        """The gap between two positions as people write them, or at one."""
        start = self._offset(at, "--at")
        end = start if to is None else self._offset(to, "--to")
        if end < start:
            raise CommandError(f"--to {to} comes before --at {at}: exchange the two")
        return self.gap_between(start, end)

    def gap_between(self, start: int, end: int) -> Gap:
        """A line's worth, or a block where text[start:end] spans lines: no guess beyond that."""
        lines = self.document.line_at(start), self.document.line_at(end)
        shape = Shape.LINE if lines[0] == lines[1] else Shape.BLOCK
        return replace(cut(self.document, start, end), shape=shape)

    def _offset(self, position: str, option: str) -> int:
        """The string index of "LINE:COL", both from 1, columns in code points."""
        match = _POSITION.fullmatch(position)
        line, column = (int(match[1]), int(match[2])) if match else (0, 0)
        if line < 1 or column < 1:
            raise CommandError(
                f"{option} {position} is no position: give LINE:COL, both from 1, such as 12:5"
            )
        lines = len(self.document.line_starts)
        if line > lines:
            raise CommandError(
                f"{option} {position} is outside {self.name}: give a line from 1 to {lines}"
            )
        start, end = self.document.line_bounds(line - 1)
        if column > end - start + 1:
            raise CommandError(
                f"{option} {position} is outside {self.name}: line {line} has columns"
                f" 1 to {end - start + 1}"
            )
        return start + column - 1

    def filled(self, gap: Gap, text: str) -> bytes:
        """The file's bytes with `text` in the gap; every other byte as it was."""
        mark = codecs.BOM_UTF8 if self.content.startswith(codecs.BOM_UTF8) else b""
        return mark + (gap.prefix + text + gap.suffix).encode()


def read_source(name: str) -> Source:
    try:
        path = Path(name).resolve(strict=True)
        if not stat.S_ISREG(path.stat().st_mode):
            kind = "a folder" if path.is_dir() else "no regular file"
            raise CommandError(f"{name} is {kind}: name a source file")
        content = path.read_bytes()
    except FileNotFoundError:
        raise CommandError(f"{name} does not exist: check the path") from None
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a null in the name
        cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise CommandError(f"{name} cannot be read: {cause}: name a file you may read") from error
    try:
        text = content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CommandError(
            f"{name} is not UTF-8 (line {line}): convert it to UTF-8 first"
        ) from error
    document = Document(path.as_uri(), 0, languages.of_file(path) or "plaintext", text)
    return Source(name, path, content, document)


def check_writable(source: Source) -> None:
    """Said before the model runs, not after. A file without any write bit is meant to stay."""
    if not (source.path.stat().st_mode & 0o222 and os.access(source.path, os.W_OK)):
        raise CommandError(f"{source.name} is read-only: make it writable, or leave out --write")
    folder = source.path.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CommandError(
            f"the folder {folder} is read-only, so {source.name} cannot be replaced in one step:"
            " make it writable, or leave out --write"
        )


def replace_content(source: Source, content: bytes) -> None:
    """Write `content` in the file's place: a reader sees all of the old or all of the new.

    Refuses when the file is no longer what was read. On any failure the file is as it was.
    """
    path = source.path
    try:
        file, temporary = tempfile.mkstemp(
            prefix=f".{path.name}.", suffix=".infill", dir=path.parent
        )
    except OSError as error:
        raise _not_written(source, error) from error
    try:
        with os.fdopen(file, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        _copy_ownership(path, temporary)
        if path.read_bytes() != source.content:
            raise CommandError(
                f"{source.name} has changed since it was read, and is left alone: run this again",
                FAILED,
            )
        Path(temporary).replace(path)
    except BaseException as error:
        with suppress(OSError):
            Path(temporary).unlink()
        if isinstance(error, OSError):
            raise _not_written(source, error) from error
        raise
    _sync_folder(path.parent)


def _copy_ownership(path: Path, temporary: str) -> None:
    was = path.stat()
    if hasattr(os, "chown"):
        with suppress(OSError):  # another user's file that the group may write: it becomes ours
            os.chown(temporary, was.st_uid, was.st_gid)
    Path(temporary).chmod(stat.S_IMODE(was.st_mode))


def _sync_folder(folder: Path) -> None:
    """The new name survives a power cut too, where folders can be opened at all."""
    with suppress(OSError):
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def _not_written(source: Source, error: OSError) -> CommandError:
    cause = error.strerror or str(error)
    return CommandError(
        f"{source.name} was not written and is as it was: {cause}: mend that and run this again",
        FAILED,
    )
