"""Goldens as data: one TOML file per language, a [[case]] each.

name    what it is about
text    the file, with the cursor at ‸
fill    what the model gives
after   the file with what is shown between ├ and ┤, or ├shown╣replaced┤; `text` where nothing is
asked   true: the user has asked for it by hand
fails   why `after` is not what happens, though it should be
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsp_server.document import Document
from lsp_server.gap import cut
from lsp_server.suggest.choose import fewest, ways_to_clean
from lsp_server.suggest.filled import as_filled
from lsp_server.syntax.tree import parse

FOLDER = Path(__file__).parent / "goldens"
MAX_LINES = 12


@dataclass
class Case:
    language: str
    name: str
    text: str
    fill: str
    after: str
    asked: bool = False
    fails: str | None = None


def read(path: Path) -> list[Case]:
    cases: list[dict[str, Any]] = tomllib.loads(path.read_text("utf-8"))["case"]
    return [Case(language=path.stem, **case) for case in cases]


def write(path: Path, cases: list[Case]) -> None:
    path.write_text("\n".join(map(_as_toml, cases)), "utf-8")


def shown(case: Case) -> str:
    """What the pipeline makes of a case, in the notation of `after`."""
    at = case.text.index("‸")
    document = Document(
        f"file:///work/a.{case.language}", 1, case.language, case.text.replace("‸", "")
    )
    gap = cut(document, at, tree=parse(document))
    choices = ways_to_clean(
        case.fill, gap, automatic=not case.asked, max_lines=MAX_LINES, may_overwrite=True
    )
    assert (
        choices[0] == ways_to_clean(choices[0].text, gap, may_overwrite=True)[0] or choices[0].fired
    )
    choice = choices[0]
    if gap.tree is not None and choice.text:
        trees = [parse(as_filled(gap, each), gap.tree) for each in choices]
        before = gap.tree.errors()
        choice, errors = fewest(choices, [tree and tree.errors() for tree in trees], before)
        if errors > before and not case.asked:
            return case.text
    if not choice.text:
        return case.text
    end = at + choice.covers
    covered = f"╣{document.text[at:end]}" if choice.covers else ""
    return f"{document.text[:at]}├{choice.text}{covered}┤{document.text[end:]}"


def _as_toml(case: Case) -> str:
    fields: list[tuple[str, Any]] = [("name", case.name), ("text", case.text), ("fill", case.fill)]
    fields.append(("after", case.after))
    if case.asked:
        fields.append(("asked", True))
    if case.fails:
        fields.append(("fails", case.fails))
    return "\n".join(["[[case]]", *(f"{key} = {_value(value)}" for key, value in fields), ""])


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if "\n" in value and "'''" not in value and "\r" not in value and not value.endswith("'"):
        return f"'''\n{value}'''"
    return json.dumps(value, ensure_ascii=False)
