"""JSON to lsprotocol's types, leniently: only what the server needs can make a message unreadable.

lsprotocol refuses a whole message for one field that it does not know how to read, a capability
that nobody here looks at for instance. Here an optional field that cannot be read is left out, at
whatever depth it stands, and a required one that the server can do without has a stand-in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override
from lsprotocol import types as t
from lsprotocol.validators import UINTEGER_MAX_VALUE
from pygls.protocol import default_converter

# Used where the field is missing or cannot be read.
_STAND_INS: dict[type, dict[str, Any]] = {
    t.InitializeRequest: {"params": {}},
    t.InitializeParams: {"capabilities": {}},
    t.InitializedNotification: {"params": {}},
    t.WorkspaceFolder: {"name": ""},
    t.WorkspaceFoldersChangeEvent: {"added": [], "removed": []},
    t.DidChangeConfigurationNotification: {"params": {"settings": None}},
    t.DidChangeConfigurationParams: {"settings": None},
    t.CodeActionParams: {"context": {"diagnostics": []}},
    t.CodeActionContext: {"diagnostics": []},
    t.InlineCompletionParams: {"context": {"triggerKind": t.InlineCompletionTriggerKind.Automatic}},
    t.InlineCompletionContext: {"triggerKind": t.InlineCompletionTriggerKind.Automatic},
}
_FOLDERS: Any = attrs.fields_dict(t.InitializeParams)["workspace_folders"].type
_TOKEN: Any = attrs.fields_dict(t.CancelParams)["id"].type
_TOKEN_OR_NONE: Any = attrs.fields_dict(t.CompletionParams)["work_done_token"].type


def lenient_converter() -> Converter:
    converter: Converter = default_converter()  # type: ignore[no-untyped-call]

    def factory(cls: type) -> Callable[[Any, Any], Any]:
        return _lenient_hook(cls, converter)

    def folders(data: Any, _: Any) -> list[t.WorkspaceFolder] | None:
        return None if data is None else _readable_folders(data, converter)

    converter.register_structure_hook_factory(attrs.has, factory)
    converter.register_structure_hook(t.Position, lambda data, _: position(data))
    converter.register_structure_hook(_FOLDERS, folders)
    for token in (_TOKEN, _TOKEN_OR_NONE):
        converter.register_structure_hook(token, _token)
    return converter


def position(data: Any) -> t.Position:
    """Numbers above LSP's largest mean "to the end". Raises ValueError where this is no position.

    Clients send 2**32 - 1 and more for the end of a line or of a document, and some write every
    number as a float.
    """
    if not isinstance(data, dict):
        raise ValueError("a position is an object with line and character")
    line, character = (_natural(data.get(name), name) for name in ("line", "character"))
    return t.Position(line, character)


def _token(data: Any, _: Any) -> int | str | None:
    """lsprotocol lets anything through, and then nothing can be kept by it."""
    if data is not None and not isinstance(data, int | str):
        raise ValueError("a token is a string or an integer")
    return data


def integer(data: Any) -> int | None:
    """`data` as an integer, None where it is none."""
    if isinstance(data, float) and data.is_integer():
        return int(data)
    return data if isinstance(data, int) and not isinstance(data, bool) else None


def _natural(data: Any, name: str) -> int:
    number = integer(data)
    if number is None or number < 0:
        raise ValueError(f"{name} is a number from 0 on")
    return min(number, UINTEGER_MAX_VALUE)


def _lenient_hook(cls: type, converter: Converter) -> Callable[[Any, Any], Any]:
    fields = {_camel_case(each.name): each for each in attrs.fields(cls)}
    renamed = {each.name: override(rename=name) for name, each in fields.items()}
    strict: Any = make_dict_structure_fn(cls, converter, **renamed)  # type: ignore[arg-type]
    stand_ins = _STAND_INS.get(cls, {})

    def is_readable(field: attrs.Attribute[Any], data: Any) -> bool:
        try:
            value = converter.structure(data, field.type)  # type: ignore[arg-type]
            if field.validator is not None:
                field.validator(None, field, value)
        except Exception:
            return False
        return True

    def structure(data: Any, _: Any) -> Any:
        try:
            return strict(data, cls)
        except Exception:
            if not isinstance(data, dict) and not stand_ins:
                raise
            kept = dict(data) if isinstance(data, dict) else {}
            for name, field in fields.items():
                if name in kept and is_readable(field, kept[name]):
                    continue
                if name in stand_ins:
                    kept[name] = stand_ins[name]
                elif field.default is not attrs.NOTHING:
                    kept.pop(name, None)
            if kept == data:
                raise
            return strict(kept, cls)

    return structure


def _readable_folders(data: Any, converter: Converter) -> list[t.WorkspaceFolder]:
    folders = []
    for each in data if isinstance(data, list) else ():
        if isinstance(each, dict) and isinstance(each.get("uri"), str):
            folders.append(converter.structure(each, t.WorkspaceFolder))
    return folders


def _camel_case(name: str) -> str:
    first, *others = name.removesuffix("_").split("_")
    return first + "".join(other.title() for other in others)
