"""Local counters: what is shown, accepted and kept, found without the editor's help."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types as t

from lsp_server.acceptance import Outcome
from lsp_server.document import Document
from lsp_server.stats.counters import Count, Counters, Kind
from lsp_server.stats.stats import Stats, is_kept
from lsp_server.stats.store import Store
from lsp_server.suggest.feedback import Feedback
from lsp_server.suggest.history import History
from tests.lsp_server.conftest import StartEditor

URI = "file:///a"


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        self.waiting.append((self.now + seconds, what))

    def pass_to(self, now: float) -> None:
        self.now = now
        due = [what for at, what in self.waiting if at <= now]
        self.waiting = [(at, what) for at, what in self.waiting if at > now]
        for what in due:
            what()


class Window:
    """A document with a fill shown at ‸, and edits by what stands around them."""

    def __init__(self, folder: Path, marked: str, text: str, covers: int = 0) -> None:
        self.clock = Clock()
        self.store = Store(folder)
        self.stats = Stats(self.store, self.clock.after)
        self.stats._save_now = self.stats.save  # type: ignore[method-assign]
        self.document = Document(URI, 1, "python", marked.replace("‸", ""))
        self.at = marked.index("‸")
        self.stats.shown(Kind.INLINE, self.document, self.at, self.at + covers, text)

    def edit(self, start: int, removed: int, text: str) -> None:
        old = self.document
        new = old.text[:start] + text + old.text[start + removed :]
        self.document = Document(URI, old.version + 1, "python", new)
        self.stats.changed(old, self.document)

    @property
    def count(self) -> Count:
        return self.stats.counters[Kind.INLINE]


# The text and its cursor, the fill, edits (offset from the cursor, removed, typed), accepted?
EDITS: list[tuple[str, str, str, list[tuple[int, int, str]], int]] = [
    ("taken", "x = ‸\n", "a + b", [(0, 0, "a + b")], 1),
    ("typed out", "x = ‸\n", "ab", [(0, 0, "a"), (1, 0, "b")], 0),
    ("typed into and taken", "x = ‸\n", "a + b", [(0, 0, "a"), (1, 0, " + b")], 1),
    ("typed into, back and taken", "x = ‸\n", "abc", [(0, 0, "a"), (0, 1, ""), (0, 0, "abc")], 1),
    ("a closer came by itself", "f‸\n", "(ab)", [(0, 0, "()"), (1, 1, "ab)")], 1),
    ("taken word by word", "x = ‸\n", "abc + d", [(0, 0, "abc"), (3, 0, " + d")], 1),
    ("something else", "x = ‸\n", "abc", [(0, 0, "z"), (0, 1, ""), (0, 0, "abc")], 0),
    ("not at once", "x = ‸\n", "abc", [(0, 0, "z")], 0),
    ("edited above, then taken", "y\nx = ‸\n", "abc", [(-6, 0, "import os\n"), (10, 0, "abc")], 1),
    ("edited below, then taken", "x = ‸\n\ny\n", "abc", [(3, 0, "z"), (0, 0, "abc")], 1),
    ("one character, as if typed", "x = ‸\n", "a", [(0, 0, "a")], 0),
    ("a pair, as if typed", "f‸\n", "()", [(0, 0, "()")], 0),
    ("its last character", "x = ‸\n", "abc", [(0, 0, "ab"), (2, 0, "c")], 0),
    ("its last word", "x = ‸\n", "a bc", [(0, 0, "a"), (1, 0, " bc")], 1),
    ("deleted before it", "x = ‸\n", "abc", [(-1, 1, ""), (-1, 0, "abc")], 0),
]


@pytest.mark.parametrize(
    ("marked", "text", "edits", "accepted"), [each[1:] for each in EDITS], ids=[e[0] for e in EDITS]
)
def test_accepted_is_found_in_the_edits(
    tmp_path: Path, marked: str, text: str, edits: list[tuple[int, int, str]], accepted: int
) -> None:
    window = Window(tmp_path, marked, text)
    feedback, history, learnt = Feedback(), History(), []
    history.opened(window.document)
    feedback.show(window.document, window.at, text, 0.0)
    for start, removed, typed in edits:
        old = window.document
        window.edit(window.at + start, removed, typed)
        edit = history.changed(old, window.document, 0.0)
        learnt.append(feedback.changed(window.document, edit) if edit else None)
        # An editor asks again after each edit, and may be given what is left of the same.
        rest = _left(window.document.text, window.at, text)
        if edit is not None and rest:
            feedback.show(window.document, window.at + len(text) - len(rest), rest, 0.0)
    assert (window.count.shown, window.count.accepted) == (1, accepted)
    if not any(start < 0 for start, _, _ in edits) and "z" not in {each[2] for each in edits}:
        assert learnt.count(Outcome.ACCEPTED) == accepted


def _left(document: str, at: int, text: str) -> str:
    """What of `text` does not stand at `at` yet."""
    known = next(n for n in range(len(text), -1, -1) if document.startswith(text[:n], at))
    return text[known:]


def test_a_fill_over_what_stands_there(tmp_path: Path) -> None:
    window = Window(tmp_path, "f(‸)\n", "a, b)", covers=1)
    window.edit(2, 1, "a, b)")
    assert window.count.accepted == 1


def test_what_goes_on_being_shown_counts_once(tmp_path: Path) -> None:
    window = Window(tmp_path, "x = ‸\n", "abc")
    window.edit(4, 0, "a")
    window.stats.shown(Kind.INLINE, window.document, 5, 5, "bc")
    window.edit(5, 0, "b")
    window.stats.shown(Kind.INLINE, window.document, 6, 6, "c")
    window.stats.shown(Kind.COMPLETION, window.document, 6, 6, "c")
    window.stats.shown(Kind.INLINE, window.document, 6, 6, "d")
    assert window.count.shown == 2
    assert window.stats.counters[Kind.COMPLETION].shown == 1


def test_kept_is_looked_at_twice(tmp_path: Path) -> None:
    window = Window(tmp_path, "x = ‸\n", "first + second")
    window.edit(4, 0, "first + second")
    window.edit(0, 0, "import os\n")
    window.clock.pass_to(30)
    assert (window.count.looked, window.count.kept) == ({30: 1}, {30: 1})
    window.edit(14, 14, "nothing")
    window.clock.pass_to(300)
    window.stats.save()
    total, _ = window.store.load()
    assert total[Kind.INLINE].looked == {30: 1, 300: 1}
    assert total[Kind.INLINE].kept == {30: 1, 300: 0}
    assert window.stats._accepted == []


def test_a_closed_document_is_not_looked_at(tmp_path: Path) -> None:
    window = Window(tmp_path, "x = ‸\n", "abc")
    window.edit(4, 0, "abc")
    window.stats.closed(URI)
    window.clock.pass_to(300)
    total, _ = window.store.load()
    assert (total[Kind.INLINE].accepted, total[Kind.INLINE].looked) == (1, {})


@pytest.mark.parametrize(
    ("text", "now", "kept"),
    [
        ("a + b", "a + b", True),
        ("a + b", "a  +  b ", True),
        ("return first(one, two)", "return first(one, three)", True),
        ("return first(one, two)", "", False),
        ("return first(one, two)", "raise Error", False),
        ("x" * 100_000, "y" * 100_000, False),
    ],
)
def test_what_is_kept(text: str, now: str, kept: bool) -> None:
    assert is_kept(text, now) is kept


def test_percentiles() -> None:
    count = Count()
    assert count.percentile(0.5) is None
    for milliseconds in range(1, 101):
        count.answered(milliseconds / 1000)
    for share, milliseconds in ((0.5, 50), (0.95, 95), (0, 1), (1, 100)):
        assert count.percentile(share) == pytest.approx(milliseconds, rel=0.06)
    count.answered(0)


def some(shown: int) -> Counters:
    counters = Counters()
    counters[Kind.ACTION].shown = shown
    counters[Kind.ACTION].answered(0.1)
    return counters


def test_windows_add_up_in_a_private_file(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "infill-ls"
    for shown in (1, 2, 3):
        Store(folder).add(some(shown))
    total, since = Store(folder).load()
    assert total[Kind.ACTION].shown == 6
    assert sum(total[Kind.ACTION].latency.values()) == 3
    assert since is not None
    if os.name == "posix":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(Store(folder).path.stat().st_mode) == 0o600
    assert sorted(each.name for each in folder.iterdir()) == ["stats.json", "stats.lock"]


def test_many_windows_at_once_lose_nothing(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from tests.lsp_server.test_stats import some, Store\n"
        "for _ in range(10): Store(Path(sys.argv[1])).add(some(1))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    root = Path(__file__).parents[2]
    for each in [subprocess.Popen(command, cwd=root) for _ in range(3)]:
        assert each.wait() == 0
    assert Store(tmp_path).load()[0][Kind.ACTION].shown == 30


BROKEN = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"version": 2}',
    b'{"version": 1, "since": "x", "kinds": {"inline": 3}}',
    b'{"version": 1, "since": "x", "kinds": {"inline": {"shown": -1}}}',
    b'{"version": 1, "since": "x", "kinds": {"dance": {}}}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file_is_set_aside_with_a_warning(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path)
    store.path.write_bytes(content)
    store.add(some(2))
    assert store.load()[0][Kind.ACTION].shown == 2
    assert (tmp_path / "stats.broken").read_bytes() == content
    assert "cannot be read" in caplog.text


def test_a_full_disk_is_said_once_and_nothing_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    stats = Stats(Store(tmp_path), lambda *_: None)
    stats.counters.add(some(1))
    with monkeypatch.context() as patch:
        patch.setattr(json, "dump", full)
        stats.save()
        stats.save()
    assert caplog.text.count("No space left") == 1
    assert [each.name for each in tmp_path.iterdir()] == ["stats.lock"]
    stats.save()
    assert Store(tmp_path).load()[0][Kind.ACTION].shown == 1
    assert not stats.counters


def test_without_a_home_there_are_no_counters(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("lsp_server.stats.store.state_folder", homeless)
    stats = Stats(Store(), lambda *_: None)
    stats.counters.add(some(1))
    stats.save()
    assert "home directory" in caplog.text


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_STATE_HOME": str(folder), "LOCALAPPDATA": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", "lsp_server", "stats", *arguments],
        env=environment,
        capture_output=True,
        text=True,
    )


def test_the_command(tmp_path: Path) -> None:
    assert "Nothing is counted yet" in command(tmp_path).stdout
    assert "nothing to forget" in command(tmp_path, "--reset").stdout
    store = Store(tmp_path / "infill-ls")
    counters = some(4)
    counters[Kind.ACTION].accepted = 3
    counters[Kind.ACTION].survived(30, True)
    store.add(counters)
    lines = command(tmp_path).stdout.splitlines()
    head = [cell.strip() for cell in lines[0].strip("|").split("|")]
    assert head[-4:] == ["kept 30 s", "kept 5 min", "p50 ms", "p95 ms"]
    (row,) = (line for line in lines if "action" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:6] == ["action", "4", "3", "75 %", "100 %", "–"]
    told = json.loads(command(tmp_path, "--json").stdout)
    assert told["kinds"]["action"]["accepted"] == 3
    assert told["kinds"]["action"]["p50_ms"] == pytest.approx(100, rel=0.06)
    assert "back at zero" in command(tmp_path, "--reset").stdout
    assert store.load()[1] is None
    store.path.write_text("{")
    broken = command(tmp_path)
    assert broken.returncode == 0
    assert "cannot be read" in broken.stderr


async def test_a_session_counts_and_saves(
    start: StartEditor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    editor = await start({"text": "fill"})
    uri = editor.open("x = \ny = \n")
    (item,) = (await editor.inline(uri, 4)).items
    editor.type(uri, 4, item.insert_text)
    action = (await editor.code_actions(uri, 13, 13))[0]
    (change,) = (await editor.resolve(action)).edit.document_changes
    editor.type(uri, 13, change.edits[0].new_text)
    assert await editor.quit() == 0
    total, _ = Store(tmp_path / "infill-ls").load()
    for kind in (Kind.INLINE, Kind.ACTION):
        assert (total[kind].shown, total[kind].accepted) == (1, 1), kind
        assert sum(total[kind].latency.values()) == 1


async def test_the_setting_switches_it_off(
    start: StartEditor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    editor = await start({"text": "fill"}, options={"stats": False})
    uri = editor.open("x = ")
    assert isinstance(await editor.inline(uri, 4), t.InlineCompletionList)
    assert await editor.quit() == 0
    assert not (tmp_path / "infill-ls").exists()
    await asyncio.sleep(0)
