"""Values that came from a JSON file, against the types that a dataclass declares."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, Literal, Union

NAMES: dict[Any, str] = {
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    str: "a text",
    type(None): "null",
}


def check_types(instance: Any) -> None:
    """Raise ValueError naming the first field of a dataclass whose value is not of its type.

    A whole number is no truth value and no float; a float may be written as a whole number, and is
    neither infinite nor NaN. Tuples, mappings, unions and literals are looked into; other classes
    are checked by `isinstance`.
    """
    types_by_name = _types_of(instance.__class__)
    for field in fields(instance):
        value, wanted = getattr(instance, field.name), types_by_name[field.name]
        if not _matches(value, wanted):
            raise ValueError(f"{field.name} must be {_described(wanted)}, not {value!r}")


@cache
def _types_of(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _matches(value: Any, wanted: Any) -> bool:
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (Union, types.UnionType):
        return any(_matches(value, each) for each in arguments)
    if origin is Literal:
        return value in arguments
    if origin is tuple:
        return isinstance(value, tuple) and all(_matches(each, arguments[0]) for each in value)
    if origin is not None and issubclass(origin, Mapping):
        key, item = arguments
        return isinstance(value, Mapping) and all(
            _matches(name, key) and _matches(each, item) for name, each in value.items()
        )
    check = _SCALARS.get(wanted)
    return check(value) if check is not None else isinstance(value, wanted)


_SCALARS: dict[Any, Callable[[Any], bool]] = {
    int: lambda value: type(value) is int,
    float: lambda value: type(value) in (int, float) and math.isfinite(value),
}


def _described(wanted: Any) -> str:
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (Union, types.UnionType):
        return " or ".join(_described(each) for each in arguments)
    if origin is Literal:
        return " or ".join(repr(each) for each in arguments)
    if origin is tuple:
        return f"a list, each of it {_described(arguments[0])}"
    if origin is not None:
        return "an object"
    return NAMES.get(wanted, str(getattr(wanted, "__name__", wanted)))
