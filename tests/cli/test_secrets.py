"""The command line gives text that may hold secrets to no model, unless it is told to."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.evaluation.suites import FILES, read_items
from lsp_server.commands import eval, lazy
from lsp_server.secrets import is_secret
from tests.cli.conftest import Infill

# Commands of the command line, by whether text of the user's files goes to a model.
COMMANDS = {
    "fill": True,
    "eval": True,
    "tune": True,
    "index": False,  # kept on this machine, and given to no model
    "demo": False,  # of packages that anybody can read
    "bench": False,  # of its own making
    "playground": False,  # what is typed on its page: a server like any other
    "doctor": False,
    "models": False,
    "pull": False,
    "settings": False,
    "stats": False,
}


def test_every_command_is_a_door_that_is_tried() -> None:
    assert {*lazy.COMMANDS} - {"engine"} == {*COMMANDS}  # which says what runs, and no more


@pytest.mark.parametrize("name", [".env", "secrets.yaml", "id_rsa"])
def test_the_command_line_has_to_be_told(infill: Infill, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("A=\n")
    (tmp_path / "plain.py").symlink_to(tmp_path / name)
    infill.answer({"text": "1"})
    for each in (name, "plain.py"):
        refused = infill("fill", tmp_path / each, "--at", "1:3")
        assert refused.code == 2
        assert "may hold secrets" in refused.err
        assert "--anyway" in refused.err
    assert not infill.engine.requests
    assert infill("fill", tmp_path / name, "--at", "1:3", "--anyway").code == 0
    assert infill.request.texts == ("A=", "\n")


def test_a_link_with_a_secret_name_is_one(infill: Infill, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("A=\n")
    (tmp_path / ".env").symlink_to(tmp_path / "plain")
    assert infill("fill", tmp_path / ".env", "--at", "1:3").code == 2


SOURCE = "\n".join(f"total_{n} = first_{n} + second_{n}" for n in range(20))


@pytest.mark.parametrize("anyway", [False, True])
def test_an_evaluation_of_files_leaves_them_out(
    infill: Infill, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, anyway: bool
) -> None:
    asked: list[str] = []

    def evaluate(arguments: list[str]) -> dict[str, object]:
        asked.extend(arguments)
        return {"report": [], "results": ""}

    monkeypatch.setattr(eval, "evaluate", evaluate)
    infill("eval", FILES, "--data", tmp_path, "--json", *(["--anyway"] if anyway else []))
    assert ("lsp_server.secrets:is_secret" in asked) is not anyway

    for name in ("a.py", "secrets/b.py", ".aws/c.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(SOURCE)
    found = read_items(FILES, tmp_path, without=is_secret)
    assert {item.id.partition("#")[0] for item in found} == {"a.py"}
    assert len(read_items(FILES, tmp_path)) == 3 * len(found)
