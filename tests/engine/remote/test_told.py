"""What a user is told of the way that a server is asked: doctor, the engine's status, a fill."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.api import EngineInfo, Fill
from engine.checkpoints import calibration
from engine.checkpoints.calibration import SERVER_FEATURES, Calibration
from engine.client.address import address_of
from engine.client.connect import connect
from engine.client.greeting import visit
from engine.remote.engine import load_remote
from lsp_server.commands.doctor import models
from lsp_server.commands.doctor.finding import State
from lsp_server.commands.show import summary
from tests.engine.remote.coders import llama_cpp
from tests.engine.remote.team import LINE, Team, status, stream


def without_fill_tokens(team: Team) -> None:
    llama_cpp(team, fill_tokens=False)


def not_asked(seconds: float, look: str) -> dict[str, Any]:
    raise AssertionError(f"{look}: the engine here does not know a server's model")


def without_a_key(team: Team) -> None:
    team.on("/v1/models", status(401))


@pytest.mark.parametrize(
    ("put", "state", "message", "fix"),
    [
        (llama_cpp, State.OK, "asked by fill-in-the-middle (/infill): this llama.cpp", ""),
        (without_fill_tokens, State.WARNING, "asked by chat: its model has no fill", "Qwen2.5"),
        (without_a_key, State.WRONG, "wants a key", "INFILL_API_KEY"),
    ],
)
def test_the_doctor_says_the_way_and_what_would_be_better(
    team: Team, put: Callable[[Team], None], state: State, message: str, fix: str
) -> None:
    put(team)
    (found,) = models.model(team.address, not_asked)
    assert found.state is state
    assert message in found.message
    assert fix in found.fix


def test_the_status_of_the_engine_has_the_way(team: Team) -> None:
    llama_cpp(team)
    with connect(f"{team.address}/v1") as engine:
        assert engine.info.way == "fill-in-the-middle (/infill)"
        answer = visit(address_of(engine.loaded), "status", 5.0)
        assert answer["way"] == "fill-in-the-middle (/infill)"


def test_what_is_learnt_with_a_fill_is_told(team: Team) -> None:
    """A server that gives no probabilities: that is known once it has been asked."""
    team.chat(stream("a + b"))
    with connect(f"{team.address}/v1") as engine:
        fill = engine.fill(LINE)
        assert engine.info.confidence == "unknown"
        assert summary(fill, engine.info).plain.startswith("confidence unknown · 1 step")


@pytest.mark.parametrize(
    ("confidence", "words"),
    [
        ("calibrated", "confidence 0.50 · "),
        ("not calibrated", "confidence 0.50, not calibrated · "),
        ("unknown", "confidence unknown · "),
    ],
)
def test_a_confidence_says_what_it_is_worth(confidence: str, words: str) -> None:
    info = EngineInfo("m", "machine:1", way="chat", confidence=confidence)  # type: ignore[arg-type]
    told = summary(Fill(("x",), 0.5, 1, 0, 0.0), info).plain
    assert told.startswith(words)
    assert told.endswith("m on machine:1, by chat")


def test_a_confidence_that_was_fitted_to_a_server_is_used(
    team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFILL_MODELS", str(tmp_path / "models"))
    llama_cpp(team)
    address = f"{team.address}/v1"
    plain = load_remote(address)
    raw = plain.fill(LINE)
    assert plain.info.confidence == "not calibrated"
    weights = dict(zip(SERVER_FEATURES, (-1.0, 0.5, 0.0), strict=True))
    model = f"{plain.info.device}#{plain.info.model}"
    calibration.write(Calibration(model, "", weights, 100, 0.1, 0.2))
    fitted = load_remote(address)
    fill = fitted.fill(LINE)
    assert fitted.info.confidence == "calibrated"
    features = calibration.server_features(raw.confidence, is_block=False)
    assert fill.confidence == pytest.approx(
        calibration.logistic(-1.0 + 0.5 * features["log probability"])
    )
    assert fill.alternatives[0].confidence == fill.confidence
    assert load_remote(address, calibrated=False).info.confidence == "not calibrated"
