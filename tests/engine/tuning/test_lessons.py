"""Lessons: what a model is taught is laid out as what it is asked."""

from __future__ import annotations

import pytest
import torch
from tokenizers import AddedToken

from engine.checkpoints.catalog import EMBEDDED_FOLDER
from engine.checkpoints.profile import INSTRUCT, Profile, read_profile
from engine.checkpoints.tokenizer import read_tokenizer
from engine.evaluation.cutting import Text
from engine.fill.chat_prompt import TURNS
from engine.fill.writable import Writable
from engine.tuning.lessons import GAPS, Lesson, Lessons
from tests.engine.evaluation.test_pauses import LUA, PYTHON, RUST, TYPESCRIPT
from tests.engine.tuning.conftest import FILL_END, MASK, SLACK, VOCABULARY

TOKENIZER = read_tokenizer(EMBEDDED_FOLDER / "tokenizer.json")
TEXTS = [
    Text("a.py", PYTHON * 6, "python"),
    Text("a.ts", TYPESCRIPT * 6, "typescript"),
    Text("a.lua", LUA * 6, "lua"),
    Text("a.rs", RUST * 6, "rust"),
]
EMBEDDED = read_profile(EMBEDDED_FOLDER)
PROFILES = {
    "embedded": EMBEDDED,
    "surest first": EMBEDDED.but(order="surest"),
    "no slack": EMBEDDED.but(slack=None, line_tokens=(4, 8, 16), block_tokens=(16, 32)),
    "any noise": EMBEDDED.but(noise=None),
    "healed seams": EMBEDDED.but(heal=True, slack=None, line_tokens=(4, 8, 16, 24)),
    "fills": EMBEDDED.but(fill_end=FILL_END),
    "no bos": EMBEDDED.but(bos=None),
}


def lessons_of(profile: Profile, texts: list[Text], seed: int = 0) -> Lessons:
    writable = Writable(TOKENIZER, VOCABULARY, profile, torch.device("cpu"))
    return Lessons(texts, TOKENIZER, profile, writable, VOCABULARY, seed)


def some(profile: Profile, text: Text, count: int = 6) -> list[Lesson]:
    found = lessons_of(profile, [text])
    return [found.lesson(number) for number in range(count)]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.language)
@pytest.mark.parametrize("name", PROFILES)
def test_canvases_are_those_of_a_fill(name: str, text: Text) -> None:
    profile = PROFILES[name]
    canvases = [canvas for lesson in some(profile, text) for canvas in lesson.canvases]
    assert len(canvases) > 2 * GAPS
    slack = profile.tokens.slack
    for canvas in canvases:
        assert len(canvas.seen) <= profile.canvas.width
        first, size = canvas.positions[0], len(canvas.positions)
        assert canvas.positions == list(range(first, first + size))
        assert len(canvas.wanted) == len(canvas.weights) == len(canvas.noised) == size
        known = [token for token in canvas.wanted if token != slack]
        assert canvas.wanted == known + [slack] * (size - len(known)), "slack is at the end"
        written = TOKENIZER.decode(known, skip_special_tokens=False)
        before = TOKENIZER.decode(canvas.ids + canvas.seen[:first])
        if slack is not None:
            assert size in (*profile.canvas.line_tokens, *profile.canvas.block_tokens)
            assert before + written in text.text, "it is what stood there"
        assert any(canvas.noised)
        assert sum(canvas.weights) > 0


@pytest.mark.parametrize("name", PROFILES)
def test_noise_is_the_profiles_and_all_else_is_clean(name: str) -> None:
    profile = PROFILES[name]
    for lesson in some(profile, TEXTS[0]):
        for canvas in lesson.canvases:
            seen = [canvas.seen[at] for at in canvas.positions]
            for token, wanted, noised, weight in zip(
                seen, canvas.wanted, canvas.noised, canvas.weights, strict=True
            ):
                if not noised:
                    assert token == wanted
                    assert weight == 0 or profile.tokens.noise is None
                elif profile.tokens.noise is not None:
                    assert token in profile.tokens.noise


def test_a_prompt_mostly_begins_its_stretch() -> None:
    lessons = [lesson for text in TEXTS for lesson in some(EMBEDDED, text)]
    begins = [
        canvas.ids == lesson.ids[: len(canvas.ids)]
        for lesson in lessons
        for canvas in lesson.canvases
    ]
    assert sum(begins) > 0.95 * len(begins)
    starts = {lesson.ids[0] == EMBEDDED.tokens.bos for lesson in lessons}
    assert starts == {True, False}, "some begin where the file does"


def test_a_causal_pass_is_asked_for_the_fill_and_its_end() -> None:
    for lesson in some(PROFILES["fills"], TEXTS[0]):
        for canvas in lesson.canvases:
            if not canvas.ids:  # nothing would tell of the first token
                assert not canvas.causal
                continue
            text = [token for token in canvas.wanted if token != SLACK]
            assert canvas.causal[-canvas.predicted :] == [*text, FILL_END]
            head = canvas.seen[: canvas.positions[0]]
            assert canvas.causal[: -canvas.predicted] == [canvas.ids[-1], *head]
            # What follows is read at the places that it has on the canvas.
            there = canvas.seen[canvas.behind :]
            assert canvas.ahead[: len(there)] == there[: len(canvas.ahead)]
    assert all(not canvas.causal for each in some(EMBEDDED, TEXTS[0]) for canvas in each.canvases)


def test_lessons_depend_on_seed_and_number_alone() -> None:
    one, same, other = (lessons_of(EMBEDDED, TEXTS, seed) for seed in (0, 0, 1))
    assert [one.lesson(n) for n in (3, 1)] == [same.lesson(n) for n in (3, 1)]
    assert one.lesson(1) != one.lesson(3)
    assert one.lesson(1) != other.lesson(1)


ODD = {
    "one line": "x = 1",
    "no line break at the end": "def f():\n    return 1",
    "blank": "\n\n\n\n",
    "another line break": "a = 1\x0cb = 2\r\nc = 3\n" * 9,
    "emoji": "x = '🌍🌍🌍'\n" * 20,
    "a long line": "x = [" + "1, " * 2000 + "]\n",
    "comments": "# one\n" * 30,
}


@pytest.mark.parametrize("name", ODD)
def test_odd_files_break_nothing(name: str) -> None:
    for lesson in some(EMBEDDED, Text("a.py", ODD[name], "python"), 12):
        assert len(lesson.canvases) <= GAPS
        for canvas in lesson.canvases:
            assert MASK in canvas.seen


def test_without_files_there_is_no_lesson() -> None:
    with pytest.raises(ValueError, match="no file"):
        lessons_of(EMBEDDED, [])


def test_a_chat_models_gaps_bring_their_own_prompts() -> None:
    tokenizer = read_tokenizer(EMBEDDED_FOLDER / "tokenizer.json")
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in TURNS])
    chat = INSTRUCT.but(width=128, line_tokens=(4, 8, 16), block_tokens=(16, 32), bos=2)
    size = tokenizer.get_vocab_size()
    writable = Writable(tokenizer, size, chat, torch.device("cpu"))
    lessons = Lessons(TEXTS, tokenizer, chat, writable, size)
    canvases = [canvas for number in range(4) for canvas in lessons.lesson(number).canvases]
    assert canvases
    for canvas in canvases:
        assert canvas.ids[-1] == tokenizer.token_to_id(TURNS[-1]), "the prompt is a whole turn"
