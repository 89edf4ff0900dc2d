"""From candidates to what is shown, with an engine that is a list of answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from lsprotocol import types as t

from engine.api import Alternative, Fill
from lsp_server.acceptance import Outcome
from lsp_server.document import Document
from lsp_server.gap import Gap, cut
from lsp_server.settings import Settings
from lsp_server.suggest.choose import best_by_hand, fewest, ways_to_clean
from lsp_server.suggest.clean import Cleaned
from lsp_server.suggest.filled import as_filled
from lsp_server.suggest.history import History
from lsp_server.suggest.policy import Trigger
from lsp_server.suggest.ports import Ports
from lsp_server.suggest.suggestions import Ask, Suggestions
from lsp_server.syntax.parsing import Parsing
from lsp_server.syntax.tree import parse

URI = "file:///a.py"


@dataclass
class Engine:
    """What suggestions are made of; `answers` are the engine's candidates, best first."""

    answers: list[str]
    doubts: dict[str, float] = field(
        default_factory=dict
    )  # an answer's confidence, where it has its own
    settings: Settings = field(default_factory=lambda: Settings(speculate=False, delay=0))
    confidence: float = 1.0
    asked: list[Gap] = field(default_factory=list)
    documents: dict[str, Document] = field(default_factory=dict)
    parsing: Parsing = field(default_factory=Parsing)

    async def try_to_fill(self, gap: Gap, patience: float, on_draft: Any) -> Fill:
        self.asked.append(gap)
        best = tuple(
            Alternative((text,), -float(n), self.doubts.get(text, self.confidence))
            for n, text in enumerate(self.answers)
        )
        return Fill((self.answers[0],), best[0].confidence, 1, 8, 0.0, best)

    async def fill_ahead(self, gap: Gap) -> Fill:
        return await self.try_to_fill(gap, 0.0, None)


class Window:
    """A document, a clock, and what is suggested in it."""

    def __init__(self, text: str, answers: list[str], **how: Any) -> None:
        self.now = 100.0
        self.session = Engine(answers, **how)
        ports = Ports(
            documents=self.session.documents,
            parsing=self.session.parsing,
            settings=lambda: self.session.settings,
            outside=lambda _: 0,
            fill=self.session.try_to_fill,
            fill_ahead=self.session.fill_ahead,
            is_idle=lambda: True,
            show_once=lambda _: None,
        )
        self.suggestions = Suggestions(ports, History(), lambda: self.now)
        self.document = Document(URI, 1, "python", text)
        self.session.documents[URI] = self.document
        self.suggestions.opened(self.document)

    def type(self, offset: int, text: str, delete: int = 0) -> None:
        self.now += 1.0
        change = t.TextDocumentContentChangePartial(
            self.document.range(offset, offset + delete), text
        )
        old, self.document = (
            self.document,
            self.document.edited([change], self.document.version + 1),
        )
        self.session.documents[URI] = self.document
        self.suggestions.changed(old, self.document)

    async def ask(self, offset: int, invoked: bool = False, **how: Any) -> str | None:
        """The text that is shown."""
        trigger = self.suggestions.trigger(self.document, invoked)
        placed = await self.suggestions.suggest(Ask(self.document, offset, trigger, **how))
        return placed[0].text if placed else None

    async def choose(self, offset: int, most: int) -> list[str]:
        """All that there is to choose from."""
        ask = Ask(self.document, offset, Trigger.INVOKED, most=most)
        return [placed.text for placed in await self.suggestions.suggest(ask)]


CANDIDATES: list[tuple[str, list[str], bool, str | None]] = [
    ("x = \n", ["first", "second"], False, "first"),
    ("x = \n", ["", "second"], False, "second"),
    ("x = \n", ["  ", "", "  second"], False, "second"),
    ("x = \n", [*"abcdefgh", "too late"], False, None),
    ("x = \n", ["= 2 if", "second"], False, "second"),
    ("x = \n", ["= 2 if", "= 3 if"], False, None),
    ("x = \n", ["= 2 if", "= 3 if"], True, None),
    ("x = \n", ["= 2", "second"], False, "second"),  # no better than what is broken now
    ("x = \n\ny = (\n", ["= 2", "second"], False, "second"),
    ("x = \n\ny = (\n", ["= 2", "= 3"], False, None),
    ("x = \n", ["f(a", "f(a)"], False, "f(a"),  # somebody who types goes on
    ("x = \n", ["f(a", "f(a)"], True, "f(a)"),
]


@pytest.mark.parametrize(("text", "answers", "invoked", "shown"), CANDIDATES)
async def test_the_first_candidate_that_is_good_enough(
    text: str, answers: list[str], invoked: bool, shown: str | None
) -> None:
    assert await Window(text, answers).ask(4, invoked) == shown


CHOICES = [
    (["a", "b", "c", "d"], 3, ["a", "b", "c"]),
    (["a", "b", "c", "d"], 1, ["a"]),
    (["a", "a  ", "", "b"], 4, ["a", "b"]),
    (["= 2 if", "b"], 3, ["b"]),
    (["= 2 if", "= 3 if"], 3, []),
    ([""], 3, []),
]


@pytest.mark.parametrize(("answers", "most", "offered"), CHOICES)
async def test_who_asks_by_hand_may_choose(
    answers: list[str], most: int, offered: list[str]
) -> None:
    window = Window("x = \n", answers)
    assert await window.choose(4, most) == offered
    assert await window.choose(4, most) == offered  # the first of them from the cache


async def test_a_key_typed_again_is_silent_but_what_is_shown_stays() -> None:
    window = Window("x = \n", ["call()"])
    window.type(4, "c")
    window.type(4, "", 1)
    window.type(4, "c")  # or redone: nobody can tell
    assert await window.ask(5) is None
    assert not window.session.asked
    window.type(4, "", 1)
    assert await window.ask(4, invoked=True) == "call()"
    window.type(4, "c")
    assert await window.ask(5) == "all()"
    window.type(4, "", 1)
    assert await window.ask(4) == "call()"
    window.type(4, "c")
    assert await window.ask(5) == "all()"


async def test_a_rejected_text_gives_way_to_another_candidate() -> None:
    window = Window("x = \n", ["first", "second"])
    assert await window.ask(4) == "first"
    window.type(4, "q")
    assert list(window.suggestions.outcomes._taken) == [False]
    window.type(4, "w", 1)
    window.type(4, "", 1)
    window.suggestions.history.closed(URI)  # so that the deletion does not silence it
    assert await window.ask(4) == "second"
    assert await window.ask(4, invoked=True) is not None


async def test_unsure_is_hidden_and_a_run_of_accepts_lowers_the_bar() -> None:
    settings = Settings(speculate=False, delay=0, min_confidence=0.1)
    window = Window("x = \n", ["call()"], confidence=0.09, settings=settings)
    assert await window.ask(4) is None
    for _ in range(3):
        window.suggestions.outcomes.add(True)
    assert await window.ask(4) == "call()"


async def test_outcomes_are_told_and_an_accept_is_a_trigger() -> None:
    window = Window("x = \n", ["call()"])
    told: list[Outcome] = []
    window.suggestions.on_outcome.append(lambda _, outcome: told.append(outcome))
    await window.ask(4)
    window.type(4, "call()")
    assert told == [Outcome.ACCEPTED]
    assert window.suggestions.trigger(window.document, False) is Trigger.AFTER_ACCEPT
    window.type(10, "\n")
    assert window.suggestions.trigger(window.document, False) is Trigger.AUTOMATIC


async def test_ghost_text_goes_on_from_the_popups_choice() -> None:
    window = Window("x = pr\n", ["int(y)", "oduct(y)"])
    assert await window.ask(6, beginning="oduct") == "oduct(y)"
    assert await window.ask(6, beginning="ivate") is None


async def test_a_completion_item_leaves_what_the_editor_has_closed() -> None:
    window = Window("f()\n", ["a, b)"])
    assert await window.ask(2) == "a, b)"
    assert await window.ask(2, ghost=False) == "a, b"
    assert len(window.session.asked) == 1


async def test_nothing_is_asked_for_a_text_that_changes_during_the_pause() -> None:
    window = Window("x = \n", ["call()"], settings=Settings(speculate=False, delay=20))
    window.type(4, "c")
    document = window.document
    window.session.documents[URI] = Document(URI, 9, "python", "x = ca\n")
    ask = Ask(document, 5, Trigger.AUTOMATIC)
    assert await window.suggestions.suggest(ask) == []
    assert window.session.asked == []


A, B = Cleaned("a"), Cleaned("b")
FEWEST: list[tuple[list[int | None], int, tuple[Cleaned, int]]] = [
    ([0, 0], 0, (A, 0)),
    ([1, 0], 0, (B, 0)),
    ([1, 2], 0, (A, 1)),
    ([1, 2], 1, (A, 1)),
    ([None, 0], 0, (B, 0)),
    ([None, None], 0, (A, 0)),
]


@pytest.mark.parametrize(("errors", "before", "best"), FEWEST)
def test_the_way_with_the_fewest_errors(
    errors: list[int | None], before: int, best: tuple[Cleaned, int]
) -> None:
    assert fewest((A, B), errors, before) == best


# What is offered, best first, and what is put in where somebody asks by hand.
ASKED_FOR = [
    ("‸\ny = 1\n", ["if a:", "b()"], "b()"),
    ("‸\n    b()\n", ["a()", "if a:", "else:"], "if a:"),
    ("‸\n", ["x = (", "x = [1, (", "y"], "y"),
    ("‸\n", ["x = [1, (", "x = ("], "x = ("),
    ("‸\n", ["x", "y"], "x"),
]


@pytest.mark.parametrize(("marked", "offered", "first"), ASKED_FOR)
async def test_the_fewest_errors_come_first(marked: str, offered: list[str], first: str) -> None:
    document = Document("file:///a", 1, "python", marked.replace("‸", ""))
    gap = cut(document, marked.index("‸"), tree=parse(document))
    best = await best_by_hand([(each, 1.0) for each in offered], gap, Parsing())
    assert best[0].what.text == first
    assert [each.faults for each in best] == sorted(each.faults for each in best)


async def test_nothing_is_better_than_what_breaks_a_sound_file() -> None:
    assert await Window("x = 1\n", ["= 2 if"]).ask(6, invoked=True) is None
    assert await Window("x = 1\n", ["if a:"]).ask(6, invoked=True) == "if a:"  # may go on
    assert await Window("x = 1\ny =\n", ["= 2 if"]).ask(6, invoked=True) == "= 2 if"


async def test_without_a_grammar_brackets_tell() -> None:
    document = Document("file:///a", 1, "cobol", "\n")
    gap = cut(document, 0)
    best = await best_by_hand([("f(a", 0.5), ("f(a)", 0.25), ("f(a) ", 0.75)], gap, Parsing())
    found = [(each.what.text, each.confidence) for each in best]
    assert found == [("f(a)", 0.75), ("f(a", 0.5)]  # the likelier of two that say the same


# An unsound file in which what is touched is sound, or is the only thing that is not.
TOUCHED = [
    ("python", "x = (\n\ndef f(a):\n    return ‸\n", ["a)", "a"], ["a"]),
    ("python", "def g(:\n\ndef f(a):\n    return ‸\n", ["= a", "a[0"], ["a[0"]),
    ("python", "def f(a):\n    y = ]\n    return ‸\n", ["= (", "a"], ["a"]),
    ("javascript", "let a = {;\n\nfunction f(a) {\n  return ‸;\n}\n", ["= a", "a"], ["a"]),
    ("go", "package a\n\nvar x =\n\nfunc f() int {\n\treturn ‸\n}\n", ["1)", "= 1", "1"], ["1"]),
    (
        "rust",
        "struct A {{\n\nfn f() -> u8 {\n    ‸\n}\n",
        ["let = 1;", "let a = 1;"],
        ["let a = 1;"],
    ),
    ("java", "class A {\n  int x = ;\n  int f() {\n    return ‸;\n  }\n}\n", ["= 1", "1"], ["1"]),
    ("lua", "x = = 1\nfunction f()\n  return ‸\nend\n", ["= 1", "1"], ["1"]),
    (
        "javascript",
        "let q = ;\n\nfunction f() {\n  if (a) {\n    return 1;\n  ‸\n}\n",
        ["}", "b(;"],
        ["}"],
    ),
    (
        "c",
        "int x = ;\nint f(void) {\n  while (a) {\n    b();\n  ‸\n}\n",
        ["}", "c = = 1;"],
        ["}"],
    ),
    ("ruby", "x = )\ndef f\n  return ‸\nend\n", ["= = 1", "1"], ["1"]),
    ("c", "int x = ;\nint f(void) {\n  return ‸;\n}\n", ["= 1", "1"], ["1"]),
]


@pytest.mark.parametrize(("language", "marked", "offered", "kept"), TOUCHED)
async def test_what_is_touched_decides_in_a_broken_file(
    language: str, marked: str, offered: list[str], kept: list[str]
) -> None:
    document = Document("file:///a", 1, language, marked.replace("‸", ""))
    tree = parse(document)
    assert tree is not None
    assert tree.errors()
    gap = cut(document, marked.index("‸"), tree=tree)
    best = await best_by_hand([(each, 1.0) for each in offered], gap, Parsing())
    assert [each.what.text for each in best] == kept


# What the engine answers, each with its confidence; whether one is shown by itself, and what is
# remembered of it.
GATED = [
    ([("first", 0.9), ("second", 0.1)], "first", 0.9),
    ([("= 2 if", 0.9), ("second", 0.1)], None, None),
    ([("= 2 if", 0.1), ("second", 0.9)], "second", 0.9),
    ([("", 0.9), ("second", 0.5)], "second", 0.5),
    ([("first", 0.1), ("second", 0.9)], None, None),
]


@pytest.mark.parametrize(("answers", "shown", "remembered"), GATED)
async def test_the_gate_judges_the_text_it_shows(
    answers: list[tuple[str, float]], shown: str | None, remembered: float | None
) -> None:
    window = Window("x = \n", [text for text, _ in answers], doubts=dict(answers))
    assert await window.ask(4) == shown
    hit = window.suggestions.cache.look(window.document, 4)
    assert (hit.entry.confidence if hit else None) == remembered


async def test_what_is_computed_ahead_passes_the_same_gates() -> None:
    for answers, shown in (
        ({"= 2 if": 0.9, "value": 0.1}, ""),
        ({"= 2 if": 0.1, "value": 0.9}, "value"),
        ({"value": 0.9}, "value"),
        ({"value": 0.1}, ""),
    ):
        window = Window("x = \n", list(answers), doubts=answers)
        gap = cut(window.document, 4, tree=parse(window.document))
        assert (await window.suggestions._fill_ahead(gap))[0] == shown


# language, text with the gap at ‸, the fill: what has to be finished before it can be parsed.
UNFINISHED = [
    ("python", "‸\n", "for x in y:"),
    ("python", "x = ‸\n", "f(a, [b"),
    ("javascript", "‸\n", "if (a) {"),
    ("lua", "‸\n", "if a then"),
    ("lua", "‸\n", "local f = function(a)"),
    ("ruby", "‸\n", "def f(a)"),
    ("ruby", "‸\n", "xs.each do |x|"),
    ("bash", "‸\n", "if true; then"),
    ("bash", "‸\n", "while true; do"),
    ("go", "package a\n\nfunc f() {\n\t‸\n}\n", "if x {"),
]


@pytest.mark.parametrize(("language", "marked", "fill"), UNFINISHED)
def test_an_unfinished_fill_is_no_error(language: str, marked: str, fill: str) -> None:
    document = Document("file:///a", 1, language, marked.replace("‸", ""))
    gap = cut(document, marked.index("‸"), tree=parse(document))
    tree = parse(as_filled(gap, ways_to_clean(fill, gap, automatic=True)[0]))
    assert tree is not None
    assert tree.errors() == 0
