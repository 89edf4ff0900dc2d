"""Every language that the server knows, one record each, and what is so of all others."""

from __future__ import annotations

from pathlib import PurePath

from lsp_server.languages.bash import BASH
from lsp_server.languages.c import C
from lsp_server.languages.commented import COMMENTED
from lsp_server.languages.cpp import CPP
from lsp_server.languages.css import CSS
from lsp_server.languages.go import GO
from lsp_server.languages.html import HTML
from lsp_server.languages.indented import INDENTED
from lsp_server.languages.java import JAVA
from lsp_server.languages.javascript import JAVASCRIPT, JAVASCRIPT_REACT
from lsp_server.languages.json import JSON
from lsp_server.languages.language import Language
from lsp_server.languages.lua import LUA
from lsp_server.languages.makefile import MAKEFILE
from lsp_server.languages.python import PYTHON
from lsp_server.languages.ruby import RUBY
from lsp_server.languages.rust import RUST
from lsp_server.languages.toml import TOML
from lsp_server.languages.typescript import TYPESCRIPT, TYPESCRIPT_REACT
from lsp_server.languages.xml import XML
from lsp_server.languages.yaml import COMPOSE, YAML

__all__ = ["LANGUAGES", "Language", "of", "of_file"]

LANGUAGES = (
    *(PYTHON, JAVASCRIPT, JAVASCRIPT_REACT, TYPESCRIPT, TYPESCRIPT_REACT, RUST, GO, C, CPP, JAVA),
    *(LUA, BASH, RUBY, HTML, CSS, JSON, YAML, COMPOSE, TOML, XML, MAKEFILE, *INDENTED, *COMMENTED),
)
_OTHER = Language(ids=())
_BY_ID = {each: language for language in LANGUAGES for each in language.ids}
_BY_EXTENSION = {f".{end}": language for language in LANGUAGES for end in language.extensions}


def of(language_id: str) -> Language:
    """The record of an LSP language id; of one that is not known, what can be said of any."""
    return _BY_ID.get(language_id, _OTHER)


def of_file(path: PurePath) -> str | None:
    """The LSP language id of a file, by its name; None where that tells nothing."""
    language = _BY_EXTENSION.get(path.suffix.lower())
    return language.ids[0] if language is not None else None
