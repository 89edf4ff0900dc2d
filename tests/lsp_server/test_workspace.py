"""What the sources of context find in a workspace, in several languages; and through the server."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types as t

from engine.api import Shape
from lsp_server.context.asked import Asked, Edited
from lsp_server.context.definitions import definitions
from lsp_server.context.edits import MOST, Edits, edits
from lsp_server.context.gather import SOURCES, gather
from lsp_server.context.imports import imported
from lsp_server.context.siblings import siblings
from lsp_server.document import Document
from lsp_server.index import database
from lsp_server.index.reader import Reader
from lsp_server.settings import Settings
from tests.lsp_server.conftest import StartEditor, until
from tests.lsp_server.index.trees import build, write

CURSOR = "‸"


@dataclass(frozen=True)
class Case:
    """`wanted` are the beginnings of what is found, in its order."""

    name: str
    files: dict[str, str]
    file: str
    here: str
    wanted: tuple[str, ...]


DEFINITIONS = [
    Case("python", {"shop/prices.py": "RATE = 2\n\n\ndef total(items):\n    return sum(items)\n",
                    "other.py": "def total():\n    pass\n"},
         "main.py", "from shop.prices import total\n\nx = total(‸)\n", ("def total(items):",)),
    Case("python, in brackets and a class", {"shop/cart.py": "class Cart:\n    size = 3\n"},
         "main.py", "from shop.cart import (\n    Cart,\n)\n\nx = Cart‸\n", ("class Cart:",)),
    Case("python, a member of a module", {"prices.py": "def total(items):\n    return 1\n"},
         "main.py", "import prices\n\nx = prices.total(‸)\n", ("def total(items):",)),
    Case("nothing of another package", {"tests/team.py": "def json(self):\n    return 1\n"},
         "main.py", "import json\n\nx = json.loads(‸)\n", ()),
    Case("not what is not used near", {"prices.py": "def total(items):\n    return 1\n"},
         "main.py", "from prices import total\n" + "x = 1\n" * 60 + "y = ‸\n", ()),
    Case("typescript", {"src/price.ts": "export interface Price {\n  cents: number;\n}\n"},
         "src/main.ts", "import { Price } from './price';\nconst p: Price = ‸;\n",
         ("export interface Price {",)),
    Case("javascript, a function by its variable",
         {"price.js": "const total = (items) => {\n  return 1;\n};\n"},
         "main.js", "const { total } = require('./price');\nconst x = total(‸);\n",
         ("const total = (items) => {",)),
    Case("go", {"price/price.go": "package p\n\nfunc Total(items []int) int {\n\treturn 1\n}\n"},
         "main.go", "package main\n\nimport (\n\t\"shop/price\"\n)\n\nvar x = price.Total(‸)\n",
         ("func Total(items []int) int {",)),
    Case("rust", {"src/price.rs": "pub struct Price {\n    pub cents: u32,\n}\n"},
         "src/main.rs", "use crate::price::Price;\n\nfn f() -> Price {\n    ‸\n}\n",
         ("pub struct Price {",)),
    Case("java", {"shop/Price.java": "class Price {\n  int cents;\n}\n"},
         "Main.java", "import shop.Price;\n\nclass Main {\n  Price p = ‸;\n}\n",
         ("class Price {",)),
    Case("not what is called like a folder of its path",
         {"tests/engine/run.py": "def engine():\n    return 1\n"},
         "main.py", "from engine.api import Fill\n\nx = engine‸\n", ()),
]  # fmt: skip

SIBLINGS = [
    Case("a python test's source", {"src/price.py": "def total(items):\n    return 1\n"},
         "tests/test_price.py", "‸", ("def total(items):",)),
    Case("a source's test", {"price.test.ts": "function checks() {\n}\n"}, "price.ts", "‸",
         ("function checks() {",)),
    Case("a go test", {"price.go": "package p\n\nfunc Total() int {\n\treturn 1\n}\n"},
         "price_test.go", "‸", ("func Total() int {",)),
    Case("a java test", {"PriceTest.java": "class PriceTest {\n  int x;\n}\n"}, "Price.java", "‸",
         ("class PriceTest {",)),
    Case("the same folder, the likest name nearest",
         {"a/price_list.py": "def one():\n    pass\n", "a/user.py": "def two():\n    pass\n",
          "b/price_tag.py": "def three():\n    pass\n"},
         "a/price_sum.py", "‸", ("def two():", "def one():")),
    Case("not another language", {"price.js": "function f() {\n}\n"}, "price.py", "‸", ()),
]  # fmt: skip


def found(tmp_path: Path, case: Case, source: Any) -> tuple[str, ...]:
    root = write(tmp_path / "root", case.files)
    prefix, suffix = case.here.split(CURSOR)
    write(root, {case.file: prefix + suffix})
    reader = Reader(root, build(root, tmp_path / "i.sqlite"))
    language = next(
        each for name, each in {".py": "python", ".ts": "typescript", ".js": "javascript",
                                ".go": "go", ".rs": "rust", ".java": "java"}.items()
        if case.file.endswith(name)
    )  # fmt: skip
    asked = Asked(prefix, suffix, language, str(root / case.file), Shape.LINE)
    got = source(asked, reader)
    reader.close()
    assert all(Path(each.path).is_relative_to(root) for each in got)
    return tuple(each.text for each in got)


def begins(got: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    return len(got) == len(wanted) and all(map(str.startswith, got, wanted))


@pytest.mark.parametrize("case", DEFINITIONS, ids=lambda case: case.name)
def test_definitions_of_imported_names(tmp_path: Path, case: Case) -> None:
    got = found(tmp_path, case, definitions)
    assert begins(got, case.wanted), got


@pytest.mark.parametrize("case", SIBLINGS, ids=lambda case: case.name)
def test_siblings(tmp_path: Path, case: Case) -> None:
    got = found(tmp_path, case, siblings)
    assert begins(got, case.wanted), got


IMPORTS = [
    ("python", "from a.b import (\n    c as d,\n)\nimport f\n", ["a", "b", "c", "d", "f"]),
    ("typescript", "import { a, b } from './c';\nconst d = 1;\n", ["a", "b", "c"]),
    ("rust", "use crate::a::{b, c};\nlet d = 1;\n", ["a", "b", "c"]),
    ("go", 'import (\n\t"x/y"\n\tz "w"\n)\n', ["x", "y", "z", "w"]),
    ("json", '{"import": 1}\n', []),
    ("python", "from a import (\n" + "    b,\n" * 5000, ["a", "b"]),
]


@pytest.mark.parametrize(("language", "text", "names"), IMPORTS)
def test_imported_names(language: str, text: str, names: list[str]) -> None:
    assert list(imported(text, language)) == names


def test_a_source_that_fails_leaves_the_others(tmp_path: Path, monkeypatch: Any) -> None:
    root = write(tmp_path / "root", {"price.py": "import os\nplain = 1\n"})
    reader = Reader(root, build(root, tmp_path / "i.sqlite"))
    monkeypatch.setattr(reader, "in_folder", lambda _: 1 / 0)
    asked = Asked("import os\n", "", "python", str(root / "a.py"), Shape.LINE)
    got = gather(asked, reader, SOURCES)
    assert [each.text for each in got.proposals] == ["plain = 1"]
    assert gather(asked, reader, ()).proposals == ()
    assert gather(asked, None, SOURCES).proposals == ()


def test_every_source_has_a_switch() -> None:
    assert set(Settings().context) == set(SOURCES)
    settings, problems = Settings().updated({"context": {"edits": True, "lookup": False}})
    assert not problems
    assert settings.sources == {"edits"}
    assert Settings().sources == {"lookup"}  # what has been shown to pay


def typed(watched: Edits, texts: list[str], uri: str = "file:///a.py", at: float = 0.0) -> None:
    for number, (old, new) in enumerate(pairwise(texts)):
        documents = (Document(uri, number + n, "python", text) for n, text in enumerate((old, new)))
        watched.changed(*documents, at + number)


def test_edits_are_told_as_before_and_after() -> None:
    watched, lines = Edits(), "".join(f"line {n}\n" for n in range(40))
    typed(
        watched, [lines, lines.replace("line 3\n", "lin\n"), lines.replace("line 3\n", "line!\n")]
    )
    assert watched.recent() == ()  # it goes on
    typed(watched, [lines, lines.replace("line 30\n", "far\n")], at=5.0)
    (edited,) = watched.recent()
    assert edited == Edited("/a.py", "line 3", "line!")
    (snippet,) = edits(Asked("", "", "python", None, Shape.LINE, edits=(edited,)))
    assert snippet.text == "-line 3\n+line!"


def test_only_the_last_edits_are_kept_and_none_that_came_to_nothing() -> None:
    watched = Edits()
    for number in range(MOST + 3):
        typed(watched, ["a = 1\n", f"a = {number + 2}\n"], f"file:///{number}.py")
    typed(watched, ["a = 1\n", "a = 2\n", "a = 1\n"], "file:///undone.py")
    typed(watched, ["a = 1\n", "a = 1\n" + "b = 2\n" * 999], "file:///pasted.py")
    typed(watched, ["x\n", "y\n"], "file:///last.py")
    assert [each.path for each in watched.recent()] == [f"/{n}.py" for n in range(3, MOST + 3)]


async def test_lines_of_the_workspace_are_proposed_through_the_server(
    start: StartEditor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    root = write(
        tmp_path / "root", {"b.py": "import os\nplain = 1\n", "a.py": "import os\nown = 2\n"}
    )
    path = database.path_of(root)
    path.parent.mkdir(parents=True)
    build(root, path)
    editor = await start({"text": "1"})
    uri = editor.open("import os\n", (root / "a.py").as_uri())
    await editor.inline(uri, 10)
    assert editor.events("begin")[0]["proposals"] == []  # no folder is open
    folder = t.WorkspaceFolder(root.as_uri(), "root")
    event = t.WorkspaceFoldersChangeEvent(added=[folder], removed=[])
    editor.client.workspace_did_change_workspace_folders(t.DidChangeWorkspaceFoldersParams(event))
    editor.type(uri, 10, "\n")
    await editor.inline(uri, 11)
    assert editor.events("begin")[1]["proposals"] == ["plain = 1"]
    write(root, {"c.py": "import os\nnewer = 3\n"})
    await until(lambda: look_has(path, 3), "the process that keeps the index")
    # The next look at all files is half a minute away.
    write(root, {"c.py": "import os\nnewest = 4\n", "d.py": "x = 1\n"})
    for name in ("c.py", "d.py"):
        saved = t.TextDocumentIdentifier((root / name).as_uri())
        editor.client.text_document_did_save(t.DidSaveTextDocumentParams(saved))
    await until(lambda: look_has(path, 4), "what was saved")
    (root / "d.py").unlink()
    gone = t.FileEvent((root / "d.py").as_uri(), t.FileChangeType.Deleted)
    editor.client.workspace_did_change_watched_files(t.DidChangeWatchedFilesParams([gone]))
    await until(lambda: look_has(path, 3), "what was removed")
    write(root, {f"{number}.py": "x = 1\n" for number in range(200)})
    made = [
        t.FileEvent((root / f"{number}.py").as_uri(), t.FileChangeType.Created)
        for number in range(200)
    ]
    editor.client.workspace_did_change_watched_files(t.DidChangeWatchedFilesParams(made))
    await until(lambda: look_has(path, 203), "many files")
    editor.client.workspace_did_change_configuration(
        t.DidChangeConfigurationParams({"infill": {"index": False}})
    )
    editor.type(uri, 11, "\n")
    await editor.inline(uri, 12)
    assert editor.events("begin")[2]["proposals"] == []


def look_has(path: Path, files: int) -> bool:
    from lsp_server.index.kept import look

    return look(path).files == files
