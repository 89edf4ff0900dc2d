"""A confidence fitted to a user's files: for any model, for a server, kept and used."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.api import EngineInfo, Fill, FillRequest
from engine.checkpoints import calibration
from engine.checkpoints.calibration import (
    SERVER_FEATURES,
    Calibration,
    probability_of_a_line,
)
from engine.checkpoints.profile import FEATURES, UNTRAINED_FOR_GAPS
from engine.evaluation import __main__ as evaluation
from engine.evaluation import calibrate as calibrate_module
from engine.evaluation.calibrate import LEAST_ITEMS, Seen, calibrate
from engine.evaluation.items import BadData
from engine.evaluation.suites import read_items
from engine.fill.rank import Evidence, Likelihood
from engine.remote import engine as remote
from engine.remote.writing import Written

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
        given.get("prior", {}),
    )  # fmt: skip


def test_it_says_how_often_such_fills_are_right() -> None:
    found = fitted(fills(2000))
    for whole in (-3.0, -1.0, 1.0):
        confidence = found.confidence({"constant": 1.0, "whole": whole})
        assert confidence == pytest.approx(calibration.logistic(1 + whole), abs=0.06)
    assert found.error < 0.06 < found.error_before
    assert found.items == 2000


def test_too_few_gaps_are_not_filled() -> None:
    def look(item: Any) -> Seen:
        raise AssertionError(f"{item} was filled")

    items: Any = list(range(LEAST_ITEMS - 1))
    with pytest.raises(BadData, match=f"there are {LEAST_ITEMS - 1} gaps.*give more files"):
        calibrate(look, NAMES, items, "some model", "weights", lambda done: None, {})


@pytest.mark.parametrize(
    "seen",
    [
        [Seen({"constant": 1.0}, 0.5, True)] * 100,
        [Seen({"constant": 1.0}, 0.5, False)] * 100,
    ],
    ids=["all right", "all wrong"],
)
def test_too_little_to_fit_anything_to(seen: list[Seen]) -> None:
    with pytest.raises(BadData, match="give more files"):
        fitted(seen)


def test_what_tells_no_better_is_not_kept() -> None:
    """Fills that are right by chance alone, of a model that says how often."""
    draw = random.Random(1)
    seen = [
        Seen({"constant": 1.0, "whole": draw.uniform(-4, 2)}, 0.5, draw.random() < 0.5)
        for _ in range(60)
    ]
    with pytest.raises(BadData, match="no better than before"):
        fitted(seen)


@pytest.mark.parametrize("seed", range(5))
def test_few_gaps_move_weights_little_and_many_far(seed: int) -> None:
    """From weights that are nearly right, and from ones that are wrong."""
    near, wrong = {"constant": 1.2, "whole": 0.9}, {"constant": 1.0, "whole": -1.0}
    few = fitted([Seen(each.features, 0.2, each.is_exact) for each in fills(60, seed)], prior=near)
    assert few.weights == pytest.approx(near, abs=0.6)
    many = fitted(fills(1500, seed), prior=wrong)
    assert many.weights == pytest.approx({"constant": 1.0, "whole": 1.0}, abs=0.25)


def test_a_model_and_a_server_begin_alike() -> None:
    class Engine:
        profile = UNTRAINED_FOR_GAPS

    weights = calibrate_module.prior_of_model(Engine)
    for log_p, tokens in ((-0.1, 4), (-2.5, 9), (0.0, 1)):
        evidence = Evidence(Likelihood(log_p / tokens, -1.0, tokens), 0, 3)
        mine = calibration.weighed(weights, evidence.features())
        features = calibration.server_features(probability_of_a_line(log_p, 1), is_block=False)
        assert mine == pytest.approx(calibration.weighed(calibrate_module.FIRST, features))
    own = dict.fromkeys(FEATURES, 0.5)
    Engine.profile = UNTRAINED_FOR_GAPS.but(calibration=own)
    assert calibrate_module.prior_of_model(Engine) == own


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
    assert calibration.read(model, "weights", NAMES) == found
    assert calibration.read(model, "weights", [*NAMES, "younger"]) is None


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


class Server:
    """Writes what stood there where its probability is high, and something else where it is low."""

    info = EngineInfo("model", "http://here/v1", confidence="not calibrated")

    def __init__(self, solutions: dict[str, str]) -> None:
        self._solutions = solutions
        self._asked = 0

    def written(self, request: FillRequest) -> Written:
        self._asked += 1
        probability = 0.9 if self._asked % 3 else 0.6
        text = self._solutions[request.texts[0]] if probability > 0.7 else "wrong"
        return Written(Fill((text,), probability, 1, 0, 0.0), is_confidence_known=True)


def test_a_server_from_files_to_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(30):
        lines = [
            f"def function_{number}_{at}(value):\n    return value + {at}\n" for at in range(9)
        ]
        (folder / f"file_{number}.py").write_text("\n".join(lines))
    items = read_items("files", folder)
    solutions = {item.prefix: item.solution for item in items}
    monkeypatch.setattr(remote, "load_remote", lambda *_, **__: Server(solutions))
    arguments = ["files", "--data", str(folder), "--model", "http://here/v1", "--calibrate"]
    assert evaluation.main(arguments) == 0
    *progress, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert progress[-1] == {"done": len(items)}
    found = calibration.read("http://here/v1#model", "")
    assert found is not None
    assert found.items == last["calibrated"]["items"] == len(items)
    assert found.error < found.error_before
    low, high = (
        found.confidence(calibration.server_features(p, is_block=False)) for p in (0.6, 0.9)
    )
    assert low < 0.3 < 0.7 < high


def test_only_a_users_own_files_are_fitted_to(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["held-out", "--data", "nowhere", "--calibrate"]
    assert evaluation.main(arguments) == 1
    assert "your own files" in capsys.readouterr().out
