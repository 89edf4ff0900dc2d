"""What the client says about the texts of its documents, read from the JSON as clients write it.

A change that cannot be read must not leave a text here that is no longer the editor's. So nothing
in this module raises: a document whose text is not known afterwards is said to be `Unclear`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lsprotocol import types as t
from lsprotocol.validators import INTEGER_MAX_VALUE, INTEGER_MIN_VALUE

from lsp_server.reading import integer, position

PLAIN = "plaintext"


@dataclass(frozen=True, slots=True)
class Opened:
    """`version` is None where the client reports none that LSP allows."""

    uri: str
    language: str
    version: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Changed:
    uri: str
    version: int | None
    changes: tuple[t.TextDocumentContentChangeEvent, ...]


@dataclass(frozen=True, slots=True)
class Closed:
    uri: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """The text of `uri` is not known any more; None where even the document is not known."""

    uri: str | None
    reason: str
    language: str = PLAIN


Event = Opened | Changed | Closed | Unclear


@dataclass(frozen=True, slots=True)
class Cell:
    uri: str
    is_code: bool


@dataclass(frozen=True, slots=True)
class Splice:
    """Cells [start, start + removed) are replaced by `cells`."""

    start: int
    removed: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Notebook:
    """What has happened to notebook `uri`: to its cells' order, then to their texts.

    `splice` is None where the order stays as it is. `lost`: the order is not known any more.
    """

    uri: str | None
    events: tuple[Event, ...] = ()
    splice: Splice | None = None
    updated: tuple[Cell, ...] = ()
    opened: bool = False
    lost: bool = False


def opened(params: Any) -> Event:
    return _opened(_object(params).get("textDocument"))


def changed(params: Any) -> Event:
    given = _object(params)
    return _changed(given.get("textDocument"), given.get("contentChanges", ...))


def closed(params: Any) -> Event:
    return _closed(_object(params).get("textDocument"))


def notebook_opened(params: Any) -> Notebook:
    given = _object(params)
    notebook = _object(given.get("notebookDocument"))
    events = tuple(map(_opened, _list(given.get("cellTextDocuments"))))
    try:
        splice = Splice(0, 0, _cells(notebook.get("cells")))
    except ValueError:
        return Notebook(_uri(notebook), events, lost=True)
    return Notebook(_uri(notebook), events, splice, opened=True)


def notebook_changed(params: Any) -> Notebook:
    given = _object(params)
    cells = _object(_object(given.get("change")).get("cells"))
    structure = _object(cells.get("structure"))
    events = [_closed(each) for each in _list(structure.get("didClose"))]
    events += [_opened(each) for each in _list(structure.get("didOpen"))]
    for each in _list(cells.get("textContent")):
        content = _object(each)
        events.append(_changed(content.get("document"), content.get("changes", ...)))
    uri = _uri(_object(given.get("notebookDocument")))
    try:
        splice = _splice(structure.get("array")) if structure else None
        updated = _cells(cells.get("data"))
    except ValueError:
        return Notebook(uri, tuple(events), lost=True)
    return Notebook(uri, tuple(events), splice, updated)


def notebook_closed(params: Any) -> Notebook:
    given = _object(params)
    events = tuple(map(_closed, _list(given.get("cellTextDocuments"))))
    return Notebook(_uri(_object(given.get("notebookDocument"))), events, lost=True)


READERS: dict[str, Callable[[Any], Event | Notebook]] = {
    t.TEXT_DOCUMENT_DID_OPEN: opened,
    t.TEXT_DOCUMENT_DID_CHANGE: changed,
    t.TEXT_DOCUMENT_DID_CLOSE: closed,
    t.NOTEBOOK_DOCUMENT_DID_OPEN: notebook_opened,
    t.NOTEBOOK_DOCUMENT_DID_CHANGE: notebook_changed,
    t.NOTEBOOK_DOCUMENT_DID_CLOSE: notebook_closed,
}


def _opened(item: Any) -> Event:
    item = _object(item)
    uri, text, language = _uri(item), item.get("text"), item.get("languageId")
    language = language if isinstance(language, str) else PLAIN
    if uri is None or not isinstance(text, str):
        return Unclear(uri, "a document was opened without a text", language)
    return Opened(uri, language, _version(item), text)


def _changed(document: Any, changes: Any) -> Event:
    document = _object(document)
    uri = _uri(document)
    if uri is None:
        return Unclear(None, "a change was ignored because it names no document")
    if changes is None:
        changes = []  # how some languages write an empty list
    if not isinstance(changes, list):
        return Unclear(uri, "a change does not say what has changed")
    # What comes before a whole text does not matter.
    whole = [at for at, each in enumerate(changes) if _is_whole(each)]
    try:
        read = tuple(map(_change, changes[whole[-1] if whole else 0 :]))
    except ValueError as error:
        return Unclear(uri, f"a change cannot be read: {error}")
    return Changed(uri, _version(document), read)


def _closed(document: Any) -> Event:
    uri = _uri(_object(document))
    return Unclear(None, "a document was closed that has no name") if uri is None else Closed(uri)


def _is_whole(change: Any) -> bool:
    given = _object(change)
    return given.get("range") is None and isinstance(given.get("text"), str)


def _change(change: Any) -> t.TextDocumentContentChangeEvent:
    given = _object(change)
    text, range = given.get("text"), given.get("range")
    if not isinstance(text, str):
        raise ValueError("it has no text")
    if range is None:
        return t.TextDocumentContentChangeWholeDocument(text)
    ends = _object(range)
    start, end = position(ends.get("start")), position(ends.get("end"))
    return t.TextDocumentContentChangePartial(t.Range(start, end), text)


def _splice(array: Any) -> Splice:
    given = _object(array)
    start, removed = integer(given.get("start")), integer(given.get("deleteCount"))
    if start is None or removed is None or min(start, removed) < 0:
        raise ValueError("the place of the cells is not given as numbers")
    return Splice(start, removed, _cells(given.get("cells")))


def _cells(cells: Any) -> tuple[Cell, ...]:
    return tuple(_read_cells(_list(cells)))


def _read_cells(cells: Sequence[Any]) -> Iterator[Cell]:
    for each in map(_object, cells):
        uri = each.get("document")
        if not isinstance(uri, str):
            raise ValueError("a cell names no document")
        yield Cell(uri, each.get("kind") == t.NotebookCellKind.Code)


def _uri(document: dict[str, Any]) -> str | None:
    uri = document.get("uri")
    return uri if isinstance(uri, str) else None


def _version(document: dict[str, Any]) -> int | None:
    version = integer(document.get("version"))
    if version is None or not INTEGER_MIN_VALUE <= version <= INTEGER_MAX_VALUE:
        return None
    return version


def _object(data: Any) -> dict[str, Any]:
    return data if isinstance(data, dict) else {}


def _list(data: Any) -> list[Any]:
    return data if isinstance(data, list) else []
