"""What the workspace proposes for a gap in several languages, and what it must not say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.api import Proposal
from lsp_server.index.lookup import words_of
from lsp_server.index.reader import Reader
from tests.lsp_server.index.trees import build, write

CURSOR = "‸"


@dataclass(frozen=True)
class Case:
    """`here` is the document with the cursor, `elsewhere` another file; `wanted` comes first."""

    name: str
    file: str
    elsewhere: str
    here: str
    wanted: str | None


LINES = [
    Case("the line below the same line", "a.py",
         "import os\nlog = logging.getLogger(__name__)\n", "import os\n‸\n",
         "log = logging.getLogger(__name__)"),
    Case("... that begins so", "a.py",
         "import os\nlog = logging.getLogger(__name__)\n", "import os\nlog‸\n",
         " = logging.getLogger(__name__)"),
    Case("a line that begins so", "a.go",
         "func f() {\n\tresult, err := client.Do(request)\n}\n",
         "func g() {\n\tresult, err := cl‸\n}\n", "ient.Do(request)"),
    Case("the line above the same line", "a.rs",
         "fn f() {\n    let reader = open(path)?;\n    consume(reader);\n}\n",
         "fn g() {\n    ‸\n    consume(reader);\n}\n", "let reader = open(path)?;"),
    Case("with the names of here", "a.ts",
         "const width = Number(input.width);\nif (width < 0) throw new RangeError('width');\n",
         "const height = Number(input.height);\n‸\n",
         "if (height < 0) throw new RangeError('height');"),
    Case("... in the middle of the line", "a.lua",
         "local first = tonumber(arg.first)\nassert(first, 'no first')\n",
         "local second = tonumber(arg.second)\nassert(‸\n", "second, 'no second')"),
    Case("what stands behind the cursor is not said twice", "a.js",
         "start();\nrun(first, last);\n", "start();\nrun(fi‸);\n", "rst, last"),
    Case("not the line that stands below already", "a.py",
         "with lock:\n    total += value\n", "with lock:\n    ‸\n    total += value\n", None),
    Case("nothing is like it", "a.py", "x = 1\ny = 2\n", "import this\n‸\n", None),
    Case("after a bracket anything may stand", "a.c", "{\n  first_call();\n", "{\n  ‸\n", None),
    Case("no line too short to say something", "a.c", "f(a);\n}\n", "f(a);\n‸\n", None),
    Case("tabs, CRLF and a last line without end", "a.java",
         "\tint a = read();\r\n\tcheck(a, limit);", "\tint a = read();\r\n\t‸\r\n",
         "check(a, limit);"),
    Case("letters of any script", "a.py", "größe = lies('größe')\nprüfe(größe)\n",
         "länge = lies('länge')\n‸\n", "prüfe(länge)"),
]  # fmt: skip

BLOCKS = [
    Case("between two lines", "a.py",
         "def main():\n    args = parse()\n    with open(args.file) as file:\n"
         "        data = file.read()\n    return data\n",
         "def other():\n        args = parse()\n‸\n        return data\n",
         "        with open(args.file) as file:\n            data = file.read()"),
    Case("tabs", "a.go",
         "\tresp, err := get(url)\n\tif err != nil {\n\t\treturn nil, err\n\t}\n\tdefer close()\n",
         "\t\tresp, err := get(url)\n\t\t‸\n\t\tdefer close()\n", None),
    Case("a line with a bracket alone is kept in no index", "a.js",
         "open(door);\nif (late) {\n  run(fast);\n}\nclose(door);\n",
         "open(door);\n‸\nclose(door);\n", None),
    Case("no way leads there", "a.py", "begin(1)\nmiddle(2)\n", "begin(1)\n‸\nfinish(3)\n", None),
]  # fmt: skip


def ask(tmp_path: Path, case: Case, *, block: bool) -> list[Proposal]:
    root = write(tmp_path / "root", {f"other/{case.file}": case.elsewhere})
    # The document as it is on disk says nothing: there the gap is filled already.
    prefix, suffix = case.here.split(CURSOR)
    write(root, {case.file: f"{prefix}THE ANSWER ITSELF{suffix}"})
    reader = Reader(root, build(root, tmp_path / "i.sqlite"))
    own = reader.inside(str(root / case.file))
    assert own == case.file
    if block:
        found = reader.blocks(prefix, suffix, own)
    else:
        found = reader.lines(prefix, suffix, own, words_of(prefix + suffix))
    reader.close()
    assert not any("ANSWER" in each.text for each in found)
    return list(found)


@pytest.mark.parametrize("case", LINES, ids=lambda case: case.name)
def test_lines(tmp_path: Path, case: Case) -> None:
    found = ask(tmp_path, case, block=False)
    assert (found[0].text if found else None) == case.wanted


@pytest.mark.parametrize("case", BLOCKS, ids=lambda case: case.name)
def test_blocks(tmp_path: Path, case: Case) -> None:
    found = ask(tmp_path, case, block=True)
    assert (found[0].text if found else None) == case.wanted


def test_what_more_files_say_and_what_is_known_here_comes_first(tmp_path: Path) -> None:
    files = {f"{n}.py": "setup()\ncommon(value)\n" for n in range(3)}
    files |= {"rare.py": "setup()\nother(value)\n", "odd.py": "setup()\nmystery(unknown)\n"}
    root = write(tmp_path / "root", files)
    reader = Reader(root, build(root, tmp_path / "i.sqlite"))
    found = reader.lines("setup()\n", "", "here.py", words_of("setup common other value"))
    assert [(each.text, each.times) for each in found] == [
        ("common(value)", 3),
        ("other(value)", 1),
        ("mystery(unknown)", 1),
    ]


def test_no_line_of_a_secret_is_proposed(tmp_path: Path) -> None:
    files = {"secrets/keys.py": "import os\nkey = 'abcdef'\n", "a.py": "import os\nplain = 1\n"}
    root = write(tmp_path / "root", files)
    reader = Reader(root, build(root, tmp_path / "i.sqlite"))
    assert [each.text for each in reader.lines("import os\n", "", None, set())] == ["plain = 1"]
    assert reader.inside("/elsewhere/a.py") is None


def test_where_there_is_no_index_nothing_is_found(tmp_path: Path) -> None:
    reader = Reader(tmp_path, tmp_path / "none.sqlite")
    assert reader.lines("import os\n", "", None, set()) == ()
    build(write(tmp_path / "root", {"a.py": "import os\nplain = 1\n"}), tmp_path / "none.sqlite")
    assert len(reader.lines("import os\n", "", None, set())) == 1  # it has come since
    (tmp_path / "none.sqlite").write_bytes(b"damaged" * 4000)
    reader.close()
    assert reader.lines("import os\n", "", None, set()) == ()
