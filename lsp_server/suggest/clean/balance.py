"""Brackets that the fill closes although they are closed already, or never were open."""

from __future__ import annotations

from engine.fill.brackets import CLOSING, balance
from lsp_server.suggest.clean.around import Around
from lsp_server.suggest.clean.overlap import open_string, overwritten

_WINDOW = 8000


def cut_at_surplus_closer(text: str, around: Around) -> str:
    """The fill ends before it closes a bracket that is closed already, or was never opened."""
    quote = open_string(around)
    closers = balance(text, around.language, quote).closers[1 if quote else 0 :]
    if not closers:
        return text
    spare = overwritten(text, around) if around.may_overwrite else 0
    rest = list(around.line_after[1 if quote else 0 : spare])
    wanted = missing_closers(around)
    for index, closer in closers:
        if rest and rest[0] == closer:
            rest.pop(0)
        elif wanted and wanted[0] == closer:
            wanted.pop(0)
        else:
            return text[:index]
    return text


def missing_closers(around: Around) -> list[str]:
    """The closers that the text around lacks, the innermost first."""
    before = balance(around.prefix[-_WINDOW:], around.language).opened
    after = [closer for _, closer in balance(around.suffix[:_WINDOW], around.language).closers]
    wanted = [CLOSING[opener] for opener in reversed(before)]
    if len(around.suffix) > _WINDOW:  # more of them may follow: none is missing from the first on
        first = next((closer for closer in after if closer in wanted), None)
        return wanted if first is None else wanted[: wanted.index(first)]
    missing = len(wanted)
    for closer in reversed(after):
        if missing and wanted[missing - 1] == closer:
            missing -= 1
    return wanted[:missing]
