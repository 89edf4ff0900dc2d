"""What a user can set, under `infill.*`: in initializationOptions or the configuration.

The dataclass is the one source: `schema` is made from it for editors, `as_markdown` for docs/, and
`Settings.updated` checks what a client sends against it.

By hand, as pydantic adds 30 ms and more to a start and refuses all of a message for one wrong name.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

SECTION = "infill"
MARKDOWN_COMMAND = "infill-ls settings --markdown"


def setting(default: Any, description: str, **limits: Any) -> Any:
    """A field with its description in every editor, and its limits as JSON schema keywords.

    The type in the schema is the annotation: bool, int, float, str, a Literal, `tuple[X, ...]` (a
    list), `Mapping[str, X]` (an object), and any of them or None. `unit` goes into the docs.
    """
    metadata = {"description": description, "limits": limits}
    if isinstance(default, Mapping):
        return field(default_factory=lambda: default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Settings:
    """Names are the client's in snake case: `maxTokens` sets `max_tokens`. Editors and the docs
    have them in this order, the ones that most people change first."""

    model: str = setting(
        "embedded",
        'The model that fills: "embedded" for the one that ships, or a folder that holds one.',
        minLength=1,
    )
    trigger: Literal["auto", "manual"] = setting(
        "auto", "Show fills while you type, or only when you ask for one."
    )
    min_confidence: float = setting(
        0.35,
        "Show a fill unasked only where its confidence is at least this; below it, a code action"
        " shows its candidates and asks.",
        minimum=0,
        maximum=1,
    )
    languages: Mapping[str, bool] = setting(
        {"*": True, "markdown": False, "plaintext": False},
        'Languages to show fills in while you type; "*" is every other one.',
    )
    in_comments: bool = setting(False, "Show fills in comments while you type.")
    in_strings: bool = setting(False, "Show fills in strings while you type.")
    delay: int | None = setting(
        None,
        "The shortest pause before a fill is shown, in milliseconds; null follows your typing.",
        minimum=0,
    )
    max_lines: int = setting(12, "The most lines of a fill that you have not asked for.", minimum=1)
    choices: int = setting(
        3, "The most fills to choose from where you have asked for one.", minimum=1, maximum=10
    )
    completion: bool | None = setting(
        None,
        "Offer fills in the completion list too; null: only where the editor has no ghost text.",
    )
    device: str | None = setting(
        None,
        'Where the model runs, such as "cpu" or "cuda"; null for the best there is.',
        minLength=1,
    )
    steps: int | None = setting(
        None, "The most denoising steps of a fill; null leaves the number to the model.", minimum=1
    )
    max_tokens: int = setting(64, "The longest fill, in the model's tokens.", minimum=1)
    action_max_tokens: int = setting(
        128, "The longest fill of a code action, for each of its holes, in tokens.", minimum=1
    )
    unload_after: float = setting(
        30,
        "Free the memory of a model that has filled nothing for so many minutes; 0 for never.",
        minimum=0,
    )
    linger: float = setting(
        5, "Keep the engine for so many minutes after the last window has closed.", minimum=0
    )
    largest_file: int = setting(
        1000, "Show nothing while you type in larger files, in thousands of characters.", minimum=1
    )
    speculate: bool = setting(
        True, "Compute what comes after a fill while nothing else wants the model."
    )
    tuned: bool = setting(
        True,
        "Where `infill-ls tune` taught the model this workspace, and it gained, fill with what it"
        " learned.",
    )
    index: bool = setting(
        True,
        "Keep an index of the lines and symbols of the workspace's folders, on this machine only."
        " Without it nothing is proposed from files that are not open.",
    )
    context: Mapping[str, bool] = setting(
        {
            "lookup": True,
            "siblings": False,
            "definitions": False,
            "openDocuments": False,
            "edits": False,
        },
        "Where else to look: `lookup` proposes lines of the workspace; the others are what a model"
        " that has room for it reads too: heads of files beside this one, definitions of imported"
        " names, pieces of open documents, your last edits. What is not named is as by default.",
    )
    stats: bool = setting(
        True,
        "Count what is shown, accepted and kept, on this machine only: `infill-ls stats` shows it.",
    )
    without_filters: tuple[str, ...] = setting(
        (),
        "Clean-up filters to leave out, by their names in the log, to see what each of them does.",
    )
    debug: bool = setting(
        False, "Log more: which filters shortened a fill, and why none was shown."
    )

    @property
    def sources(self) -> frozenset[str]:
        """The sources of context that are on."""
        chosen = {**_default(_by_key()["context"]), **self.context}
        return frozenset(name for name, is_on in chosen.items() if is_on)

    def updated(self, given: Any) -> tuple[Settings, dict[str, str]]:
        """These settings with what `given` changes, and what is wrong with the rest, by its name.

        A null gives a setting its default back. What is wrong keeps its value.
        """
        if given is None:
            return self, {}
        if not isinstance(given, dict):
            return self, {"": f"settings are an object, not {_shown(given)}"}
        changes: dict[str, Any] = {}
        problems: dict[str, str] = {}
        known = _by_key()
        for key, value in given.items():
            if key not in known:
                problems[key] = f"there is no setting {SECTION}.{key}; known: {', '.join(known)}"
                continue
            item = known[key]
            part = schema()[f"{SECTION}.{key}"]
            if value is None:
                changes[item.name] = _default(item)
            elif (wanted := _mismatch(value, part)) is not None:
                now = _shown(getattr(self, item.name))
                problems[key] = (
                    f"{SECTION}.{key} must be {wanted}, not {_shown(value)}; it stays {now}"
                )
            else:
                changes[item.name] = tuple(value) if isinstance(value, list) else value
        return replace(self, **changes), problems


@cache
def schema() -> dict[str, dict[str, Any]]:
    """A JSON schema per setting, by its full name: what a VS Code manifest wants."""
    hints = get_type_hints(Settings)
    return {
        f"{SECTION}.{key}": {
            **_schema_of(hints[item.name], item.metadata["limits"]),
            "default": _as_json(_default(item)),
            "description": item.metadata["description"],
        }
        for key, item in _by_key().items()
    }


def as_json_schema() -> dict[str, Any]:
    """All settings as one JSON schema of the object that a client sends."""
    prefix = len(SECTION) + 1
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of infill-ls",
        "type": "object",
        "additionalProperties": False,
        "properties": {name[prefix:]: part for name, part in schema().items()},
    }


def as_markdown() -> str:
    """docs/settings.md."""
    rows = [
        f"| `{name}` | {_type_in_words(part)} | {_code(part['default'])} | {part['description']} |"
        for name, part in schema().items()
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            f"Made by `{MARKDOWN_COMMAND}` from `lsp_server/settings.py`. An editor gives them in",
            "`initializationOptions`, by `workspace/didChangeConfiguration`, or when asked for the",
            f"section `{SECTION}`. A setting that is unknown or has the wrong type is reported",
            "once and keeps its value; null restores the default.",
            "",
            "| setting | type | default | what it does |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def key_of(name: str) -> str:
    """`max_tokens` as clients spell it: `maxTokens`."""
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


@cache
def _by_key() -> dict[str, Field[Any]]:
    return {key_of(item.name): item for item in fields(Settings)}


def _default(item: Field[Any]) -> Any:
    return item.default_factory() if item.default_factory is not MISSING else item.default


_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def _schema_of(hint: Any, limits: Mapping[str, Any]) -> dict[str, Any]:
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = (each for each in get_args(hint) if each is not type(None))
        part = _schema_of(inner, limits)
        return {**part, "type": [part["type"], "null"]}
    if get_origin(hint) is Literal:
        return {"type": "string", "enum": list(get_args(hint)), **limits}
    if get_origin(hint) is tuple:
        return {"type": "array", "items": _schema_of(get_args(hint)[0], {}), **limits}
    if isinstance(get_origin(hint), type) and issubclass(get_origin(hint), Mapping):
        inner = _schema_of(get_args(hint)[1], {})
        return {"type": "object", "additionalProperties": inner, **limits}
    return {"type": _NAMES[hint], **limits}


def _mismatch(value: Any, part: Mapping[str, Any]) -> str | None:
    """What `value` should have been, in words, if it is not that."""
    return None if _fits(value, part) else _type_in_words(part)


def _fits(value: Any, part: Mapping[str, Any]) -> bool:
    kind = part["type"][0] if isinstance(part["type"], list) else part["type"]
    if "enum" in part and value not in part["enum"]:
        return False
    match kind:
        case "boolean":
            return isinstance(value, bool)
        case "string":
            return isinstance(value, str) and len(value) >= part.get("minLength", 0)
        case "integer" | "number":
            numbers = int if kind == "integer" else (int, float)
            return (
                isinstance(value, numbers)
                and not isinstance(value, bool)
                and part.get("minimum", value) <= value <= part.get("maximum", value)
            )
        case "array":
            return isinstance(value, list) and all(_fits(each, part["items"]) for each in value)
        case _:
            return isinstance(value, dict) and all(
                isinstance(name, str) and _fits(each, part["additionalProperties"])
                for name, each in value.items()
            )


def _type_in_words(part: Mapping[str, Any]) -> str:
    kind = part["type"][0] if isinstance(part["type"], list) else part["type"]
    if "enum" in part:
        return "one of " + ", ".join(f'"{each}"' for each in part["enum"])
    match kind:
        case "boolean":
            return "true or false"
        case "string":
            return "a non-empty string" if part.get("minLength") else "a string"
        case "integer" | "number":
            return ("a whole number" if kind == "integer" else "a number") + _range(part)
        case "array":
            return f"a list, each item {_type_in_words(part['items'])}"
        case _:
            return f"an object, each value {_type_in_words(part['additionalProperties'])}"


def _range(part: Mapping[str, Any]) -> str:
    least, most = part.get("minimum"), part.get("maximum")
    if least is not None and most is not None:
        return f" from {least} to {most}"
    if least is not None:
        return f" of at least {least}"
    return f" of at most {most}" if most is not None else ""


def _as_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_as_json(each) for each in value]
    return dict(value) if isinstance(value, Mapping) else value


def _shown(value: Any) -> str:
    """As the user wrote it, or near: JSON where it is short."""
    import json

    text = json.dumps(_as_json(value), ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _code(value: Any) -> str:
    return f"`{_shown(value)}`"
