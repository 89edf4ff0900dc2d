"""Where people pause in files of several languages, and what a suggestion there is worth."""

from __future__ import annotations

import pytest

from engine.evaluation.cutting import Text
from engine.evaluation.items import BadData
from engine.evaluation.pauses import KINDS, Heard, Pause, draw_pauses, find_pauses, summarise

PYTHON = """import os


def total(basket):
    # why
    found = 0
    for each in basket:
        found += each.price
    return found


print(total([]))
"""
TYPESCRIPT = """export function total(basket: Item[]) {
  let found = 0;
  for (const each of basket) {
    found += each.price;
  }
  return found;
}
"""
LUA = """local function total(basket)
  local found = 0
  for _, each in ipairs(basket) do
    found = found + each.price
  end
  return found
end
"""
RUST = """fn total(basket: &[Item]) -> u32 {
    let mut found = 0;
    for each in basket {
        found += each.price;
    }
    found
}
"""
TEXTS = [
    Text("a.py", PYTHON, "python"),
    Text("a.ts", TYPESCRIPT, "typescript"),
    Text("a.lua", LUA, "lua"),
    Text("a.rs", RUST, "rust"),
]

# language, kind, what stands before the cursor -> what is written there first, what is there below
FOUND = [
    ("python", "new body", "basket:\n        ", "found += each.price", "    return found"),
    ("python", "operator", "    found = ", "0", "\n\nprint(total([]))"),
    ("python", "operator", "        found += ", "each.price", "    return found"),
    ("python", "keyword", "    return ", "found", "\n\nprint"),
    ("python", "keyword", "import ", "os", "\n\ndef total(basket):"),
    ("python", "bracket", "def total(", "basket):", "\n\nprint(total([]))"),
    ("python", "new line", "each.price\n    ", "return found", "\n\nprint"),
    ("typescript", "new body", "basket) {\n    ", "found += each.price;", "  }\n  return"),
    ("typescript", "keyword", "  let ", "found = 0;", "}\n"),
    ("lua", "new body", "total(basket)\n  ", "local found = 0", "end\n"),
    ("lua", "operator", "found = found + ", "each.price", "  end\n"),
    ("lua", "new body", "(basket) do\n    ", "found = found + each.price", "  end\n"),
    ("rust", "new body", "u32 {\n    ", "let mut found = 0;", "}\n"),
    ("rust", "bracket", "fn total(", "basket: &[Item]) -> u32 {", ""),
]


@pytest.mark.parametrize(("language", "kind", "before", "first", "below"), FOUND)
def test_where_a_pause_is(language: str, kind: str, before: str, first: str, below: str) -> None:
    (text,) = (each for each in TEXTS if each.language == language)
    found = [
        pause
        for pause in find_pauses(text)
        if pause.kind == kind and pause.prefix.endswith(before)
        and pause.wanted.split("\n")[0] == first
    ]  # fmt: skip
    assert found, [(each.kind, each.prefix[-20:]) for each in find_pauses(text)]
    assert found[0].suffix.startswith("\n" + below)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.language)
def test_what_is_there_and_what_is_wanted_make_the_file(text: Text) -> None:
    pauses = list(find_pauses(text))
    assert len({pause.id + pause.kind for pause in pauses}) == len(pauses)
    for pause in pauses:
        assert pause.prefix + pause.wanted + pause.suffix == text.text
        assert pause.suffix[:1] in ("", "\n")
        last = pause.prefix.rpartition("\n")[2]
        assert not last.lstrip().startswith(("#", "//", "--"))
        if pause.kind in ("new line", "new body"):
            assert not last.strip()


def test_drawn_by_kind_in_turn() -> None:
    drawn = draw_pauses(TEXTS, 12, seed=1)
    assert [pause.kind for pause in drawn] == [KINDS[n % 5] for n in range(12)]
    assert len({(pause.id, pause.kind) for pause in drawn}) == 12
    assert draw_pauses(TEXTS, 12, seed=1) == drawn != draw_pauses(TEXTS, 12, seed=2)
    with pytest.raises(BadData, match="too few pauses of the kind"):
        draw_pauses(TEXTS, 1000)


PAUSE = Pause(
    "p", "operator", "python", "total = ", "\n", "sum(prices)\nprint(total)\nreturn total"
)

# what is heard -> spoken, exact, similar, wrong, keys saved
HEARD = {
    None: (False, False, False, False, 0),
    "sum(prices)": (True, True, False, False, 10),
    "sum(prices) \n": (True, True, False, False, 10),
    "sum(prices)\nprint(total)": (True, True, False, False, 23),
    "sum(price)": (True, False, True, False, 0),
    "max(others)": (True, False, False, True, 0),
    "sum(prices)\nreturn": (True, False, False, True, 0),
}


@pytest.mark.parametrize("text", HEARD)
def test_what_a_suggestion_is_worth(text: str | None) -> None:
    heard = Heard(PAUSE, text)
    told = (heard.spoken, heard.exact, heard.similar, heard.wrong, heard.saved)
    assert told == HEARD[text]


def test_what_is_told_of_many() -> None:
    rows = summarise([Heard(PAUSE, text) for text in HEARD])
    assert [(row["kind"], row["n"]) for row in rows] == [("all", 7), ("operator", 7)]
    names = ("spoken", "exact", "similar", "wrong")
    counts = {name: round(7 * rows[0][name]["mean"]) for name in names}
    assert counts == {"spoken": 6, "exact": 3, "similar": 1, "wrong": 2}
    assert rows[0]["right"]["mean"] == 0.5
    assert rows[0]["saved"] == pytest.approx(100 * 43 / 7)
