"""Grammars by LSP language id, each loaded when first asked for. No grammar means plain text."""

from __future__ import annotations

import importlib
import logging
from functools import cache
from typing import TYPE_CHECKING

from lsp_server.languages import LANGUAGES

if TYPE_CHECKING:
    from tree_sitter import Language

log = logging.getLogger(__name__)

# language id: the module of its grammar, and the function there that gives it
GRAMMARS = {
    each: language.grammar
    for language in LANGUAGES
    if language.grammar is not None
    for each in language.ids
}


@cache
def grammar(language: str) -> Language | None:
    if language not in GRAMMARS:
        return None
    module, function = GRAMMARS[language]
    try:
        from tree_sitter import Language

        return Language(getattr(importlib.import_module(module), function)())
    except (ImportError, AttributeError, ValueError) as error:
        log.warning("no syntax for %s, its gaps are cut from text alone: %s", language, error)
        return None
