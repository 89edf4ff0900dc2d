"""Languages of which only is known that their indentation is syntax."""

from lsp_server.languages.language import Language, Levels

INDENTED = (
    Language(ids=("starlark", "bazel", "gdscript", "mojo", "cython"), levels=Levels.COLON),
    Language(
        ids=(
            *("coffeescript", "sass", "stylus", "pug", "jade", "haml", "slim"),
            *("nim", "haskell", "elm", "purescript", "fsharp"),
        ),
        levels=Levels.LINES,
    ),
)
