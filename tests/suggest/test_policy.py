"""When nothing is asked, and when nothing is shown."""

from __future__ import annotations

from typing import Any

import pytest

from lsp_server.document import Document
from lsp_server.gap import cut
from lsp_server.secrets import is_secret
from lsp_server.settings import Settings
from lsp_server.suggest.history import Edit, History
from lsp_server.suggest.policy import (
    Outcomes,
    Pace,
    Trigger,
    hidden_because,
    silent_at,
    silent_because,
)
from lsp_server.syntax.tree import parse

AUTO, INVOKED, ACCEPTED = Trigger.AUTOMATIC, Trigger.INVOKED, Trigger.AFTER_ACCEPT
PLAIN = "file:///work/a.py"


def document(text: str, language: str = "python", uri: str = PLAIN, version: int = 1) -> Document:
    return Document(uri, version, language, text)


def typed(inserted: str, removed: str = "", came_back: bool = False) -> Edit:
    return Edit(0, removed, inserted, 0.0, came_back)


# text with the cursor at ‸, what is special about it, and a word of the reason for silence.
GATES: list[tuple[str, dict[str, Any], str | None]] = [
    ("x = ‸\n", {}, None),
    ("x = ‸", {}, None),
    ("f(‸)\n", {}, None),
    ("f(‸):\n", {}, None),
    ("f('‸');\n", {}, None),
    ("f([{‸}]),\n", {}, None),
    ("x = ‸  \n", {}, None),
    ("<p>‸</p>\n", {"language": "html"}, None),
    ("x = ‸y\n", {}, "after the cursor"),
    ("f(‸, a)\n", {}, "after the cursor"),
    ("x = ‸y\n", {"trigger": INVOKED}, None),
    ("x = ‸y\n", {"trigger": ACCEPTED}, "after the cursor"),
    ("x = ‸\n", {"edit": typed("a")}, None),
    ("x = ‸\n", {"edit": typed("", "abc")}, "deletion"),
    ("x = ‸\n", {"edit": typed("", "abc"), "trigger": INVOKED}, None),
    ("x = ‸\n", {"edit": typed("abc", "", came_back=True)}, "undo"),
    ("x = ‸\n", {"edit": typed("a", "", came_back=True)}, "redo"),
    ("x = ‸\n", {"edit": typed("a", "b", came_back=True)}, "undo"),
    ("x = ‸\n", {"settings": {"trigger": "manual"}}, "manual"),
    ("x = ‸\n", {"settings": {"trigger": "manual"}, "trigger": INVOKED}, None),
    ("x = ‸\n", {"settings": {"languages": {"python": False}}}, "languages"),
    ("x = ‸\n", {"settings": {"languages": {"*": False}}}, "languages"),
    ("x = ‸\n", {"settings": {"languages": {"*": False, "python": True}}}, None),
    ("so ‸\n", {"language": "markdown"}, "languages"),
    ("x = ‸\n" + "#" * 1000, {"settings": {"largestFile": 1}}, "larger"),
    ("x = ‸\n", {"uri": "file:///work/.env"}, "secrets"),
    ("x = ‸\n", {"uri": "file:///work/.env", "trigger": INVOKED}, "secrets"),
]


@pytest.mark.parametrize(("marked", "given", "reason"), GATES)
def test_gates(marked: str, given: dict[str, Any], reason: str | None) -> None:
    settings, problems = Settings().updated(given.get("settings"))
    assert problems == {}
    text = marked.replace("‸", "")
    here = document(text, given.get("language", "python"), given.get("uri", PLAIN))
    said = silent_because(
        here, marked.index("‸"), given.get("trigger", AUTO), settings, given.get("edit")
    )
    assert (said is None) == (reason is None), said
    assert reason is None or reason in str(said)


PLACES: list[tuple[str, str, Trigger, dict[str, Any], bool]] = [
    ("python", "x = ‸\n", AUTO, {}, False),
    ("python", "# so ‸\n", AUTO, {}, True),
    ("python", "# so ‸\n", INVOKED, {}, False),
    ("python", "# so ‸\n", AUTO, {"inComments": True}, False),
    ("python", "x = 'so ‸'\n", AUTO, {}, True),
    ("python", "x = 'so ‸'\n", ACCEPTED, {}, True),
    ("python", "x = 'so ‸'\n", AUTO, {"inStrings": True}, False),
    ("json", '{"a": "‸"}\n', AUTO, {}, False),
    ("python", "import ‸\n", AUTO, {}, False),
]


@pytest.mark.parametrize(("language", "marked", "trigger", "given", "silent"), PLACES)
def test_places(
    language: str, marked: str, trigger: Trigger, given: dict[str, Any], silent: bool
) -> None:
    here = document(marked.replace("‸", ""), language)
    gap = cut(here, marked.index("‸"), tree=parse(here))
    settings, _ = Settings().updated(given)
    assert (silent_at(gap, trigger, settings) is not None) is silent


SECRETS = {
    True: [".env", ".env.local", "prod.env", "a.pem", "id_rsa", "id_ed25519", "secrets.yaml",
           "credentials", "credentials.json", ".npmrc", ".aws/config", ".ssh/x", "secrets/a.py",
           "terraform.tfvars", "A.KEY", "x%2Epem"],
    False: ["a.py", "environment.py", "keys.py", "key.py", "secretary.py", "settings.json",
            "config.json", "penv", "ssh/x.py", "tokens.ts", ""],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "secret"), [(name, secret) for secret, names in SECRETS.items() for name in names]
)
@pytest.mark.parametrize("before", ["file:///work/", "untitled:", "vscode-remote://x/"])
def test_secrets(before: str, name: str, secret: bool) -> None:
    assert is_secret(before + name) is secret


HIDDEN = [
    (0.5, False, AUTO, [], False),
    (0.05, False, AUTO, [], True),
    (0.05, False, INVOKED, [], False),
    (0.5, True, AUTO, [], True),
    (0.5, True, INVOKED, [], False),
    (0.101, False, AUTO, [False], False),
    (0.101, False, AUTO, [False] * 2, False),
    (0.101, False, AUTO, [False] * 3, True),
    (0.12, False, AUTO, [False] * 3, False),
    (0.12, False, AUTO, [False] * 4, True),
    (0.101, False, AUTO, [False] * 3 + [True] + [False] * 2, False),
    (0.101, False, AUTO, [False, True, False, True], False),
    (0.08, False, AUTO, [True] * 3, False),
    (0.99, False, AUTO, [False] * 50, False),
    (0.04, False, AUTO, [True] * 50, True),
]


@pytest.mark.parametrize(("confidence", "breaks", "trigger", "taken", "hidden"), HIDDEN)
def test_hidden(
    confidence: float, breaks: bool, trigger: Trigger, taken: list[bool], hidden: bool
) -> None:
    outcomes = Outcomes()
    for each in taken:
        outcomes.add(each)
    said = hidden_because(confidence, breaks, trigger, Settings(min_confidence=0.1), outcomes)
    assert (said is not None) is hidden
    assert said is None or (said.confidence is None) is breaks


def test_the_bar_rises_after_several_rejections_in_a_row_and_falls_with_what_is_taken() -> None:
    outcomes = Outcomes()
    bars = []
    for taken in [False, False, False, False, True, True, True, True, True, True]:
        outcomes.add(taken)
        bars.append(outcomes.needed(0.2))
    assert bars[:2] == [0.2, 0.2]
    assert 0.2 < bars[2] < bars[3]
    assert bars[4] == 0.2
    assert bars[9] < 0.2


def pace(interval: float | None, answer: float | None) -> Pace:
    pace = Pace()
    for key in range(20 if interval else 0):
        pace.typed(key * (interval or 0))
    if answer is not None:
        pace.answered(answer)
    return pace


def test_the_wait_follows_the_typing_and_the_engine() -> None:
    def wait(interval: float | None, answer: float | None, boundary: bool = False) -> float:
        last = 19 * interval if interval else 0
        return pace(interval, answer).wait(last, boundary)

    assert 0 < wait(0.1, None) < wait(0.3, None) <= Pace.LONGEST
    assert wait(0.1, None, boundary=True) < wait(0.1, None)
    assert wait(0.2, 0.1) == pytest.approx(wait(0.2, None) - 0.1)
    assert wait(0.2, 9.0) == 0
    assert wait(1.4, None) == Pace.LONGEST
    assert wait(5.0, None) == wait(None, None)


def test_what_has_passed_since_the_last_key_is_no_longer_waited_for() -> None:
    typist = pace(0.1, None)
    at_once = typist.wait(1.9, False)
    assert typist.wait(2.0, False) == pytest.approx(at_once - 0.1)
    assert typist.wait(9.0, False) == 0
    assert typist.wait(1.9, False, least=3.0) == pytest.approx(3.0)


# texts of one document in their order, and what the last edit was taken for.
STORIES = [
    (["", "a"], "edit"),
    (["ab", "a"], "deletion"),
    (["a", "abc", "a"], "undo deletion"),
    (["a", "abc", "a", "abc"], "undo"),
    (["a", "ab", "a", "ab"], "undo"),
    (["a", "ab", "a", "ac"], "edit"),
    (["abc", "", "abc"], "undo"),
    (["abc", "axc", "abc"], "undo"),
    (["abc", "axc", "ayc"], "edit"),
    (["a", "a"], "none"),
]


@pytest.mark.parametrize(("texts", "expected"), STORIES)
def test_history(texts: list[str], expected: str) -> None:
    history = History()
    before = document(texts[0])
    history.opened(before)
    edit = None
    for version, text in enumerate(texts[1:], 2):
        after = document(text, version=version)
        edit = history.changed(before, after, float(version))
        before = after
    if edit is None:
        assert expected == "none"
        return
    told = [name for name in ("undo", "deletion") if getattr(edit, f"is_{name}")]
    assert " ".join(told) == expected.replace("edit", "")
    assert history.last(PLAIN) is edit
    history.closed(PLAIN)
    assert history.last(PLAIN) is None
