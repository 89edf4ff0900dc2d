"""What the server knows of one language, as one record."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Body(StrEnum):
    """How the body of a function is told from its head."""

    BRACES = "braces"
    COLON = "colon"  # indented below a colon, with nothing that ends it
    END = "end"  # up to the word `end`


class Levels(StrEnum):
    """Where indentation is syntax: what one reads to know which levels are open."""

    COLON = "colon"  # a statement that ends with a colon opens a block
    KEYS = "keys"  # keys, items and block scalars, as in YAML
    LINES = "lines"  # any line may open one


@dataclass(frozen=True, slots=True)
class Lexis:
    """What begins a comment within a line, and the quotes in which a string of one line stands."""

    comment: str
    quotes: str


@dataclass(frozen=True, slots=True)
class Placeholders:
    """`own` is a regular expression of the whole statements or expressions that stand for code
    that is not there yet, beside those of every language; `nothing` of what says nothing elsewhere,
    but where it is all of a body there is no body. `first` are the characters they begin with."""

    own: str | None = None
    nothing: str | None = None
    first: str = ""


@dataclass(frozen=True, slots=True)
class Dots:
    """Where `...` is a part of the language, and stands for no code.

    `are_arguments`: it passes on what a function with `...` among its parameters is given, and a
    whole file is such a function where `file_has_arguments`. `after` is the character right behind
    which it says something else.
    """

    are_arguments: bool = False
    file_has_arguments: bool = False
    after: str = ""


class Sections(StrEnum):
    """What the documentation of a function has besides its first sentence."""

    NONE = "none"
    HEADED = "headed"  # Google's, NumPy's or Sphinx's style, as the file has it
    TAGS = "tags"
    ERRORS = "errors"  # a section on errors alone


@dataclass(frozen=True, slots=True)
class Tags:
    """One line for each parameter, return value and exception; `%s` is its name.

    Where the comments of a file that begin with `comment` have nothing like `custom`, a regular
    expression, its documentation is a sentence. `other_mark` stands for `@`, and `other_margin` for
    the margin, in a file in which the regular expression beside them is found.
    """

    custom: str
    comment: str
    parameter: str = "@param %s "
    returns: str = "@return "
    raises: str = "@throws %s "
    other_mark: tuple[str, str] | None = None
    other_margin: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Documentation:
    """`opening` and `closing` stand around a documentation of one sentence; `{name}` is of what is
    documented. Lines of a longer one begin with `margin`, and `end` ends it; `{indent}` is what its
    first line is indented by.

    `path_end` is what a comment says instead of `*/` in the middle of a path, and `backslash`
    instead of a backslash that would begin an escape.
    """

    opening: str = "/** "
    closing: str = " */"
    margin: str = ""
    end: str = ""
    sections: Sections = Sections.NONE
    tags: Tags | None = None
    path_end: str | None = None
    backslash: str | None = None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What a fill that somebody is still typing has yet to close, for the parser's sake.

    `closings` are pairs of a regular expression and what is written where the fill ends with it.
    Or `closing` is written as often as `opener` is found more often than `closer`.
    """

    closings: tuple[tuple[str, str], ...] = ()
    opener: str | None = None
    closer: str = r"(?!)"
    closing: str = ""


@dataclass(frozen=True, slots=True)
class Headers:
    """Kinds of nodes whose head ends with its line, without a token for it; and of what follows."""

    headed: frozenset[str] = frozenset()
    bodies: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Enum:
    """The kinds of nodes of enums and of their members. `base` is a regular expression of what one
    of a class's bases is called, where an enum is a class."""

    kinds: frozenset[str]
    members: frozenset[str]
    base: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """`ids` are LSP language ids, which differ in nothing said here; `extensions` of files have
    the first of them.

    `grammar` is the module of the tree-sitter grammar, and the function there that gives it.
    `functions` and `types` are kinds of nodes.
    """

    ids: tuple[str, ...]
    extensions: tuple[str, ...] = ()
    grammar: tuple[str, str] | None = None

    # Comments and strings. None where they are not known.
    line_comment: str | None = None
    block_comment: tuple[str, str] | None = None  # regular expressions of its two ends
    lexis: Lexis | None = None
    has_data_strings: bool = False  # a string is not an aside but what the file is made of
    import_line: str | None = None  # a regular expression of how an import begins
    import_of_names: str | None = None  # ... of a line up to a name out of `module`, a group of it

    # Functions, types and their bodies.
    functions: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    enum: Enum | None = None
    body: Body = Body.BRACES
    words_open_blocks: bool = True  # such as `do`
    headers: Headers | None = None
    unfinished: Unfinished = Unfinished()

    # Signatures.
    implied_parameters: frozenset[str] = frozenset()  # the first, where it has such a name
    error_types: str | None = None  # a regular expression of types that a function may fail with

    # Placeholders.
    placeholders: Placeholders = Placeholders()
    dots: Dots = Dots()

    # Documentation.
    documentation: Documentation = Documentation()

    # Indentation.
    indent_unit: str = "    "
    needs_tabs: bool = False
    outside_of_blocks: str | None = None  # a regular expression of lines that stand anywhere
    levels: Levels | None = None

    @property
    def comment(self) -> str:
        """What makes the rest of a line a comment; as most languages have it where nobody knows."""
        return self.line_comment or "//"

    @property
    def has_docstrings(self) -> bool:
        """Documentation is the string that a body begins with."""
        return self.body is Body.COLON
