"""Which names must stand at a gap, in several languages: members of enums, names of modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.api import Shape
from lsp_server.context.asked import Asked
from lsp_server.context.gather import gather
from lsp_server.context.names import names
from lsp_server.index.reader import Reader
from tests.lsp_server.index.trees import build, write

FILES = {
    "app/colors.py": (
        "from enum import Enum, auto\nimport os\n\nclass Color(Enum):\n    RED = auto()\n"
        "    GREEN: int = 2\n    _ignore_ = []\n\n    def shade(self):\n        HERE = 1\n\n"
        "LIMIT = 3\nfirst, second = 1, 2\n\n\n@cached\ndef mixed(a, b):\n    return a\n"
    ),
    "app/loose.py": "if os.name:\n    a = 1\nelse:\n    b = 2\nc = 3\n",
    "app/lazy.py": "a = 1\ndef __getattr__(name):\n    return name\n",
    "app/all.py": "from app.colors import *\na = 1\n",
    "app/broken.py": "a = 1\ndef f(:\n",
    "app/__init__.py": "VERSION = 1\n",
    "lib/once.py": "only = 1\n",
    "lib/twice.py": "a = 1\n",
    "more/lib/twice.py": "b = 1\n",
    "Level.java": "enum Level { LOW(1), HIGH(2); final int n; Level(int n) { this.n = n; } }",
    "shape.ts": "export enum Shape { Round, Square = 'sq' }\n",
    "state.rs": "pub enum State {\n    Idle,\n    Busy(u8),\n    Gone { at: u8 },\n}\n",
    "mode.cpp": "enum class Mode { Read, Write = 2 };\n",
    "same_a.py": "class Same(Enum):\n    A = 1\n",
    "same_b.py": "class Same(Enum):\n    B = 1\n",
}
COLORS = ("RED", "GREEN")
HERE = "from enum import IntFlag\nclass Mine(IntFlag):\n    A = 1\n    B = 2\n\n"
CASES: list[tuple[str, str, str, str, str, tuple[str, ...]]] = [
    ("in the workspace", "python", "main.py", "paint(Color.", ")\n", COLORS),
    ("in the document", "python", "main.py", f"{HERE}x = Mine.", "\n", ("A", "B")),
    ("behind it", "python", "main.py", "x = Mine.", f"\n{HERE}", ("A", "B")),
    ("in a list", "python", "main.py", "x = [Color.RED, Color.", ", 1]\n", COLORS),
    ("a class that is no enum", "python", "main.py", "class K:\n    A = 1\nK.", "\n", ()),
    ("a name of another", "python", "main.py", "x = other.Color.", "\n", ()),
    ("two of that name", "python", "main.py", "x = Same.", "\n", ()),
    ("a bracket is missing", "python", "main.py", "paint(Color.", "\n", ()),
    ("it goes on", "python", "main.py", "x = Color.", " + 1\n", ()),
    ("Java", "java", "Main.java", "var x = Level.", ";\n", ("LOW", "HIGH")),
    ("TypeScript", "typescript", "main.ts", "const x = Shape.", ";\n", ("Round", "Square")),
    ("Rust", "rust", "main.rs", "let x = State::", ";\n", ("Idle", "Busy", "Gone")),
    ("C++", "cpp", "main.cpp", "auto x = Mode::", ";\n", ("Read", "Write")),
    ("Go has none", "go", "main.go", "x := Color.", "\n", ()),
    ("an import", "python", "main.py", "from app.colors import ", "\n",
     ("Enum", "auto", "os", "Color", "LIMIT", "first", "second", "mixed")),
    ("a second name", "python", "main.py", "from lib.once import only, ", "\n", ()),
    ("relative", "python", "app/new.py", "from .colors import LIMIT, ", "\n",
     ("Enum", "auto", "os", "Color", "first", "second", "mixed")),
    ("a package", "python", "main.py", "from app import ", "\n",
     ("VERSION", "all", "broken", "colors", "lazy", "loose")),
    ("two modules", "python", "main.py", "from lib.twice import ", "\n", ()),
    ("it depends", "python", "main.py", "from app.loose import ", "\n", ()),
    ("made when asked for", "python", "main.py", "from app.lazy import ", "\n", ()),
    ("all of another", "python", "main.py", "from app.all import ", "\n", ()),
    ("what cannot be read", "python", "main.py", "from app.broken import ", "\n", ()),
    ("no module of ours", "python", "main.py", "from numpy import ", "\n", ()),
]  # fmt: skip


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    root = write(tmp_path_factory.mktemp("names") / "root", FILES)
    return Reader(root, build(root, root.parent / "index.sqlite"))


@pytest.mark.parametrize(
    ("name", "language", "path", "prefix", "suffix", "expected"), CASES, ids=[c[0] for c in CASES]
)
def test_the_names_that_must_stand_there(
    name: str,
    language: str,
    path: str,
    prefix: str,
    suffix: str,
    expected: tuple[str, ...],
    reader: Reader,
) -> None:
    asked = Asked(prefix, suffix, language, str(reader.root / path), Shape.LINE, by_hand=True)
    assert names(asked, reader) == expected
    assert gather(asked, reader, ()).names == expected


def test_nobody_who_types_is_bound_to_them(reader: Reader, tmp_path: Path) -> None:
    asked = Asked("x = Color.", "\n", "python", str(reader.root / "main.py"), Shape.LINE)
    assert gather(asked, reader, ()).names == ()
    block = Asked("x = Color.", "\n", "python", None, Shape.BLOCK, by_hand=True)
    assert names(block, reader) == ()
    assert names(Asked(f"{HERE}Mine.", "\n", "python", None, Shape.LINE), None) == ("A", "B")
