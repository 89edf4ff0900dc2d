"""`infill-ls doctor` on editors, settings and the environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.commands.doctor import (
    configuration,
    editors,
)
from lsp_server.commands.doctor.editors import EDITORS
from lsp_server.commands.doctor.finding import State
from tests.cli.test_doctor import OK, WARNING, check, posix


def test_no_editor(programs: Callable[[str, str], None]) -> None:
    check(*editors.editors(), WARNING, "any client of the Language Server Protocol")


CODE = next(editor for editor in EDITORS if editor.command == "code")


@posix
@pytest.mark.parametrize(
    ("script", "state", "words"),
    [
        ("echo NVIM v0.12.4", OK, ("Neovim 0.12.4",)),
        ("echo NVIM v0.11.2", WARNING, ("no ghost text", "use 0.12 or later")),
        ("echo NVIM of tomorrow", OK, ("of unknown version",)),
        ("echo no library >&2; exit 127", WARNING, ("fails: no library",)),
    ],
)
def test_neovim(
    script: str, state: State, words: tuple[str, ...], programs: Callable[[str, str], None]
) -> None:
    programs("nvim", script)
    check(*editors.editors(), state, *words)


@posix
def test_vs_code(programs: Callable[[str, str], None], tmp_path: Path) -> None:
    programs("code", "echo 1.106.0; echo abc; echo x64")
    check(editors.examine(CODE, tmp_path), WARNING, "VS Code 1.106.0", "without the extension")
    (tmp_path / ".vscode" / "extensions" / "someone.infill-ls-0.1.0").mkdir(parents=True)
    check(editors.examine(CODE, tmp_path), OK, "with the extension")


SETTINGS = {
    "none of ours": ('{"editor.tabSize": 4}', []),
    "ours, with comments": (
        '{ // mine\n "infill.maxTokens": 32, /* "infill.x": 1 */\n "a": "//, }",\n}',
        [],
    ),
    "empty": ("", []),
    "unknown": ('{"infill.speed": 11}', ["there is no setting infill.speed"]),
    "wrong type": ('{"infill.maxTokens": "32"}', ["infill.maxTokens must be a whole number"]),
    "two": ('{"infill.a": 1, "infill.trigger": "always"}', ["infill.a", "infill.trigger"]),
    "no JSON": ('{"infill.maxTokens": 32', ["cannot be read"]),
    "no object": ("[1]", ["holds no JSON object"]),
}


@pytest.mark.parametrize(("content", "told"), SETTINGS.values(), ids=SETTINGS)
def test_settings(
    content: str, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configuration, "user_files", lambda: iter(()))
    (tmp_path / ".vscode").mkdir()
    (tmp_path / ".vscode" / "settings.json").write_text(content)
    found = list(configuration.settings(tmp_path))
    if not told:
        check(*found, OK)
        return
    assert len(found) == len(told)
    for finding, words in zip(found, told, strict=True):
        check(finding, WARNING, words, str(tmp_path))


ENVIRONMENTS = {
    "nothing": ({"PATH": "/bin"}, [(OK, "no variable")]),
    "right": ({"INFILL_LINGER": "never"}, [(OK, "INFILL_LINGER=never")]),
    "a secret": ({"INFILL_API_KEY": "sk-1"}, [(OK, "INFILL_API_KEY is set")]),
    "no seconds": ({"INFILL_LINGER": "5 min"}, [(WARNING, "give seconds")]),
    "negative": ({"INFILL_UNLOAD_AFTER": "-1"}, [(WARNING, "INFILL_UNLOAD_AFTER is '-1'")]),
    "two": (
        {"INFILL_TRANSPORT": "udp", "INFILL_KERNELS": "quick"},
        [(WARNING, "say unix or tcp"), (WARNING, "say reference or triton")],
    ),
}


@pytest.mark.parametrize(("given", "told"), ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_the_environment(given: dict[str, str], told: list[tuple[State, str]]) -> None:
    found = list(configuration.environment(given))
    assert len(found) == len(told)
    for finding, (state, words) in zip(found, told, strict=True):
        check(finding, state, words)
        assert "sk-1" not in finding.message
