"""A model stored in every layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.checkpoints import writer
from tests.engine.checkpoints.layouts import LAYOUTS, Layout
from tests.engine.checkpoints.writer import Matrix


@pytest.fixture(scope="module")
def source() -> dict[str, Matrix]:
    return writer.weights()


@pytest.fixture(params=LAYOUTS, scope="module")
def layout(request: pytest.FixtureRequest) -> Layout:
    return LAYOUTS[request.param]


@pytest.fixture(scope="module")
def folder(
    layout: Layout, source: dict[str, Matrix], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("model")
    writer.write_model(folder, layout.write(source), shards=layout.shards)
    return folder
