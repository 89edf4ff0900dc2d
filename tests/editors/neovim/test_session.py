"""The server's life as a user of Neovim sees it: state, settings, faults, several windows."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.editors.neovim.conftest import SUM, Start
from tests.editors.neovim.driver import PLUGIN, Neovim, server_command
from tests.hosting import Scripted, is_running, wait_until

FILL = {"after": "= ", "text": SUM}
CLI = server_command("")[:3]


def shows(neovim: Neovim, keys: str = "ix = ") -> None:
    neovim.type(keys)
    neovim.wait_for_ghost(SUM)
    neovim.type("<Esc>")


def test_status(start: Start) -> None:
    neovim = start(FILL, load={"seconds": 0.5})
    neovim.api.command(f"edit {neovim.folder / 'a.py'}")
    neovim.wait_for(lambda: neovim.statusline, "infill: starting", "status line")
    neovim.wait_for(lambda: neovim.statusline, "infill: ready", "status line")
    shows(neovim)
    neovim.infill("status")
    (told,) = neovim.notified
    assert told.startswith("infill: ready, model scripted, on script, last ghost text after ")
    neovim.api.command("enew")
    assert neovim.statusline == ""


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({}, ""),
        (
            {"way": "chat", "why": "it is no coder", "better": "a coder", "confidence": "unknown"},
            ", asked by chat: it is no coder, better: a coder, confidence unknown",
        ),
        (
            {"way": "canvas", "why": "it serves diffusion", "confidence": "not calibrated"},
            ", asked by canvas: it serves diffusion, confidence not calibrated",
        ),
    ],
)
def test_how_a_server_is_asked(start: Start, info: dict[str, str], words: str) -> None:
    neovim = start(FILL, info=info)
    neovim.edit("a.py", "")
    neovim.wait_for(lambda: neovim.statusline, "infill: ready", "status line")
    neovim.infill("status")
    assert neovim.notified[-1] == f"infill: ready, model scripted, on script{words}"


def test_a_pause_frees_the_engine_and_shows_nothing(neovim: Neovim, engine: Scripted) -> None:
    neovim.edit("sum.py", "")
    shows(neovim)
    neovim.infill("pause")
    neovim.wait_for(lambda: neovim.statusline, "infill: paused", "status line")
    for event in engine.events():
        wait_until(lambda pid=event["pid"]: not is_running(pid), "the engine's end")  # type: ignore[misc]
    neovim.type("oy = ")
    neovim.stay(lambda: neovim.ghost, "", 0.6)
    neovim.type("<Esc>")
    neovim.infill("resume")
    neovim.wait_for_state("ready")
    shows(neovim, "oz = ")


def test_settings_change_while_it_runs(neovim: Neovim, engine: Scripted) -> None:
    neovim.edit("sum.py", "")
    neovim.infill("manual")
    assert neovim.statusline == "infill: manual"
    neovim.type("ix = ")
    neovim.stay(lambda: neovim.ghost, "", 0.6)
    neovim.type("<Esc>")
    neovim.infill("auto")
    shows(neovim, "oy = ")
    other = engine.folder / "other.json"
    other.write_text(json.dumps({"fills": [{"text": "other"}], "journal": str(engine.journal)}))
    neovim.infill(f"model {other}")
    engine.wait_for("load")
    neovim.wait_for_state("ready")
    neovim.type("oz = ")
    neovim.wait_for_ghost("other")
    neovim.infill(f"model {engine.script}")
    engine.wait_for("load", 2)


def test_a_killed_engine_is_survived(neovim: Neovim, engine: Scripted) -> None:
    neovim.edit("sum.py", "")
    neovim.type("islow ")
    engine.wait_for("step")
    os.kill(engine.events("step")[0]["pid"], signal.SIGKILL)
    told = "the next request starts a new one"
    neovim.wait_for(lambda: told in str(neovim.notified), True, "words")
    neovim.type("<BS><BS><BS><BS><BS>y = ")
    neovim.wait_for_ghost(SUM)
    assert len(engine.events("load")) == 1


def test_a_killed_server_is_told_and_started_anew(neovim: Neovim) -> None:
    neovim.edit("sum.py", "")
    neovim.wait_for(lambda: len(neovim.servers()), 1, "servers")
    os.kill(neovim.servers()[0], signal.SIGKILL)
    told = "infill: the server was killed by signal 9; `:Infill restart` starts it anew"
    neovim.wait_for(lambda: told in "\n".join(neovim.notified), True, "words")
    assert neovim.statusline == ""
    neovim.infill("restart")
    neovim.wait_for_state("ready")
    shows(neovim)


def test_stop_and_start(neovim: Neovim) -> None:
    neovim.edit("sum.py", "")
    neovim.infill("stop")
    neovim.wait_for(lambda: neovim.statusline, "", "status line")
    neovim.wait_for(neovim.servers, [], "servers")
    neovim.infill("start")
    neovim.wait_for_state("ready")
    shows(neovim)


def test_what_does_not_work_is_told(start: Start) -> None:
    error = {"kind": "model_missing", "message": "it is not there"}
    neovim = start(FILL, load={"error": error}, settings={"maxLines": "many"})
    neovim.api.command(f"edit {neovim.folder / 'a.py'}")
    neovim.wait_for(lambda: neovim.statusline, "infill: failed", "status line")
    neovim.infill("status")
    told = [*neovim.notified, neovim.api.command_output("messages")]
    assert "it is not there" in neovim.notified[-1]
    assert any("infill.maxLines must be" in each for each in told)


def test_two_windows_share_one_engine(start: Start, scripted: Scripted) -> None:
    first, second = start(FILL), start()
    for neovim in (first, second):
        neovim.edit("a.py", "")
        shows(neovim)
    assert len(scripted.events("load")) == 1
    first.quit()
    shows(second, "oy = ")
    assert len(scripted.events("load")) == 1


def test_only_files_of_its_types_are_served(neovim: Neovim) -> None:
    neovim.api.command(f"edit {neovim.folder / 'a.txt'}")
    neovim.stay(lambda: neovim.statusline, "", 0.2)
    neovim.infill("status")
    assert "no server for this buffer" in neovim.notified[-1]


COMPLETIONS = {
    "Infill pa": ["pause"],
    "Infill re": ["restart", "resume", "rewrite"],
    "Infill accept ": ["all", "word", "line"],
    "Infill nothing ": [],
    "Infill pause x": [],
}


def test_the_command_completes_and_knows_what_it_does_not_know(start: Start) -> None:
    neovim = start(autostart=False)
    for line, offered in COMPLETIONS.items():
        assert neovim.lua("return vim.fn.getcompletion(..., 'cmdline')", line) == offered
    neovim.infill("nonsense")
    assert "there is no :Infill nonsense" in neovim.notified[-1]


def test_the_command_shows_what_infill_ls_prints(start: Start) -> None:
    neovim = start(autostart=False, cli=CLI)
    neovim.infill("stats")
    neovim.wait_for(lambda: len(neovim.api.windows), 2, "windows")
    assert "accepted" in "\n".join(neovim.lines)
    neovim.type("q")
    neovim.wait_for(lambda: len(neovim.api.windows), 1, "windows")
    assert "embedded" in neovim.lua("return vim.fn.getcompletion('Infill model ', 'cmdline')")


def test_checkhealth(start: Start) -> None:
    neovim = start(FILL, cli=CLI, nonsense=1)
    assert "nonsense" in neovim.notified[0]
    neovim.edit("a.py", "")
    neovim.api.command("checkhealth infill")
    report = "\n".join(neovim.lines)
    for part in ("ghost text by", "no option `nonsense`", "infill-ls", "infill: ready", "<M-"):
        assert part in report
    assert "ERROR" not in report


def test_checkhealth_without_the_server(start: Start) -> None:
    neovim = start(cmd=["/nowhere/infill-ls"], autostart=False)
    neovim.api.command("checkhealth infill")
    report = "\n".join(neovim.lines)
    assert "/nowhere/infill-ls is not there" in report
    assert "uv tool install /path/to/" in report


def test_the_help_file_has_its_tags(start: Start) -> None:
    """Each subcommand and option is in it, and each reference leads somewhere."""
    neovim = start(autostart=False)
    doc = neovim.folder / "doc"
    doc.mkdir()
    text = (PLUGIN / "doc" / "infill.txt").read_text()
    (doc / "infill.txt").write_text(text)
    neovim.api.command(f"helptags {doc}")
    tags = {line.split("\t")[0] for line in (doc / "tags").read_text().splitlines()}
    for name in neovim.lua("return require('infill.command').names()"):
        assert f":Infill-{name}" in tags
    for name in neovim.lua("return vim.tbl_keys(require('infill.options').get())"):
        assert f"infill-option-{name}" in tags
    named = {part for part in text.split("|") if part.startswith(("infill", ":Infill"))}
    assert {each for each in named if " " not in each and "\n" not in each} <= tags
