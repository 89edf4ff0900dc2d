"""`infill-ls demo`: real code of others, found where it is installed and left as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.evaluation.splits import REPORT, split_of
from lsp_server.commands.demo import places
from lsp_server.commands.demo.places import draw_places, read_packages
from tests.cli.conftest import Infill


@pytest.fixture(scope="module")
def texts() -> list[places.Text]:
    return list(read_packages())


@pytest.mark.parametrize("package", places.PACKAGES)
def test_nothing_was_trained_on_them_or_fitted_to_them(package: str) -> None:
    assert split_of(package) == REPORT


@pytest.mark.parametrize("seed", range(5))
def test_the_seed_alone_draws_the_places(texts: list[places.Text], seed: int) -> None:
    drawn = draw_places(8, seed)
    assert drawn == draw_places(8, seed)
    assert drawn != draw_places(8, seed + 1)
    assert drawn.files == len(texts) > 50
    whole = {text.name: text.text for text in texts}
    first, between, after = drawn.around
    assert first + drawn.written[0] + between + drawn.written[1] + after == whole[drawn.name]
    for gap in (drawn.live, drawn.by_hand):
        assert gap.prefix + gap.replaced + gap.suffix == whole[gap.document.path.lstrip("/")]
        assert gap.replaced.strip()
        assert "\n" not in gap.replaced


def test_what_is_offered_is_counted_and_the_four_parts_are_shown(
    monkeypatch: pytest.MonkeyPatch, infill: Infill, tmp_path: Path
) -> None:
    monkeypatch.undo()  # an engine in a process of its own
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("lsp_server.commands.demo.command.PAUSES", 6)
    drawn = draw_places(6, 0)
    exact, other, *_ = drawn.pauses
    rules = [
        {"after": exact.prefix[-60:], "text": exact.wanted.split("\n")[0], "confidence": 0.9},
        {"after": other.prefix[-60:], "text": "nothing_like_it", "confidence": 0.9},
        {"text": "x", "confidence": 0.1},
    ]
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"fills": rules}))
    outcome = infill("demo", "--model", script, "--factory", "tests.scripted:load")
    assert outcome.code == 0, outcome.err
    shown = " ".join(outcome.out.split())
    assert "Of 6 pauses it spoke at 2: 1 were what the author wrote, 0 nearly, 1" in shown
    assert "At 4 it showed nothing" in shown
    for part in ("1. ghost text", "2. a gap in", "3. two holes of a function", "4. a fill by hand"):
        assert part in shown
    assert "neither trained on nor fitted to" in shown


def test_without_the_packages_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, infill: Infill
) -> None:
    monkeypatch.setattr(places, "PACKAGES", ("no_such_package",))
    outcome = infill("demo")
    assert outcome.code == 1
    assert outcome.err == "infill-ls: no_such_package is not installed: run `make demo`\n"
