"""Judging one fill, and telling of many."""

from __future__ import annotations

import os
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from engine.evaluation.exactness import is_exact, similarity
from engine.evaluation.items import Item
from engine.evaluation.measure import Answer, judge
from engine.evaluation.report import report
from engine.evaluation.sandbox import Limits, run
from lsp_server.commands import grammatical

ITEM = Item(
    id="double",
    prefix="def double(n):\n",
    suffix="    return n\n",
    solution="    n = n * 2\n",
    language="python",
    block=False,
    test="def check(candidate):\n    assert candidate(4) == 8\n",
    entry_point="double",
)

# fill -> exact, repeats the suffix, parses, passes
JUDGED = {
    "    n = n * 2\n": (True, False, True, True),
    "    n = n * 2": (True, False, False, False),
    "    n += n\n": (False, False, True, True),
    "    n = 8\n    return n\n": (False, True, True, True),
    "    n = n * 3\n": (False, False, True, False),
    "    n = (n\n": (False, False, False, False),
}


@pytest.mark.parametrize("text", JUDGED)
def test_judged(text: str) -> None:
    answer = judge(ITEM, "searched", text, 5, 0.1, execute=True)
    assert (answer.exact, answer.repeats, answer.parses, answer.passed) == JUDGED[text]


def test_nothing_is_run_unless_asked() -> None:
    item = replace(ITEM, test="raise SystemExit(open('/tmp/never', 'w'))")
    assert judge(item, "fixed", ITEM.solution, 1, 0.1, execute=False).passed is None
    assert judge(replace(ITEM, test=""), "fixed", "", 1, 0.1, execute=True).passed is None


def test_only_python_that_was_python_is_parsed() -> None:
    assert judge(replace(ITEM, language="lua"), "m", "(", 1, 1, execute=False).parses is None
    broken = replace(ITEM, suffix="    return (\n")
    assert judge(broken, "m", "(", 1, 1, execute=False).parses is None


LUA = replace(
    ITEM, language="lua", prefix="local n = ", solution="{ 1 }", suffix="\nreturn n\n", test=""
)


@pytest.mark.parametrize(
    ("language", "text", "told"),
    [("lua", "{ 2 }", True), ("lua", "{ 2", False), ("klingon", "{ 2 }", None)],
)
def test_other_languages_are_parsed_by_who_has_their_grammars(
    language: str, text: str, told: bool | None
) -> None:
    item = replace(LUA, language=language)
    assert judge(item, "m", text, 1, 1, execute=False, parser=grammatical.parses).parses is told
    broken = replace(item, suffix=" } }\n")
    assert judge(broken, "m", text, 1, 1, execute=False, parser=grammatical.parses).parses is None


@pytest.mark.parametrize(
    ("found", "wanted", "expected"),
    [("", "", 1), ("abc", "abc", 1), ("abc", "", 0), ("kitten", "sitting", 1 - 3 / 7)],
)
def test_similarity(found: str, wanted: str, expected: float) -> None:
    assert similarity(found, wanted) == pytest.approx(expected)
    assert similarity(wanted, found) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"), [("a b", True), (" a b \n", True), ("a  b", False), ("", False)]
)
def test_exact(text: str, expected: bool) -> None:
    assert is_exact(replace(ITEM, solution="a b\n"), text) is expected


def answers(method: str, exact: list[bool], language: str = "python") -> list[Answer]:
    return [
        Answer(str(n), method, language, n == 0, "", right, 0.5, False, None, right, 4 + n, 0.1 * n)
        for n, right in enumerate(exact)
    ]


def test_a_report_has_a_row_for_each_method_language_and_lettered_part() -> None:
    both = answers("searched", [True, True, False, False]) + answers("searched", [True], "lua")
    rows = report(both + answers("oracle", [True] * 3))
    assert [(row["method"], row["part"], row["n"]) for row in rows] == [
        ("searched", "all", 5),
        ("searched", "without bare brackets", 3),
        ("searched", "lines without bare brackets", 3),
        ("searched", "lua", 1),
        ("searched", "python", 4),
        ("oracle", "all", 3),
        ("oracle", "without bare brackets", 2),
        ("oracle", "lines without bare brackets", 2),
    ]
    python = rows[4]
    assert python["exact"]["mean"] == python["pass@1"]["mean"] == 0.5
    assert python["exact"]["low"] < 0.5 < python["exact"]["high"]
    assert (python["parse_errors"], python["forwards"]) == (None, 5.5)
    assert (python["p50_seconds"], python["p95_seconds"]) == (0.2, pytest.approx(0.3))


def test_what_is_shown_at_a_gate() -> None:
    """Of four fills one is unsure and one breaks the file; of the two shown one is exact."""
    given = [("    n = n * 2\n", 0.9), ("    n += n\n", 0.6), ("    n = (n\n", 0.9)]
    answers = [
        judge(ITEM, "m", text, 1, 1, execute=False, confidence=sure)
        for text, sure in [*given, ("    n = n * 2\n", 0.1)]
    ]
    (row,) = report(answers, gate=0.5)
    assert (row["shown"]["mean"], row["shown_exact"]["mean"]) == (0.5, 0.5)
    blocks = [replace(answer, block=True, kind="block") for answer in answers[:1]]
    rows = report([*answers, *blocks], gate=0.0)
    assert {row["part"]: row["n"] for row in rows} == {
        "all": 5, "lines": 4, "blocks": 1, "whole line": 4, "lines without bare brackets": 4
    }  # fmt: skip


SMALL = Limits(seconds=3.0, memory=400 << 20, file_size=1000)
posix = pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them")

# Whatever the process was started with, and everything it knows by a name, and then away.
TELLS_ALL = """
import gc, os, sys
frame, told = sys._getframe(), [sys.orig_argv, dict(os.environ)]
while frame:
    told.append({**frame.f_locals, **frame.f_globals})
    frame = frame.f_back
for file in ("cmdline", "environ"):
    try:
        told.append(open(f"/proc/self/{file}").read())
    except OSError:
        pass
import re
for found in {*re.findall("[0-9a-f]{32}", repr(told))}:
    print(found)
    sys.stdout.flush()
os._exit(0)
"""

# program -> reason, words of what it says
PROGRAMS = {
    "fine": ("print('hello')", "passed", "hello"),
    "an error": ("assert 1 == 2", "failed", "AssertionError"),
    "no Python": ("def", "failed", "SyntaxError"),
    "leaves early": ("import os; os._exit(0)", "failed", ""),
    "leaves early, politely": ("raise SystemExit(0)", "failed", ""),
    "closes its output": ("import os; os.close(1)", "failed", ""),
    "its own folder": ("import os; assert os.listdir('.') == []", "passed", ""),
    "no environment": ("import os; assert 'INFILL_SECRET' not in os.environ", "passed", ""),
    "no arguments": ("import sys; assert sys.argv == ['-c'], sys.argv", "passed", ""),
    "says nothing of its own end": (TELLS_ALL, "failed", ""),
    "prints without a line's end": ("print('hello', end='')", "passed", "hello"),
    "another stdout": ("import io, sys; sys.stdout = io.StringIO(); print('lost')", "passed", ""),
    "larger than a pipe": ("x = 1\n" * 50_000 + "print(x)", "passed", "1"),
    "no UTF-8": ("x = '\ud800'", "passed", ""),
    "no input": ("import sys; assert sys.stdin.read() == ''", "passed", ""),
}
LIMITED = {
    "too much memory": ("b = bytearray(900_000_000)", "failed", "MemoryError"),
    "too large a file": ("open('f', 'w').write('x' * 100_000)", "failed", "File too large"),
}


@pytest.mark.parametrize(("program", "reason", "words"), PROGRAMS.values(), ids=PROGRAMS)
def test_programs(program: str, reason: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFILL_SECRET", "1")
    outcome = run(program)
    assert (outcome.reason, outcome.passed) == (reason, reason == "passed"), outcome.output
    assert words in outcome.output


@posix
@pytest.mark.parametrize(("program", "reason", "words"), LIMITED.values(), ids=LIMITED)
def test_programs_that_want_too_much(program: str, reason: str, words: str) -> None:
    outcome = run(program, SMALL)
    assert outcome.reason == reason, outcome.output
    assert words in outcome.output


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may always fork")
def test_a_program_starts_no_other() -> None:
    assert not run("import os; os.fork()", SMALL).passed


@posix
def test_a_program_has_no_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        program = f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)"
        socket.create_connection(("127.0.0.1", port), 1).close()  # out here there is one
        assert not run(program, SMALL).passed


def test_a_program_that_never_ends(tmp_path: Path) -> None:
    started = time.monotonic()
    outcome = run("while True: pass", Limits(seconds=1.0))
    assert outcome.reason == "timed out"
    assert time.monotonic() - started < 60  # it ended at all


def test_what_the_server_puts_into_a_gap() -> None:
    item = replace(ITEM, language="javascript", prefix="f(", suffix=");\n", solution="a")
    offered = [("a))", 0.9), ("a(", 0.5), ("a", 0.25)]
    assert grammatical.put_in(item, offered) == ("a", 0.9)  # what the first is cut to
    assert grammatical.put_in(item, []) == ("", 0.0)
    cobol = replace(item, language="cobol")
    assert grammatical.put_in(cobol, [("b", 0.4), ("a(", 0.3)]) == ("b", 0.4)
    lines = replace(item, prefix="if (a) {\n", suffix="\n}\n", block=True)
    blocks = [("  b();\n  c(", 0.4), ("  b();", 0.3)]
    assert grammatical.put_in(lines, blocks) == ("  b();", 0.3)


@pytest.mark.parametrize(
    ("prefix", "text", "suffix", "told"),
    [
        ("a()\n", "b(", "\nc()\n", True),
        ("a()\n", "b()", "\nc()\n", False),
        ("a(", "b", "\nc()\n", None),
    ],
)
def test_what_breaks_a_sound_file(prefix: str, text: str, suffix: str, told: bool | None) -> None:
    item = replace(ITEM, prefix=prefix, suffix=suffix)
    assert judge(item, "m", text, 1, 1, execute=False).breaks is told
