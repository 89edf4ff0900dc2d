"""`pull` of models with terms, and of repositories that nobody has heard of: over HTTP, from a hub
on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.api import ModelMissing
from engine.checkpoints import catalog
from lsp_server.commands.doctor import models
from tests.cli.conftest import Infill
from tests.engine.checkpoints.hub import Hub, no_other_hub, serving
from tests.engine.checkpoints.released import BY_NAME, files

RESEARCH = catalog.find("diffucoder-7b")
UNKNOWN = "someone/our-dream_v1.0"
FOLDER = "someone--our-dream_v1.0"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    with no_other_hub(monkeypatch, tmp_path):
        yield


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    content = files(BY_NAME["diffucoder-7b"])
    with serving(Hub(RESEARCH.repository, content)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def weights_asked(hub: Hub) -> bool:
    return any(path.endswith(".safetensors") for path, _, _ in hub.seen)


def test_a_licence_with_terms_is_accepted_before_anything_comes(infill: Infill, hub: Hub) -> None:
    refused = infill("pull", RESEARCH.name)
    assert refused.code == 1
    for words in (RESEARCH.licence, str(RESEARCH.terms), "--accept-licence", "was not fetched"):
        assert words in refused.err
    assert hub.seen == []
    accepted = infill("pull", RESEARCH.name, "--accept-licence")
    assert (accepted.code, RESEARCH.licence in accepted.err) == (0, True)
    assert f"{RESEARCH.name} is here" in accepted.out


@dataclass(frozen=True, slots=True)
class Case:
    """A repository that is in no catalog, and what is said of it; None where it comes."""

    name: str
    card: dict[str, Any]
    options: tuple[str, ...] = ()
    changes: dict[str, bytes] = field(default_factory=dict)
    says: str | None = None


CASES = [
    Case("a licence that asks for nothing", {"license": "apache-2.0"}),
    Case("a licence that asks", {"license": "cc-by-nc-4.0"}, says="cc-by-nc-4.0"),
    Case("another licence", {"license": "other", "license_name": "odd"}, says="(odd)"),
    Case("no licence", {}, says="no licence is named"),
    Case("a licence that was accepted", {}, ("--accept-licence",)),
    Case(
        "a language model",
        {"license": "mit"},
        changes={"config.json": b'{"model_type": "gpt2"}'},
        says="describes a gpt2 model",
    ),
    Case(
        "a model that writes on",
        {"license": "mit"},
        changes={"config.json": b'{"model_type": "sdar"}'},
        says="does not see what follows the gap",
    ),
    Case(
        "a tokenizer that is none",
        {"license": "mit"},
        changes={"merges.txt": b"none\n"},
        says="do not fit",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_repository_is_recognised_from_its_config(infill: Infill, hub: Hub, case: Case) -> None:
    hub.repository, hub.card = UNKNOWN, case.card
    hub.files = {**hub.files, **case.changes}
    outcome = infill("pull", UNKNOWN, *case.options)
    assert outcome.code == (0 if case.says is None else 1), outcome.err
    assert weights_asked(hub) is (case.says is None)
    if case.says is not None:
        assert case.says in outcome.err
        assert not (catalog.store() / FOLDER).exists()
        return
    assert outcome.out == (
        f"{UNKNOWN} is here: {catalog.store() / FOLDER}\nuse it with --model {UNKNOWN}\n"
    )
    assert catalog.folder_of(UNKNOWN) == catalog.store() / FOLDER


def test_a_repository_that_was_pulled_is_listed_and_examined(infill: Infill, hub: Hub) -> None:
    hub.repository, hub.card = UNKNOWN, {"license": "mit"}
    infill("pull", UNKNOWN)
    listed = json.loads(infill("models", "--json").out)["models"]
    told = next(each for each in listed if each["name"] == UNKNOWN)
    assert (told["here"], told["fault"], told["suits"]) == (True, None, True)
    assert f"{UNKNOWN}: here" in infill("models").out
    (finding,) = models.pulled(verify=True)
    assert (finding.state, finding.message) == ("ok", f"{UNKNOWN}: every byte verified")


def test_what_was_not_pulled_says_how_it_is() -> None:
    with pytest.raises(ModelMissing, match=f"infill-ls pull {UNKNOWN}"):
        catalog.folder_of(UNKNOWN)
