"""`pull`, `models` and `eval` in a terminal; the hub, the card and the model are stood in for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.checkpoints import catalog, download
from engine.checkpoints.catalog import CATALOG
from lsp_server.commands import eval as evaluation
from lsp_server.commands import models, pull
from tests.cli.conftest import Infill
from tests.engine.checkpoints.hub import Fault, Hub, serving

GEMMA = next(entry for entry in CATALOG if entry.family == catalog.FAMILY)
NAME = GEMMA.name


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("INFILL_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_pull(infill: Infill, monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    def pull(entry: catalog.Entry, into: Path, show: Any, examine: Any) -> Path:
        for done in (10, 60, 100):
            show(download.Progress(done, 100, "model.safetensors"))
        return into / entry.name

    monkeypatch.setattr(download, "pull", pull)
    outcome = infill("pull", NAME)
    assert outcome.code == 0
    assert outcome.out == f"{NAME} is here: {store / NAME}\nuse it with --model {NAME}\n"
    assert GEMMA.repository in outcome.err


def test_pull_from_a_hub(
    infill: Infill, monkeypatch: pytest.MonkeyPatch, store: Path, tmp_path: Path
) -> None:
    """All of the command, over HTTP; what came is then looked at, and is no model."""
    from huggingface_hub.utils import close_session

    files = {"config.json": b"{}", "tokenizer.json": b"{}", "model.safetensors": bytes(5000)}
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    with serving(Hub(GEMMA.repository, files)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        close_session()
        hub.faults["model.safetensors"] = [Fault(cut=2000)]
        outcome = infill("pull", NAME)
        close_session()
    assert (outcome.code, outcome.out.splitlines()[0]) == (0, f"{NAME} is here: {store / NAME}")
    assert hub.asked("model.safetensors") == [None, "bytes=2000-"]
    listed = {each["name"]: each for each in json.loads(infill("models", "--json").out)["models"]}
    assert listed[NAME]["here"]
    assert "config.json cannot be used" in listed[NAME]["fault"]


def test_pull_what_is_here(infill: Infill, store: Path) -> None:
    (store / NAME).mkdir(parents=True)
    (store / NAME / "pulled.json").write_text('{"files": {}}')
    outcome = infill("pull", NAME)
    assert (outcome.code, outcome.out) == (0, f"{NAME} is here already: {store / NAME}\n")


def test_pull_what_is_not_known(infill: Infill) -> None:
    outcome = infill("pull", "gpt")
    assert outcome.code == 2
    assert outcome.err.startswith('infill-ls: there is no model "gpt" to pull: choose one of ')


def test_pull_leaves_the_format_to_the_card(
    infill: Infill, monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    monkeypatch.setattr(pull, "survey", lambda: {"card": {}, "suited": NAME})
    monkeypatch.setattr(download, "pull", lambda entry, into, show, examine: into / entry.name)
    assert infill("pull", "diffusiongemma").out.startswith(f"{NAME} is here: ")
    monkeypatch.setattr(pull, "survey", lambda: {"card": None, "suited": None})
    outcome = infill("pull", "diffusiongemma")
    assert (outcome.code, "has no CUDA card" in outcome.err) == (1, True)


def test_pull_that_fails(infill: Infill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    outcome = infill("pull", NAME)
    assert outcome.code == 1
    assert "HF_HUB_OFFLINE is set" in outcome.err


def test_models(infill: Infill, store: Path) -> None:
    """In the process of its own that it really has."""
    outcome = infill("models", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert found["store"] == str(store)
    assert [model["name"] for model in found["models"]] == [entry.name for entry in CATALOG]
    assert not any(
        model["here"] or model["fault"] for model in found["models"] if not found["card"]
    )


CARD = {"name": "RTX 4090", "free": 23e9, "total": 24e9, "capability": "8.9"}
MODEL = {
    **{name: getattr(GEMMA, name) for name in GEMMA.__slots__},
    "needs": 20_000_000_000,
    "needs_on_a_card": 18_000_000_000,
    "here": False,
    "runs": {"use": "4 canvases", "needs": ""},
    "suits": True,
    "fault": None,
    "best": False,
}
FOUND = {"store": "/somewhere", "card": CARD, "device": "cuda", "free": 23e9, "best": "x"}
PROCESSOR = {**FOUND, "card": None, "device": "cpu"}

TOLD = [
    ("a card", FOUND, {}, "RTX 4090: 23.0 of 24.0 GB free"),
    ("a processor", PROCESSOR, {}, "on the processor, with 23.0 GB of memory free"),
    ("nobody can tell", {**PROCESSOR, "free": None}, {}, "models run on the processor\n"),
    ("the best", FOUND, {"best": True}, "on this machine: the best choice: 4 canvases"),
    ("one that suits", FOUND, {}, "on this machine: it suits: 4 canvases"),
    ("none that fits", FOUND, {"runs": None}, "on this machine: too little memory is free"),
    ("too slow", PROCESSOR, {"suits": False}, "too slow for ghost text on the processor: 4"),
    ("damaged", FOUND, {"fault": "12.0 GB are free"}, "on this machine: 12.0 GB are free"),
    ("memory here", FOUND, {}, "at least 20.0 GB of memory, "),
    ("memory elsewhere", PROCESSOR, {"suits": False}, "at least 18.0 GB of memory on a card"),
    ("terms", FOUND, {"terms": "somewhere"}, ", to be accepted\n"),
    ("terms that were", FOUND, {"terms": "somewhere", "here": True}, f"{GEMMA.licence}\n"),
    ("the one that ships", {**FOUND, "best": "embedded"}, {}, "the best choice: it runs"),
]


@pytest.mark.parametrize(
    ("found", "model", "says"), [case[1:] for case in TOLD], ids=[case[0] for case in TOLD]
)
def test_models_for_people(
    infill: Infill,
    monkeypatch: pytest.MonkeyPatch,
    found: dict[str, Any],
    model: dict[str, Any],
    says: str,
) -> None:
    monkeypatch.setattr(models, "survey", lambda: {**found, "models": [{**MODEL, **model}]})
    assert says in infill("models").out


ROW = {
    "method": "searched",
    "part": "all",
    "n": 10,
    "pass@1": None,
    "exact": {"mean": 0.5, "low": 0.2, "high": 0.8, "n": 10},
    "similarity": {"mean": 0.75, "low": 0.6, "high": 0.9, "n": 10},
    "repeats_suffix": {"mean": 0.0, "low": 0.0, "high": 0.0, "n": 10},
    "parse_errors": None,
    "breaks": {"mean": 0.1, "low": 0.0, "high": 0.2, "n": 6},
    "shown": {"mean": 0.6, "low": 0.3, "high": 0.9, "n": 10},
    "shown_exact": {"mean": 0.7, "low": 0.3, "high": 1.0, "n": 6},
    "forwards": 14.5,
    "p50_seconds": 0.5,
    "p95_seconds": 1.25,
}


def test_eval(infill: Infill, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def evaluate(arguments: list[str]) -> dict[str, Any]:
        asked[:] = arguments
        calibration = {"searched": {"error": 0.046}, "any": {"error": 0.5}}
        told = {"report": [ROW], "calibration": calibration, "results": "answers.jsonl"}
        return {**told, "gains": []}

    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    outcome = infill("eval", "humaneval-infilling", "--data", "d.jsonl.gz", "--limit", "10")
    assert outcome.code == 0, outcome.err
    for words in ("searched", "50.0 (20-80)", "75.0 (60-90)", "14.5", "1.25", "--execute"):
        assert words in outcome.out
    assert "searched: confidence is off by 4.6 points" in outcome.out
    assert "any: confidence" not in outcome.out
    assert asked[:5] == ["humaneval-infilling", "--data", "d.jsonl.gz", "--model", "embedded"]
    assert asked[asked.index("--parser") + 1] == "lsp_server.commands.grammatical:parses"
    assert "--execute" not in asked
    outcome = infill("eval", "santacoder-fim", "--data", "d", "--json", "--execute", "--seed", "3")
    assert json.loads(outcome.out)["report"] == [ROW]
    assert asked[asked.index("--seed") + 1] == "3"
    assert asked[-1] == "--execute"


def test_eval_of_bad_data(infill: Infill, tmp_path: Path) -> None:
    """In the process of its own that it really has."""
    outcome = infill("eval", "humaneval-infilling", "--data", tmp_path / "none.jsonl")
    assert outcome.code == 2
    assert "cannot read" in outcome.err


def test_eval_of_no_suite(infill: Infill) -> None:
    outcome = infill("eval", "mbpp", "--data", "x")
    assert (outcome.code, "choose one of humaneval-infilling" in outcome.err) == (2, True)
