"""Gaps in whole repositories, and how much better they are filled with what stands around them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.api import FillRequest, Proposal, Snippet
from engine.checkpoints.profile import UNTRAINED_FOR_GAPS
from engine.evaluation import __main__ as evaluation
from engine.evaluation.items import BadData, Item
from engine.evaluation.measure import judge
from engine.evaluation.methods import FillerInRepository
from engine.evaluation.repositories import ALONE, cut_repositories, gains
from engine.fill.candidates import Candidate
from engine.fill.infill import LocalEngine, Rolled
from engine.fill.rank import Evidence, Likelihood

CODE = "".join(f"variable_{n} = function_{n}(argument_{n})\n" for n in range(30))


def repositories(folder: Path) -> Path:
    for name in ("one/a.py", "one/src/b.py", "two/c.go", "two/secrets/d.go"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CODE)
    return folder


def test_gaps_know_their_file(tmp_path: Path) -> None:
    data = repositories(tmp_path)
    items = cut_repositories(data, 0, lambda path: "secrets" in path, lines=20, blocks=5)
    assert {item.path for item in items} == {"one/a.py", "one/src/b.py", "two/c.go"}
    for item in items:
        assert item.prefix + item.solution + item.suffix == (data / item.path).read_text()
    assert items == cut_repositories(data, 0, lambda path: "secrets" in path, lines=20, blocks=5)


@pytest.mark.parametrize("name", ["nothing", "a file", "an empty folder"])
def test_what_holds_no_repository_is_refused(tmp_path: Path, name: str) -> None:
    if name != "nothing":
        (tmp_path / name).mkdir() if "folder" in name else (tmp_path / name).write_text("")
    with pytest.raises(BadData, match="repositories"):
        cut_repositories(tmp_path / name)


def test_other_suites_take_nothing_around(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluation.main(["files", "--data", str(tmp_path), "--around", "a:b"]) == 1
    assert "needs --around, and no other does" in capsys.readouterr().out
    assert evaluation.main(["repositories", "--data", str(tmp_path)]) == 1


def candidate(text: str, score: float, written: bool, proposed: int) -> Candidate:
    evidence = Evidence(Likelihood(score, score), 0, 3, proposed_match=proposed)
    evidence = replace(evidence, proposed_times=int(proposed > 0))
    return Candidate((text,), evidence.score(UNTRAINED_FOR_GAPS), evidence, -1 if written else None)


class Remembers:
    profile = UNTRAINED_FOR_GAPS
    fill_of = LocalEngine.fill_of

    def __init__(self) -> None:
        self.asked: list[FillRequest] = []

    def roll(self, request: FillRequest, window: str) -> Rolled:
        self.asked.append(request)
        found = [candidate("proposed", -1, False, 20), candidate("both", -2, True, 9)]
        return Rolled([*found, candidate("written", -3, True, 0)], 2, 32)


def test_ways_that_read_the_same_are_told_apart_by_what_they_propose(tmp_path: Path) -> None:
    engine = Remembers()
    around = {
        ALONE: ((), ()),
        "lookup": ((), [Proposal("proposed", 20), Proposal("both", 9)]),
        "reads": ([Snippet("s")], [Proposal("both", 9)]),
    }
    filler = FillerInRepository(
        engine,  # type: ignore[arg-type]
        lambda data, item, way: around[way],
        tmp_path,
        list(around),
    )
    item = Item("1", "a", "b", "c", "python", False, path="one/a.py")
    fills = {way: filler.fill(item, way) for way in around}
    assert {way: fill.texts[0] for way, fill in fills.items()} == {
        ALONE: "both", "lookup": "proposed", "reads": "both"
    }  # fmt: skip
    assert all(fill.seconds > 0 for fill in fills.values())
    shared, own = engine.asked
    assert [each.text for each in shared.proposals] == ["proposed", "both"]
    assert own.context == (Snippet("s"),)
    scores = [
        next(each.score for each in fills[way].alternatives if each.texts == ("both",))
        for way in (ALONE, "lookup")
    ]
    assert scores[0] < scores[1]  # alone, nothing speaks for it but the model


def test_gains_are_of_the_same_items() -> None:
    answers = []
    for number in range(10):
        item = Item(str(number), "", "", "right", "python", block=number == 9)
        texts = {ALONE: "right" if number < 3 else "", "more": "right" if number < 5 else ""}
        answers += [judge(item, way, text, 1, 0.1, execute=False) for way, text in texts.items()]
    lines, blocks = gains(answers)
    assert (lines["method"], lines["part"], lines["n"]) == ("more", "lines", 9)
    assert lines["gain"]["mean"] == pytest.approx(2 / 9)
    assert lines["gain"]["low"] <= 2 / 9 <= lines["gain"]["high"]
    assert (blocks["n"], blocks["gain"]["mean"]) == (1, 0.0)
