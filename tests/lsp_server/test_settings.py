"""One typed source: the settings, their schema, their page, and what is said about a wrong one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import pytest
from lsprotocol import types as t

from lsp_server import settings
from lsp_server.settings import Settings, setting
from tests.lsp_server.conftest import StartEditor, until

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_is_up_to_date() -> None:
    again = f"run `{settings.MARKDOWN_COMMAND} > docs/settings.md`"
    assert PAGE.read_text() == settings.as_markdown(), again


def test_every_setting_is_in_the_schema_and_its_default_fits() -> None:
    properties = settings.as_json_schema()["properties"]
    assert list(properties) == [settings.key_of(item.name) for item in fields(Settings)]
    assert all(part["description"] for part in properties.values())
    _, problems = Settings().updated({name: part["default"] for name, part in properties.items()})
    assert problems == {}


@dataclass(frozen=True, slots=True)
class EveryType:
    flag: bool = setting(True, "a flag")
    share: float = setting(0.5, "a share", minimum=0, maximum=1)
    mode: Literal["auto", "manual"] = setting("auto", "a mode")
    globs: tuple[str, ...] = setting((), "some globs")
    languages: Mapping[str, bool] = setting({}, "some languages")
    maybe: int | None = setting(None, "perhaps a number", minimum=1)


TYPES: list[tuple[str, dict[str, Any], list[Any], list[Any], str]] = [
    ("flag", {"type": "boolean"}, [True], [1, "yes"], "true or false"),
    (
        "share",
        {"type": "number", "minimum": 0, "maximum": 1},
        [0, 0.3, 1],
        [2, -1, True, "1"],
        "a number from 0 to 1",
    ),
    (
        "mode",
        {"type": "string", "enum": ["auto", "manual"]},
        ["manual"],
        ["x", 1, []],
        'one of "auto", "manual"',
    ),
    (
        "globs",
        {"type": "array", "items": {"type": "string"}},
        [[], ["a"]],
        ["a", [1]],
        "a list, each item a string",
    ),
    (
        "languages",
        {"type": "object", "additionalProperties": {"type": "boolean"}},
        [{}, {"c": False}],
        [[], {"c": 1}],
        "an object, each value true or false",
    ),
    (
        "maybe",
        {"type": ["integer", "null"], "minimum": 1},
        [1],
        [0, 1.5, False],
        "a whole number of at least 1",
    ),
]


@pytest.mark.parametrize(("name", "part", "good", "bad", "words"), TYPES)
def test_a_type_is_checked_and_named(
    name: str, part: dict[str, Any], good: list[Any], bad: list[Any], words: str
) -> None:
    hints = settings.get_type_hints(EveryType)
    item = {each.name: each for each in fields(EveryType)}[name]
    made = settings._schema_of(hints[name], item.metadata["limits"])
    assert made == part
    assert [settings._mismatch(value, made) for value in good] == [None] * len(good)
    assert [settings._mismatch(value, made) for value in bad] == [words] * len(bad)


def test_a_message_says_what_is_wanted_and_what_stays() -> None:
    _, problems = Settings().updated({"maxTokens": "many"})
    assert problems["maxTokens"] == (
        'infill.maxTokens must be a whole number of at least 1, not "many"; it stays 64'
    )


async def test_a_wrong_setting_is_told_once(start: StartEditor) -> None:
    editor = await start(options={"colour": "red", "drafts": True, "infill": None})
    for colour in ("blue", "green"):
        params = t.DidChangeConfigurationParams({"infill": {"colour": colour, "steps": 0}})
        editor.client.workspace_did_change_configuration(params)
    uri = editor.open("x = ")
    assert await editor.code_actions(uri, 4, 4)
    await until(lambda: len(editor.messages()) >= 2, "both messages")
    assert sorted(message[:30] for message in editor.messages()) == [
        "infill: infill.steps must be a",
        "infill: there is no setting in",
    ]
