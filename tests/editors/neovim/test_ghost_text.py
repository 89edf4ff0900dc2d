"""Ghost text in Neovim: seen, typed through, accepted, turned down."""

from __future__ import annotations

from typing import Any

import pytest

from tests.editors.neovim.conftest import BLOCK, SUM, Start
from tests.editors.neovim.driver import DRAWN, Neovim
from tests.hosting import Scripted

MAPPINGS = """
return vim.tbl_map(function(map)
  return { map.lhs, (map.rhs or '') .. (map.desc or '') }
end, vim.api.nvim_get_keymap(...))
"""


def show_sum(neovim: Neovim) -> Neovim:
    neovim.edit("sum.py", "")
    neovim.type("ix = ")
    neovim.wait_for_ghost(SUM)
    return neovim


def show_block(neovim: Neovim) -> Neovim:
    neovim.edit("block.py", "", "set indentexpr=")
    neovim.type("idef f():<CR>    ")
    neovim.wait_for_ghost(BLOCK)
    return neovim


def test_it_appears_is_typed_through_and_accepted(neovim: Neovim, engine: Scripted) -> None:
    show_sum(neovim).type("fir")
    neovim.wait_for_ghost("st + second")
    neovim.type("<M-a>")
    neovim.wait_for_lines("x = first + second")
    neovim.wait_for_ghost("")
    assert len([each for each in engine.events("begin") if each["tail"] == "x = "]) == 1


def test_what_is_typed_beside_it_hides_it_at_once(neovim: Neovim) -> None:
    show_sum(neovim).type("q")
    neovim.wait_for_ghost("")


def test_deleting_back_into_it_brings_it_back(neovim: Neovim) -> None:
    show_sum(neovim).type("fi<BS>")
    neovim.wait_for_ghost("irst + second")


@pytest.mark.parametrize(
    ("key", "texts", "rests"),
    [
        ("<M-w>", ["first", "first +", "first + second"], [" + second", " second", ""]),
        ("<M-l>", ["first + second"], [""]),
    ],
    ids=["word", "line"],
)
def test_it_is_accepted_by_word_and_by_line(
    neovim: Neovim, key: str, texts: list[str], rests: list[str]
) -> None:
    show_sum(neovim)
    for text, rest in zip(texts, rests, strict=True):
        neovim.type(key)
        neovim.wait_for_lines(f"x = {text}")
        neovim.wait_for_ghost(rest)


def test_a_block_is_accepted_line_by_line(neovim: Neovim) -> None:
    show_block(neovim).type("<M-l>")
    neovim.wait_for_lines("def f():", "    a = 1")
    neovim.wait_for_ghost("\n    return a")
    neovim.type("<M-l>")
    neovim.wait_for_lines("def f():", "    a = 1", "    return a")
    assert neovim.api.current.window.cursor == (3, 12)


def test_the_rest_of_a_block_is_seen_after_its_first_line_is_typed(neovim: Neovim) -> None:
    show_block(neovim).type("a = 1")
    neovim.wait_for_ghost("\n    return a")
    neovim.type("<M-a>")
    neovim.wait_for_lines("def f():", "    a = 1", "    return a")


def test_tab_accepts_where_there_is_something_and_else_is_tab(neovim: Neovim) -> None:
    """As the help file has it: the plugin maps no key by itself."""
    show_sum(neovim).type("<Tab>")
    neovim.wait_for_lines("x = first + second")
    neovim.type("<CR><Tab>y")
    neovim.wait_for_lines("x = first + second", "    y")


def test_no_key_is_taken(start: Start) -> None:
    """What the tests map is a meta key or <Tab>; the rest are the plugin's names to map to."""
    neovim = start(autostart=False)
    for mode in "nvoit":
        for key, does in neovim.lua(MAPPINGS, mode):
            assert "infill" not in does or key.startswith(("<Plug>", "<M-"))


def unmapped(start: Start, before: str = "", **options: Any) -> Neovim:
    """Without the mappings that other tests use; `before` runs in their place."""
    neovim = start({"after": "= ", "text": SUM}, autostart=False, **options)
    for key in ("<M-a>", "<M-l>", "<Tab>"):
        neovim.api.command(f"iunmap {key}")
    if before:
        neovim.api.command(before)
    neovim.lua("require('infill').start()")
    neovim.edit("sum.py", "")
    return neovim


def test_one_key_accepts_by_default(start: Start) -> None:
    neovim = unmapped(start)
    neovim.type("ix = ")
    neovim.wait_for_ghost(SUM)
    neovim.type("<M-l>")
    neovim.wait_for_lines("x = first + second")


@pytest.mark.parametrize(
    ("before", "options"),
    [
        ("inoremap <M-l> mine", {}),
        ("inoremap <C-f> <Plug>(infill-accept)", {}),
        ("", {"accept_key": False}),
        ("", {"inline": False}),
    ],
)
def test_the_default_key_is_left_alone(start: Start, before: str, options: dict[str, Any]) -> None:
    neovim = unmapped(start, before, **options)
    mapped = neovim.lua("return vim.fn.maparg('<M-l>', 'i', false, true).buffer")
    assert mapped in (None, 0)


def test_silence_is_explained_and_can_be_broken(start: Start) -> None:
    neovim = start({"after": "= ", "text": SUM, "confidence": 0.18})
    neovim.edit("sum.py", "")
    neovim.type("ix = ")
    says = "infill: quiet, 0.18 is under 0.35"
    neovim.wait_for(lambda: neovim.statusline, says, "status line")
    assert neovim.ghost == ""
    report = neovim.lua("return require('infill.status').report(0)")
    assert "its confidence 0.18 is under 0.35; `:Infill suggest` shows it anyway" in report
    neovim.type("<M-s>")
    neovim.wait_for_ghost(SUM)
    neovim.wait_for(lambda: neovim.statusline, "infill: ready", "status line")


def test_undo_takes_back_what_was_accepted_and_no_more(neovim: Neovim) -> None:
    show_sum(neovim).type("<M-a>")
    neovim.wait_for_lines("x = first + second")
    neovim.type("<Esc>u")
    neovim.wait_for_lines("x = ")


def test_dismissed_it_stays_away_until_something_is_typed(neovim: Neovim) -> None:
    show_sum(neovim).type("<M-d>")
    neovim.wait_for_ghost("")
    neovim.stay(lambda: neovim.ghost, "")
    neovim.type("f")
    neovim.wait_for_ghost("irst + second")


def test_leaving_insert_mode_takes_it_away(neovim: Neovim) -> None:
    show_sum(neovim).type("<Esc>")
    neovim.wait_for_ghost("")


def test_leaving_insert_mode_stops_the_engine(neovim: Neovim, engine: Scripted) -> None:
    neovim.edit("sum.py", "")
    neovim.type("islow ")
    engine.wait_for("step")
    neovim.type("<Esc>")
    engine.wait_for("cancelled")


def test_a_key_typed_just_before_accepting_is_not_doubled(neovim: Neovim) -> None:
    """Neovim 0.12.4 itself would insert the whole text where the answer said, before the `f`."""
    show_sum(neovim).type("f<M-a>")
    neovim.wait_for_lines("x = first + second")


def test_a_key_that_differs_just_before_accepting_accepts_nothing(neovim: Neovim) -> None:
    show_sum(neovim).type("q<M-a>")
    neovim.wait_for_lines("x = q")
    neovim.stay(lambda: neovim.lines, ["x = q"], 0.3)


def test_keys_typed_right_after_accepting_come_after_it(neovim: Neovim) -> None:
    show_sum(neovim).type("<M-a> + 1")
    neovim.wait_for_lines("x = first + second + 1")


def test_closers_behind_the_cursor_are_replaced(neovim: Neovim) -> None:
    neovim.edit("call.py", "")
    neovim.type("if()<Left>")
    neovim.wait_for(lambda: neovim.ghost.startswith("a, b"), True, "ghost text")
    neovim.type("<M-a>")
    neovim.wait_for_lines("f(a, b)")


def test_it_may_be_accepted_where_text_may_not_change(neovim: Neovim) -> None:
    neovim.lua(
        "vim.keymap.set('i', '<M-x>', function()"
        " return require('infill').accept() and '' or 'none' end, { expr = true })"
    )
    show_sum(neovim).type("<M-x>")
    neovim.wait_for_lines("x = first + second")


def test_asked_for_by_hand(neovim: Neovim) -> None:
    neovim.edit("sum.py", "")
    neovim.infill("manual")
    neovim.type("ix = ")
    neovim.stay(lambda: neovim.ghost, "", 0.8)
    neovim.type("<M-s>")
    neovim.wait_for_ghost(SUM)
    neovim.type("<M-w>")
    neovim.wait_for_lines("x = first")
    neovim.infill("auto")


def test_next_and_previous(neovim: Neovim) -> None:
    neovim.edit("choice.py", "")
    neovim.type("ix = ")
    neovim.wait_for_ghost("one()")
    for key, ghost in (
        ("<M-n>", "two() (2/3)"),
        ("<M-n>", "three() (3/3)"),
        ("<M-n>", "one() (1/3)"),
        ("<M-p>", "three() (3/3)"),
    ):
        neovim.type(key)
        neovim.wait_for_ghost(ghost)
    neovim.type("<M-a>")
    neovim.wait_for_lines("x = three()")


@pytest.mark.parametrize(
    ("text", "ends"),
    [("s = '🎉'\n", b"\n"), ("s = 'é🎉'\r\n", b"\r\n")],
    ids=["lf", "crlf"],
)
def test_line_ends_and_wide_characters(neovim: Neovim, text: str, ends: bytes) -> None:
    path = neovim.edit("wide.py", text, "set indentexpr=")
    neovim.type("odef f():<CR>    ")
    neovim.wait_for_ghost("a = '🎉é'\n    b = 2")
    neovim.type("a = '🎉")
    neovim.wait_for_ghost("é'\n    b = 2")
    neovim.type("<M-a><Esc>")
    lines = [text.rstrip("\r\n"), "def f():", "    a = '🎉é'", "    b = 2"]
    neovim.wait_for_lines(*lines)
    neovim.api.command("write")
    assert path.read_bytes() == b"".join(line.encode() + ends for line in lines)


def test_tabs_are_drawn_as_wide_as_they_are(neovim: Neovim) -> None:
    neovim.edit("tabs.go", "func f() {\n\t\n}\n", "set tabstop=4")
    neovim.type("jA<M-s>")
    neovim.wait_for_ghost("a()\n    return")
    neovim.type("<M-a>")
    neovim.wait_for_lines("func f() {", "\ta()", "\treturn", "}")


def test_the_plugin_may_draw_it_where_neovim_could(start: Start) -> None:
    neovim = start({"after": "= ", "text": SUM}, inline="own")
    neovim.edit("a.py", "")
    neovim.type("ix = ")
    neovim.wait_for_ghost(SUM)
    neovim.type("fi")
    neovim.wait_for_ghost("rst + second")
    assert neovim.lua(DRAWN, ["infill.ghost"]) == ["rst + second"]
    neovim.type("<M-a>")
    neovim.wait_for_lines("x = first + second")


def test_without_ghost_text_fills_come_as_completion(start: Start) -> None:
    neovim = start({"after": "= ", "text": SUM}, inline=False)
    neovim.edit("a.py", "")
    neovim.type("ix = <C-x><C-o>")
    neovim.wait_for_lines("x = first + second")
    assert neovim.ghost == ""
