"""Suites as their publishers write them, and what is said of files that are not."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.evaluation import suites
from engine.evaluation.items import BadData
from engine.evaluation.suites import FILES, HUMANEVAL, SANTACODER, SPLIT_OF, TWO_HOLES, read_items

# Made for these tests; no item of a published suite.
DOUBLE = {
    "task_id": "made/double/L1",
    "entry_point": "double",
    "prompt": "def double(n):\n",
    "suffix": "    return n\n",
    "canonical_solution": "    n = n * 2\n",
    "test": "def check(candidate):\n    assert candidate(4) == 8\n",
}
FIRST = {
    "prompt": "function first(list) {\n",
    "suffix": "}\n",
    "canonical_solution": "  return list[0]\n",
    "language": "js",
    "task_id": "made/first",
}
BRACKET = {**FIRST, "task_id": "made/bracket", "canonical_solution": "}"}


def write(path: Path, *records: Any) -> Path:
    text = "".join(json.dumps(record) + "\n" for record in records)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["data.jsonl", "data.jsonl.gz"])
def test_humaneval_infilling(name: str, tmp_path: Path) -> None:
    two_lines = {**DOUBLE, "task_id": "two", "canonical_solution": "    n += 0\n    n *= 2\n"}
    one, block = read_items(HUMANEVAL, write(tmp_path / name, DOUBLE, two_lines))
    assert (one.id, one.language, one.block, one.bare) == ("made/double/L1", "python", False, False)
    assert one.prefix + one.solution + one.suffix == "def double(n):\n    n = n * 2\n    return n\n"
    assert (one.solution, one.suffix) == ("    n = n * 2", "\n    return n\n")
    assert block.block


def test_a_part_of_a_line_keeps_the_line_breaks_it_has(tmp_path: Path) -> None:
    spans = [
        {
            **DOUBLE,
            "task_id": "span",
            "prompt": "def double(n):\n    n",
            "canonical_solution": " = n * 2\n",
        },
        {**DOUBLE, "task_id": "next", "canonical_solution": "    n = n"},
    ]
    span, start = read_items(HUMANEVAL, write(tmp_path / "d.jsonl", *spans))
    assert (span.solution, span.suffix) == (" = n * 2\n", "    return n\n")
    assert (start.solution, start.suffix) == ("    n = n", "    return n\n")


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist([FIRST, BRACKET]), tmp_path / "fim.parquet")
    lines = read_items(SANTACODER, write(tmp_path / "fim.jsonl", FIRST, BRACKET))
    assert read_items(SANTACODER, tmp_path / "fim.parquet") == lines
    (tmp_path / "bad.parquet").write_bytes(b"PAR")
    with pytest.raises(BadData, match="cannot read"):
        read_items(SANTACODER, tmp_path / "bad.parquet")


def test_parquet_without_what_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BadData, match=r"pyarrow. first, or turn it into JSON lines"):
        read_items(SANTACODER, tmp_path / "fim.parquet")


def test_santacoder_fim(tmp_path: Path) -> None:
    first, bracket = read_items(SANTACODER, write(tmp_path / "fim.jsonl", FIRST, BRACKET))
    assert (first.language, first.test, first.bare, bracket.bare) == ("javascript", "", False, True)


def test_a_limit_takes_the_same_sample_each_time(tmp_path: Path) -> None:
    data = write(tmp_path / "d.jsonl", *({**DOUBLE, "task_id": str(n)} for n in range(50)))
    first = read_items(HUMANEVAL, data, limit=5)
    assert len(first) == 5
    assert first == read_items(HUMANEVAL, data, limit=5)
    assert first != read_items(HUMANEVAL, data, limit=5, seed=1)
    assert [int(item.id) for item in first] == sorted(int(item.id) for item in first)


PACKAGE_OF = {"held-out": "rich", "fresh": "semble", "tune": "attrs"}


def corpus(path: Path) -> Path:
    """A file of each split, of what is trained on, and of a package that no list names."""
    text = "".join(f"value_{n} = compute({n})\n\n" for n in range(80))
    packages = [*PACKAGE_OF.values(), "click", "nobody"]
    return write(
        path / "held_out.jsonl",
        *({"package": p, "path": "a.py", "language": "python", "text": text} for p in packages),
    )


@pytest.mark.parametrize("suite", SPLIT_OF)
def test_a_suite_reads_the_packages_of_its_split_alone(
    suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suites, "LINES", 40)
    monkeypatch.setattr(suites, "BLOCKS", 10)
    data = corpus(tmp_path)
    found = read_items(suite, data, seed=3)
    assert {item.id.partition("/")[0] for item in found} == {PACKAGE_OF[suite]}
    assert [item.block for item in found] == [False] * 40 + [True] * 10
    assert read_items(suite, data, seed=3) == found != read_items(suite, data, seed=4)


def test_pairs_are_of_the_packages_to_report_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suites, "PAIRS", 12)
    found = read_items(TWO_HOLES, corpus(tmp_path))
    assert {item.id.partition("/")[0] for item in found} == {PACKAGE_OF["held-out"]}
    assert len(found) == 24
    assert all(item.beside for item in found)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"text": "x"}, "item 1: it is no file of a corpus"),
        (
            {"package": "click", "path": "a", "text": "x", "language": "python"},
            "no file of a package whose split is report",
        ),
        (
            {"package": "rich", "path": "a", "text": "x", "language": "cobol"},
            "no text is in one of",
        ),
    ],
)
def test_held_out_of_something_else(record: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=words):
        read_items("held-out", write(tmp_path / "d.jsonl", record))


def test_files(tmp_path: Path) -> None:
    lines = "".join(f"value_{n} = compute({n})\n" for n in range(30))
    (tmp_path / "a.py").write_text(lines)
    (tmp_path / "notes.txt").write_text(lines)
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "b.js").write_text(lines)
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe" * 200)
    line, block = found = read_items(FILES, tmp_path)
    assert (line.id, block.id) == ("a.py#line", "a.py#block")
    for item in found:
        assert item.prefix + item.solution + item.suffix == lines
    assert "\n" not in line.solution
    assert 1 <= block.solution.count("\n") <= 5
    assert block.suffix.startswith("\n")
    assert found == read_items(FILES, tmp_path)


BAD = {
    "no file": (HUMANEVAL, None, "cannot read"),
    "not JSON": (HUMANEVAL, b"{", "not JSON lines"),
    "not gzip": (HUMANEVAL, b"\xff\xfe", "cannot read"),
    "nothing": (HUMANEVAL, b"\n", "no item"),
    "another suite": (HUMANEVAL, json.dumps(FIRST).encode(), "item 1: it has no 'test"),
    "a list": (SANTACODER, b"[1]", "item 1: it is no object"),
    "a number": (SANTACODER, json.dumps({**FIRST, "prompt": 1}).encode(), "no text"),
    "twice": (HUMANEVAL, 2 * (json.dumps(DOUBLE) + "\n").encode(), "only 1 different"),
    "a file for a folder": (FILES, b"", "is no folder"),
    "no suite": ("mbpp", b"", "choose one of humaneval-infilling"),
}


@pytest.mark.parametrize(("suite", "content", "words"), BAD.values(), ids=BAD)
def test_bad_data(suite: str, content: bytes | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadData, match=words):
        read_items(suite, path)
