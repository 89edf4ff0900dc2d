"""Code actions in Neovim, and the live canvas while they fill."""

from __future__ import annotations

from tests.editors.neovim.conftest import Start
from tests.editors.neovim.driver import Neovim
from tests.hosting import Scripted

BODY = "def f(a):\n    ...\n"
PROGRESS = """
PROGRESS = {}
vim.api.nvim_create_autocmd('LspProgress', { callback = function(event)
  local value = (event.data.params or event.data.result).value
  table.insert(PROGRESS, { value.kind, value.title or '', value.message or '' })
end })
"""
CODE_ACTION = """
vim.lsp.buf.code_action({ apply = true, filter = function(action)
  return action.title:find(%s) ~= nil
end })
"""
GROUPS = """
local namespace = vim.api.nvim_get_namespaces()['infill.canvas']
local groups = {}
for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })) do
  for _, chunk in ipairs(mark[4].virt_text or {}) do
    groups[chunk[2]] = true
  end
end
return vim.tbl_keys(groups)
"""


def wait_for_canvas(neovim: Neovim) -> None:
    neovim.wait_for(lambda: any("step" in each for each in neovim.canvas), True, "canvas")


def test_a_code_action_fills_with_progress(neovim: Neovim) -> None:
    neovim.edit("body.py", BODY)
    neovim.lua(PROGRESS)
    neovim.at(2, 5)
    neovim.lua(CODE_ACTION % "'body'")
    neovim.wait_for_lines("def f(a):", "    return a + 1")
    neovim.wait_for(lambda: neovim.lua("return PROGRESS")[-1][0], "end", "progress")
    kinds = [kind for kind, _, _ in neovim.lua("return PROGRESS")]
    assert kinds[0] == "begin"
    assert "report" in kinds
    neovim.wait_for(lambda: neovim.canvas, [], "canvas")


def test_the_canvas_sharpens_where_the_fill_will_stand(neovim: Neovim) -> None:
    neovim.edit("body.py", BODY)
    neovim.at(2, 5)
    neovim.infill("body")
    wait_for_canvas(neovim)
    seen: set[str] = set()
    groups: set[str] = set()

    def look() -> list[str]:
        seen.update(neovim.canvas)
        groups.update(neovim.lua(GROUPS))
        return neovim.lines

    neovim.wait_for(look, ["def f(a):", "    return a + 1"], "lines")
    drafts = {each.strip() for each in seen if "step" not in each}
    assert len(drafts) > 3, "it grew"
    # As much as the hole is wide stands over it, and the rest behind that.
    assert all(each in "return a + 1" or each == "…" for each in drafts)
    assert {"InfillSure", "InfillLikely", "InfillUnsure", "InfillProgress"} <= groups
    assert any(", <Esc> stops" in each for each in seen)
    assert neovim.canvas == []


def test_escape_stops_it_and_then_is_itself_again(neovim: Neovim, engine: Scripted) -> None:
    neovim.edit("endless.py", BODY)
    neovim.lua("vim.keymap.set('n', '<Esc>', '<Cmd>let g:mine = 1<CR>', { buffer = 0 })")
    neovim.at(2, 5)
    neovim.lua(CODE_ACTION % "'body'")
    wait_for_canvas(neovim)
    neovim.wait_for(lambda: "step" in neovim.statusline, True, "status line")
    neovim.type("<Esc>")
    engine.wait_for("cancelled")
    neovim.wait_for(lambda: neovim.canvas, [], "canvas")
    assert neovim.notified == ["infill: stopped"]
    assert neovim.lines == BODY.splitlines()
    neovim.type("<Esc>")
    neovim.wait_for(lambda: neovim.lua("return vim.g.mine"), 1, "mapping of the user")
    neovim.wait_for_state("ready")


def test_several_holes_at_once(neovim: Neovim) -> None:
    neovim.edit("holes.py", "def f():\n    x = ...\n    y = ...\n    z = ...\n    return x\n")
    neovim.at(2, 0)
    neovim.infill("holes")
    neovim.wait_for(lambda: len(neovim.canvas) >= 4, True, "canvas of three holes and progress")
    neovim.wait_for_lines("def f():", "    x = 1", "    y = 22", "    z = 'é🎉'", "    return x")
    assert neovim.canvas == []


def test_the_canvas_follows_what_is_typed_above_it(neovim: Neovim) -> None:
    neovim.edit("body.py", BODY)
    neovim.at(2, 5)
    neovim.infill("body")
    wait_for_canvas(neovim)
    neovim.api.current.buffer.append(["# above", "# more"], 0)
    neovim.wait_for_lines("# above", "# more", "def f(a):", "    return a + 1")


def test_a_selection_is_written_anew(neovim: Neovim) -> None:
    neovim.edit("line.py", "a = 1\nb = 2\nc = 3\n")
    neovim.at(2, 0)
    neovim.type("V:Infill rewrite<CR>")
    neovim.wait_for_lines("a = 1", "b = 3", "c = 3")


def test_the_gap_at_the_end_of_a_line_is_reached_from_normal_mode(neovim: Neovim) -> None:
    neovim.edit("gap.py", "x = \n")
    neovim.type("$:Infill fill<CR>")
    neovim.wait_for_lines("x = 1")


def test_in_a_file_with_crlf(neovim: Neovim) -> None:
    path = neovim.edit("crlf.py", BODY.replace("\n", "\r\n"))
    neovim.at(2, 5)
    neovim.infill("body")
    wait_for_canvas(neovim)
    neovim.wait_for_lines("def f(a):", "    a = '🎉'", "    return a")
    neovim.api.command("write")
    assert path.read_bytes().count(b"\r\n") == 3


def test_what_cannot_be_done_is_told(neovim: Neovim) -> None:
    neovim.edit("gap.py", "x = 1\n")
    neovim.infill("body")
    neovim.wait_for(lambda: len(neovim.notified), 1, "words")
    assert "nothing here for infill.fillBody" in neovim.notified[0]


def test_the_canvas_can_be_switched_off(start: Start) -> None:
    neovim = start({"text": "return a", "steps": 20, "delay": 0.03}, canvas=False)
    neovim.edit("body.py", BODY)
    neovim.at(2, 5)
    neovim.infill("body")
    seen: set[str] = set()

    def look() -> list[str]:
        seen.update(neovim.canvas)
        return neovim.lines

    neovim.wait_for(look, ["def f(a):", "    return a"], "lines")
    assert seen == set()
