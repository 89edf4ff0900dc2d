"""Languages of which only is known that their indentation is syntax, and how they comment."""

from lsp_server.languages.language import Language, Levels

INDENTED = (
    Language(
        ids=("starlark", "bazel", "gdscript", "mojo", "cython"),
        line_comment="#",
        levels=Levels.COLON,
    ),
    Language(
        ids=("coffeescript",),
        line_comment="#",
        block_comment=(r"###", r"###"),
        levels=Levels.LINES,
    ),
    Language(ids=("nim",), line_comment="#", block_comment=(r"#\[", r"\]#"), levels=Levels.LINES),
    Language(
        ids=("haskell", "elm", "purescript"),
        line_comment="--",
        block_comment=(r"\{-", r"-\}"),
        levels=Levels.LINES,
    ),
    Language(
        ids=("fsharp",), line_comment="//", block_comment=(r"\(\*", r"\*\)"), levels=Levels.LINES
    ),
    Language(ids=("sass", "stylus", "pug", "jade", "haml", "slim"), levels=Levels.LINES),
)
