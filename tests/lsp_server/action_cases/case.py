"""What the code actions do in every language: a table for test_code_actions.py.

`before` has the cursor at ‸, or a selection between two of them. `asked` is what the model reads,
with a ▢ for each hole; `after` the document once `fills` are in. `title` None: not offered.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    action: str
    language: str
    before: str
    title: str | None
    asked: str = ""
    fills: tuple[str, ...] = ()
    after: str = ""

    @property
    def text(self) -> str:
        return self.before.replace("‸", "")

    @property
    def start(self) -> int:
        return self.before.index("‸")

    @property
    def end(self) -> int:
        return self.before.rindex("‸") - self.before.count("‸") + 1

    @property
    def name(self) -> str:
        return f"{self.action}-{self.language}-{self.before[:30]!r}"


def body(language: str, before: str, name: str | None, asked: str, fill: str, after: str) -> Case:
    title = f"Fill the body of {f'`{name}`' if name else 'this function'}"
    return Case("fill_body", language, before, title, asked, (fill,), after)


def anew(language: str, before: str, asked: str, fill: str, after: str) -> Case:
    title = "Write the body of `f` anew"
    return Case("fill_body", language, before, title, asked, (fill,), after)


def holes(language: str, before: str, title: str, asked: str, *fills: str, after: str) -> Case:
    return Case("fill_holes", language, before, title, asked, fills, after)


def todo(language: str, before: str, wish: str, asked: str, fill: str, after: str) -> Case:
    return Case("do_todo", language, before, f"Do this TODO: {wish}", asked, (fill,), after)


def docstring(language: str, before: str, name: str, asked: str, *fills: str, after: str) -> Case:
    title = f"Write the docstring of `{name}`"
    return Case("write_docstring", language, before, title, asked, fills, after)


def no(action: str, language: str, before: str) -> Case:
    return Case(action, language, before, None)
