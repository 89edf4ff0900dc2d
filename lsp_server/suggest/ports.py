"""What suggestions need of the window they are made for: no more, so that tests can be that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from engine.api import Draft, Fill
from lsp_server.document import Document
from lsp_server.gap import Gap
from lsp_server.settings import Settings
from lsp_server.suggest.policy import Quiet
from lsp_server.syntax.parsing import Parsing

OnDraft = Callable[[Draft], None]


@dataclass(frozen=True, slots=True)
class Ports:
    """`documents` are the open ones, by URI.

    `outside` changes with what the model reads around a document. `fill` waits so many seconds, and
    gives None where there is no fill; `fill_ahead` gives way to it and raises an EngineError.
    `show_once` shows the user a message; `quiet` is told why the last pause showed nothing, or None
    where it did show something.
    """

    documents: Mapping[str, Document]
    parsing: Parsing
    settings: Callable[[], Settings]
    outside: Callable[[Document], int]
    fill: Callable[[Gap, float, OnDraft | None], Awaitable[Fill | None]]
    fill_ahead: Callable[[Gap], Awaitable[Fill]]
    is_idle: Callable[[], bool]
    show_once: Callable[[str], None]
    quiet: Callable[[Quiet | None], None] = lambda _: None
