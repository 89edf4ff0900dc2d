"""A confidence fitted to a user's files: for any model, for a server, kept and used."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.checkpoints import calibration
from engine.checkpoints.calibration import SERVER_FEATURES, Calibration, probability_of_a_line
from engine.evaluation.calibrate import LEAST_ITEMS, Seen, calibrate
from engine.evaluation.items import BadData

NAMES = ("constant", "whole")


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INFILL_MODELS", str(tmp_path / "models"))
    return tmp_path


def fills(count: int, seed: int = 0) -> list[Seen]:
    """Right as often as logistic(1 + whole) says, while their confidence is always 0.99."""
    draw = random.Random(seed)
    found = []
    for _ in range(count):
        whole = draw.uniform(-4, 2)
        is_exact = draw.random() < calibration.logistic(1 + whole)
        found.append(Seen({"constant": 1.0, "whole": whole}, 0.99, is_exact))
    return found


def fitted(seen: Sequence[Seen], **more: Any) -> Calibration:
    items: Any = list(range(len(seen)))
    given = {"names": NAMES, "model": "some model", "identity": "weights", **more}
    return calibrate(
        lambda item: seen[item],  # type: ignore[call-overload]
        given["names"], items, given["model"], given["identity"], lambda done: None,
    )  # fmt: skip


def test_it_says_how_often_such_fills_are_right() -> None:
    found = fitted(fills(2000))
    for whole in (-3.0, -1.0, 1.0):
        confidence = found.confidence({"constant": 1.0, "whole": whole})
        assert confidence == pytest.approx(calibration.logistic(1 + whole), abs=0.06)
    assert found.error < 0.06 < found.error_before
    assert found.items == 2000


@pytest.mark.parametrize(
    "seen",
    [
        fills(LEAST_ITEMS - 1),
        [Seen({"constant": 1.0}, 0.5, True)] * 100,
        [Seen({"constant": 1.0}, 0.5, False)] * 100,
    ],
    ids=["too few", "all right", "all wrong"],
)
def test_too_little_to_fit_anything_to(seen: list[Seen]) -> None:
    with pytest.raises(BadData, match="give more files"):
        fitted(seen)


NAMED = ["embedded", "/home/me/models/dream on", "http://127.0.0.1:8000/v1#a/b:7b", "x" * 300]


@pytest.mark.parametrize("model", NAMED)
def test_it_is_kept_for_these_weights(model: str) -> None:
    assert calibration.read(model, "weights") is None
    found = fitted(fills(100), model=model)
    path = calibration.write(found)
    assert len(path.name) < 60
    assert calibration.read(model, "weights") == found
    assert calibration.read(model, "other weights") is None
    assert calibration.read(model + "2", "weights") is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model": 3}', "\x00"])
def test_one_that_is_damaged_is_left_out(content: str) -> None:
    path = calibration.path_of("some model")
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert calibration.read("some model", "weights") is None


def test_other_weights_have_another_identity(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"1")
    before = calibration.identity_of(folder)
    (folder / "config.json").write_text("{}")
    assert calibration.identity_of(folder) == before
    (folder / "model.safetensors").write_bytes(b"12")
    assert calibration.identity_of(folder) != before


def test_without_one_a_likelier_line_has_more() -> None:
    values = [probability_of_a_line(log_p, 1) for log_p in (-9.0, -2.0, -0.5, 0.0, 0.1)]
    assert values == sorted(values)
    assert values[-1] == 1.0
    assert probability_of_a_line(-4.0, 4) == probability_of_a_line(-1.0, 1)


def test_of_a_server_it_maps_the_probability_of_a_line() -> None:
    weights = dict(zip(SERVER_FEATURES, (0.5, 1.0, -1.0), strict=True))
    found = Calibration("there#model", "", weights, 100, 0.1, 0.2)
    of = [
        found.confidence(calibration.server_features(p, is_block=False)) for p in (0.0, 0.2, 0.9)
    ]  # fmt: skip
    assert of == sorted(of)
    blocks = found.confidence(calibration.server_features(0.9, is_block=True))
    assert blocks < of[-1]
    assert json.loads(calibration.write(found).read_text())["weights"] == weights
