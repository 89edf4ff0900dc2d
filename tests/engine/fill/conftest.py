"""Engines of a tiny random model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.fill.infill import LocalEngine
from tests.engine.fill.filling import INFO, profile_of


@pytest.fixture(scope="module")
def engines(tiny: Any) -> Callable[..., LocalEngine]:
    """An engine of a style; with changes, its profile is changed."""
    built: dict[Any, LocalEngine] = {}

    def get(style: str, **changes: Any) -> LocalEngine:
        key = (style, *sorted(changes.items()))
        if key not in built:
            profile = profile_of(tiny, style).but(**changes)
            built[key] = LocalEngine(tiny.model, tiny.tokenizer, profile, INFO)
        return built[key]

    return get
