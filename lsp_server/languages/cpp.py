from dataclasses import replace

from lsp_server.languages.c import C
from lsp_server.languages.language import Enum, Placeholders
from lsp_server.languages.not_implemented import QUOTED

CPP = replace(
    C,
    ids=("cpp",),
    extensions=("cpp", "cc", "cxx", "hh", "hpp", "hxx"),
    grammar=("tree_sitter_cpp", "language"),
    enum=Enum(frozenset(("enum_specifier",)), frozenset(("enumerator",))),
    types=C.types | {"class_specifier"},
    placeholders=Placeholders(
        own=rf"{C.placeholders.own}|throw\s+(?:\w+::)*\w+\s*[({{]\s*{QUOTED}\s*[)}}]",
        first="at",
    ),
)
