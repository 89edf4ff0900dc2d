"""What a user can set, under `infill.*`: in initializationOptions or the configuration."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Settings:
    """Names are the client's in snake case: `maxTokens` sets `max_tokens`.

    `model` and `device` choose the engine; `steps` caps the denoising steps and `max_tokens` the
    length of a fill; `completion` offers fills in the completion list too; `debug` logs more.
    """

    model: str = "embedded"
    device: str | None = None
    steps: int | None = None
    max_tokens: int = 64
    completion: bool = True
    debug: bool = False

    def updated(self, given: Any) -> tuple[Settings, list[str]]:
        """These settings with what `given` changes, and what is wrong with the rest of it.

        A null gives a setting its default back. What is wrong keeps its value.
        """
        if given is None:
            return self, []
        if not isinstance(given, dict):
            return self, [f"settings are an object, not {type(given).__name__}"]
        changes: dict[str, Any] = {}
        problems: list[str] = []
        for key, value in given.items():
            name = _BY_KEY.get(key)
            if name is None:
                problems.append(f"there is no setting infill.{key}; known: {', '.join(_BY_KEY)}")
            elif value is None:
                changes[name] = _DEFAULTS[name]
            elif not _is_valid(name, value):
                problems.append(f"infill.{key} must be {_EXPECTED[name]}, not {value!r}")
            else:
                changes[name] = value
        return replace(self, **changes), problems


_EXPECTED = {
    "model": "a name or a folder",
    "device": 'a device such as "cpu" or "cuda"',
    "steps": "a whole number of at least 1",
    "max_tokens": "a whole number of at least 1",
    "completion": "true or false",
    "debug": "true or false",
}
_DEFAULTS = {field.name: field.default for field in fields(Settings)}


def _key(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


_BY_KEY = {_key(name): name for name in _EXPECTED}


def _is_valid(name: str, value: Any) -> bool:
    match name:
        case "model" | "device":
            return isinstance(value, str) and bool(value)
        case "steps" | "max_tokens":
            return isinstance(value, int) and not isinstance(value, bool) and value >= 1
        case _:
            return isinstance(value, bool)
