"""Fills of masked models, with each published order, as they come from a folder: one hole, several,
drafts, and holes that change their length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.api import Draft, EngineInfo, Fill, FillRequest, Shape, Share
from engine.checkpoints.profile import Profile
from engine.client.address import Loaded
from engine.client.connect import HostEngine
from engine.client.habits import Habits
from engine.fill.candidates import read_candidates
from engine.fill.infill import LocalEngine
from engine.fill.load import load_engine
from engine.fill.sharing import SharedEngine
from tests.engine.models import tiny_dream
from tests.engine.models.tiny_dream import DREAM, DREAM_ON

LINE = FillRequest(
    ("import os\nname = os.path\n\n\ndef f(x):\n    return ", "\n\nf(1)\n"), shape=Shape.LINE
)
REQUESTS = {
    "a line": LINE,
    "a block": replace(LINE, shape=Shape.BLOCK, max_tokens=9, seed=3),
    "two holes": FillRequest(("a = ", "\nb = ", "\n"), max_tokens=5),
    "a draft in a word": FillRequest(
        ("x = 1\nname = os.pa", "\n"), draft=("th",), shape=Shape.LINE
    ),
    "an empty file": FillRequest(("", ""), shape=Shape.LINE),
    "few steps": replace(LINE, steps=2),
}
PROFILES = {
    "confidence": DREAM.but(order="confidence"),
    "entropy": DREAM,
    "margin": DREAM.but(order="margin", top_p=0.95),
    "p2": DREAM.but(
        order="p2", greedy=False, t_max=0.6, t_min=0.6, top_p=0.95, position_temperature=0.5
    ),
    "spread as dLLM does": DREAM.but(order="confidence", rounding="nearest"),
    "grows": DREAM_ON,
    "grows, two tokens a step": DREAM_ON.but(order="confidence", tokens_per_step=2),
    "an approximate prefix": DREAM.but(prefix_refresh=3),
    "grows, an approximate prefix": DREAM_ON.but(prefix_refresh=4),
}


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], LocalEngine]:
    known: dict[str, LocalEngine] = {}

    def get(name: str) -> LocalEngine:
        if name not in known:
            folder = tmp_path_factory.mktemp("models") / "dream"
            known[name] = load_engine(str(tiny_dream.write(folder, PROFILES[name])), "cpu")
        return known[name]

    return get


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS.keys())
@pytest.mark.parametrize("name", PROFILES)
def test_every_order_fills(
    name: str, request_: FillRequest, engines: Callable[[str], LocalEngine]
) -> None:
    engine, drafts = engines(name), list[Draft]()
    fill = engine.fill(request_, drafts.append)
    assert len(fill.texts) == request_.holes
    assert drafts
    assert all(len(draft.texts) == request_.holes for draft in drafts)
    assert 0 <= fill.confidence <= 1
    if request_.shape is Shape.LINE:
        assert not any("\n" in text for text in fill.texts)
    again = engine.fill(request_)
    assert (again.texts, again.alternatives) == (fill.texts, fill.alternatives)


@pytest.mark.parametrize("name", ["entropy", "grows"])
def test_a_draft_is_what_its_hole_begins_with(
    name: str, engines: Callable[[str], LocalEngine]
) -> None:
    engine, drafts = engines(name), list[Draft]()
    request = replace(LINE, draft=("x + ",))
    rolled = engine.roll(request)
    assert rolled is not None
    written = [each.texts[0] for each in rolled.candidates if each.log_probability is not None]
    assert written
    assert all(text.startswith("x + ") for text in written)
    engine.fill(request, drafts.append)
    assert all(draft.texts[0].startswith("x + ") for draft in drafts)


def test_holes_change_their_length(
    engines: Callable[[str], LocalEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They begin with four tokens and with eight, and one that a healed seam adds."""
    lengths: set[int] = set()

    def watching(tokenizer: Any, last: Any, slack: int | None) -> Any:
        lengths.update(length for row in last.holes for length in row)
        return read_candidates(tokenizer, last, slack)

    monkeypatch.setattr("engine.fill.infill.read_candidates", watching)
    for seed in range(3):
        engines("grows").fill(replace(LINE, seed=seed))
    assert lengths - {5, 9}
    assert max(lengths) <= 9


def test_fills_share_looks_that_are_of_other_lengths(
    engines: Callable[[str], LocalEngine],
) -> None:
    """In company as alone, though each canvas has its own length at every step."""
    engine = engines("grows, an approximate prefix")
    alone = [engine.fill(each) for each in REQUESTS.values()]
    found: dict[int, Any] = {}
    waiting = list(enumerate(REQUESTS.values()))

    def join() -> Any:

        if not waiting:
            return None
        at, request = waiting.pop(0)
        return Share(request, lambda outcome: found.setdefault(at, outcome), window=str(at))

    SharedEngine(engine, 3).fill_together(join)
    for at, expected in enumerate(alone):
        assert isinstance(found[at], Fill), found[at]
        assert found[at].texts == expected.texts


@pytest.mark.parametrize("profile", [DREAM, DREAM_ON], ids=lambda each: each.name)
def test_a_host_serves_it(profile: Profile, tmp_path: Path) -> None:
    """From a window, over the socket, to the model and back."""
    folder = str(tiny_dream.write(tmp_path / "dream", profile))
    expected = load_engine(folder, "cpu").fill(LINE)
    with HostEngine(Loaded(folder, "cpu"), Habits(linger=0.0)) as engine:
        assert engine.info == EngineInfo(folder, "cpu", confidence="not calibrated")
        fill = engine.submit(LINE).future.result(120)
    assert fill.texts == expected.texts


WRONG = [
    ({"noise": None}, "one token of noise"),
    ({"noise": (4, 7)}, "one token of noise"),
    ({"top_p": 0.0}, "top_p"),
    ({"tokens_per_step": 0}, "tokens_per_step"),
    ({"prefix_refresh": 0}, "prefix_refresh"),
    ({"expand": 6}, "tokens_per_step"),
    ({"expand": 6, "tokens_per_step": 1, "padded": True}, "not padded"),
    ({"expand": 6, "tokens_per_step": 1, "order": "p2"}, "holes grow"),
]


@pytest.mark.parametrize(("changes", "says"), WRONG, ids=str)
def test_a_profile_that_means_nothing_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        DREAM.but(**changes)
