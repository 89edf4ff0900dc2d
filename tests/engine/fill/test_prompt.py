"""Text around holes as ids: what is kept, where it is cut, and that typing moves it little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.checkpoints.profile import UNTRAINED_FOR_GAPS, Profile
from engine.fill.prefix_cache import common_prefix
from engine.fill.prompt import build_prompt, encode, far_apart, well_formed
from engine.fill.seams import Seam, Vocabulary
from engine.training.export import default_profile

# Lines of words, signs and spaces; and anything at all, half an emoji too.
CODE = st.lists(
    st.sampled_from(["self", ".", " = ", "\n", "    ", "(", "é", "🦀", "\r\n", "x1", "\t"])
)
TEXT = CODE.map("".join) | st.text(max_size=60) | st.text("ab \n\r🦀\ud83d", max_size=200)


@pytest.fixture(scope="session")
def vocabulary(tiny: Any) -> Vocabulary:
    size = tiny.tokenizer.get_vocab_size()
    texts = [tiny.tokenizer.decode([token], skip_special_tokens=False) for token in range(size)]
    return Vocabulary(
        [
            text if token > 15 and not set(text) & {"\n", "\r", "\ufffd"} else None
            for token, text in enumerate(texts)
        ]
    )


def profile_of(tiny: Any, **changes: Any) -> Profile:
    return default_profile(tiny.settings).but(**changes)


@given(
    before=TEXT,
    between=st.lists(TEXT, max_size=2),
    after=TEXT,
    head_tokens=st.integers(1, 12),
    prompt_tokens=st.integers(1, 40),
    heals=st.booleans(),
)
def test_what_is_kept_is_what_stands_beside_the_holes(
    tiny: Any,
    vocabulary: Vocabulary,
    before: str,
    between: list[str],
    after: str,
    head_tokens: int,
    prompt_tokens: int,
    heals: bool,
) -> None:
    profile = profile_of(
        tiny, head_tokens=head_tokens, prompt_tokens=prompt_tokens, slack=None, heal=heals
    )
    texts = (before, *between, after)
    prompt = build_prompt(texts, tiny.tokenizer, profile, vocabulary if heals else None)
    decode = tiny.tokenizer.decode
    head = prompt.texts[0] + prompt.seams[0].left
    assert before.endswith(head)
    assert "\n" not in head
    assert len(prompt.head) <= head_tokens
    assert len(prompt.ids) <= prompt_tokens
    assert prompt.head == encode(tiny.tokenizer, prompt.texts[0])
    whole = bool(prompt.ids) and prompt.ids[0] == profile.tokens.bos
    cut = decode(prompt.ids[whole:]) + well_formed(head)
    assert well_formed(before).endswith(cut)
    assert not whole or cut == well_formed(before)
    assert [decode(ids) for ids in prompt.between] == [
        well_formed(text) for text in prompt.texts[1:-1]
    ]
    lefts = ["", *(seam.right for seam in prompt.seams)]
    rights = [*(seam.left for seam in prompt.seams), ""]
    pinned = [
        left + text + right for left, text, right in zip(lefts, prompt.texts, rights, strict=True)
    ]
    assert pinned[1:-1] == between
    assert after.startswith(pinned[-1])
    assert prompt.end_of_text == (pinned[-1] == after)
    assert prompt.suffix == encode(tiny.tokenizer, prompt.texts[-1])
    if not heals:
        assert prompt.seams == (Seam(),) * (len(texts) - 1)


def source(lines: int) -> str:
    return "".join(f"    value_{n} = compute(self.items[{n % 7}], {n})\n" for n in range(lines))


LONG = source(400)


@pytest.mark.parametrize("budget", [128, 512, 4096])
def test_a_long_text_starts_at_a_line(tiny: Any, budget: int) -> None:
    profile = profile_of(tiny, prompt_tokens=budget)
    prompt = build_prompt((LONG + "    va", ""), tiny.tokenizer, profile)
    text = tiny.tokenizer.decode(prompt.ids)
    assert LONG.endswith("\n" + text)
    assert budget // 2 <= len(prompt.ids) <= budget


@pytest.mark.parametrize("budget", [16, 64, 512])
def test_a_text_that_is_one_line_is_kept_too(tiny: Any, budget: int) -> None:
    for end in ("", "\n"):
        prompt = build_prompt(
            ("x = 1; " * 9000 + end, ""), tiny.tokenizer, profile_of(tiny, prompt_tokens=budget)
        )
        assert budget // 2 <= len(prompt.ids) <= budget


@dataclass(frozen=True, slots=True)
class Typing:
    """Keystrokes at the end of a text: how often the start of the prompt may move."""

    name: str
    text: str
    typed: str
    moves: int


TYPINGS = [
    Typing("on one line", LONG, "    return self.value_1 + self.value_2", 0),
    Typing("new lines", LONG, source(6), 3),
    Typing("a short text", source(5), source(3), 0),
    Typing("a line without end", "x = " + "a + b12, " * 800, "c3 + d4, " * 12, 3),
]


@pytest.mark.parametrize("case", TYPINGS, ids=lambda case: case.name)
def test_typing_moves_the_prompt_little(case: Typing, tiny: Any) -> None:
    profile = profile_of(tiny, prompt_tokens=512)
    last = build_prompt((case.text, ""), tiny.tokenizer, profile).ids
    moves, encoded = 0, 0
    for end in range(1, len(case.typed) + 1):
        ids = build_prompt((case.text + case.typed[:end], ""), tiny.tokenizer, profile).ids
        fresh = len(ids) - common_prefix(last, ids)
        if fresh > 40:
            moves += 1
        else:
            encoded += fresh
        last = ids
    assert moves <= case.moves
    assert encoded <= 3 * len(case.typed)


@pytest.mark.parametrize("above", ["import os\n", "x"])
def test_an_edit_far_above_moves_the_prompt_little(tiny: Any, above: str) -> None:
    """It is above what the prompt holds."""
    profile = profile_of(tiny, prompt_tokens=256)
    same = 0
    for n in range(1, 21):
        texts = [(above * k + LONG, "") for k in (n - 1, n)]
        one, two = (build_prompt(each, tiny.tokenizer, profile).ids for each in texts)
        same += one == two
    assert same >= 15


def test_far_apart(tiny: Any) -> None:
    profile = profile_of(tiny)
    assert not far_apart(("x" * 10**6, "near", "x" * 10**6), profile)
    assert far_apart(("", "x" * 10**6, ""), profile)
    assert far_apart(("", "x" * 200, "x" * 200, ""), profile)


@dataclass(frozen=True, slots=True)
class Heal:
    """`|` marks holes; `left` and `right` are what their seams take."""

    text: str
    left: tuple[str, ...]
    right: tuple[str, ...]


HEALS = [
    Heal("def f(x):\n    return pri|ed(x)\n", (" pri",), ("ed",)),  # a word has its space
    Heal("return |(x)", (" ",), ("",)),  # no longer token ends with "(x"
    Heal("x =|", (" =",), ("",)),
    Heal("|x", ("",), ("x",)),
    Heal("    |\n", ("    ",), ("",)),  # more white space may follow; a line break never heals
    Heal("a\n|\nb", ("",), ("",)),
    Heal("|", ("",), ("",)),
    Heal('"🦀|🦀"', ("",), ("",)),  # no single token
    Heal("f(|, |)", ("(", " "), (",", ")")),
    Heal("f|o|o", ("f", ""), ("o", "o")),  # nothing is left to take twice
    Heal("ab||ed", ("ab", ""), ("", "ed")),
]


@pytest.mark.parametrize("case", HEALS, ids=lambda case: repr(case.text))
def test_seams(case: Heal, tiny: Any, vocabulary: Vocabulary) -> None:
    profile = UNTRAINED_FOR_GAPS.but(width=32, head_tokens=10)
    texts = tuple(case.text.split("|"))
    seams = build_prompt(texts, tiny.tokenizer, profile, vocabulary).seams
    assert tuple(seam.left for seam in seams) == case.left
    assert tuple(seam.right for seam in seams) == case.right


def test_a_hole_with_slack_heals_on_the_left_alone(tiny: Any, vocabulary: Vocabulary) -> None:
    """Its last place is no seam: slack stands there."""
    prompt = build_prompt(("pri", "nt"), tiny.tokenizer, profile_of(tiny), vocabulary)
    assert prompt.seams == (Seam("pri", ""),)


@given(piece=TEXT)
def test_a_seam_rules_nothing_out(tiny: Any, vocabulary: Vocabulary, piece: str) -> None:
    """The piece itself is a token, and every token that is allowed has it at its end."""
    for tokens, fits in (
        (vocabulary.beginning(piece), str.startswith),
        (vocabulary.ending(piece), str.endswith),
    ):
        texts = [tiny.tokenizer.decode([token]) for token in tokens]
        assert not tokens or piece in texts
        assert len(tokens) != 1
        assert all(fits(text, piece) for text in texts)


def test_every_token_with_the_piece_is_found() -> None:
    vocabulary = Vocabulary(["b", "ab", None, "abc", "bc", "", "a", "ab", "\U0010ffff"])
    assert sorted(vocabulary.beginning("ab")) == [1, 3, 7]
    assert sorted(vocabulary.beginning("a")) == [1, 3, 6, 7]
    assert vocabulary.beginning("abc") == []  # nothing but itself
    assert vocabulary.beginning("c") == []  # no token
    assert vocabulary.beginning("") == []
    assert sorted(vocabulary.ending("b")) == [0, 1, 7]
    assert sorted(vocabulary.ending("bc")) == [3, 4]


@pytest.mark.parametrize(
    ("line", "head"),
    [
        ("", ""),
        ("    ", " "),
        ("    ret", " ret"),
        ("\t\tx", "\tx"),
        ("x = ", "x = "),
        (" y", " y"),
    ],
)
def test_an_indentation_that_joins_the_line_break_is_prompt_but_for_its_last_space(
    line: str, head: str, tiny: Any
) -> None:
    profile = default_profile(tiny.settings).but(join_indent=True)
    prompt = build_prompt(("if a:\n" + line, "\n"), tiny.tokenizer, profile)
    assert prompt.texts[0] == head
    known = prompt.ids if profile.tokens.bos is None else prompt.ids[1:]
    assert tiny.tokenizer.decode(known) == "if a:\n" + line.removesuffix(head)
