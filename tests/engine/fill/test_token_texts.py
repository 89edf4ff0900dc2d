"""Which tokens may begin what is left to write: found by bisection, as by trying each."""

from __future__ import annotations

import pytest
import torch

from engine.fill.token_texts import TokenTexts

TEXTS = [
    None, "", " ", "  ", "p", "pr", "print", "printf", "private", "q", "é", "été", "𝒳", "\n", "p",
    " print", "prin", "\0", "p\0", "\U0010ffff",
]  # fmt: skip


@pytest.mark.parametrize(
    "left", ["p", "pri", "print", "printed", " p", "é", "étés", "𝒳y", "x", " "]
)
def test_as_by_trying_each(left: str) -> None:
    texts = TokenTexts(TEXTS, torch.device("cpu"))
    tried = [bool(text) and (text.startswith(left) or left.startswith(text)) for text in TEXTS]
    assert texts.fitting(left).tolist() == tried


def test_where_nothing_is_left_every_text_may_stand() -> None:
    texts = TokenTexts(TEXTS, torch.device("cpu"))
    assert texts.fitting("").tolist() == [text is not None for text in TEXTS]
    assert list(texts) == TEXTS
    assert len(texts) == len(TEXTS)
