"""`pytest tests/suggest --update` writes what the pipeline does now into the goldens."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite the goldens; read the diff")
