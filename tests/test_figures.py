"""What the documentation says was measured is what the committed results say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import figures
from benchmarks.figures import (
    MARKED,
    TABLE,
    NoSuchNumber,
    differences,
    look_up,
    main,
    pages,
    written,
)
from benchmarks.tables import TABLES

# A number with a unit that only measuring can tell.
MEASURED = re.compile(r"(?<![\w.])\d[\d,.]*(?:\s?%|\s(?:ms|ns|s|MB|MiB|GB|GiB|GFLOP/s|times)\b)")
# What is no measurement: limits, sizes of cards and files, what a key press takes in a test.
NO_MEASUREMENT = {
    "README.md": {"24 GB"},
    "docs/performance.md": {"100 ms", "5 ms", "2 ms", "80 MB", "150 ms"},
    "docs/models.md": {
        *("12 GB", "16 GB", "24 GB", "32 GB", "40 GB", "80 GB", "60 MB", "3%"),
        *("1.0 GB", "1.1 GB", "1.3 GB", "1.4 GB", "15.2 GB", "18.9 GB", "51.7 GB"),
    },
    "docs/evaluation.md": {"10 s", "95%", "1 GiB"},
    "docs/contributing.md": {"5 ms"},
    "docs/getting-started.md": {"4 GB", "12 GB", "24 GB"},
    "docs/remote.md": {"5 s", "60 s", "180 s"},
    "docs/quality.md": {"95%"},
    "docs/training.md": {"98.5 MB", "48 MiB"},
    "docs/workspace.md": {"50 ms", "50 times"},
    "docs/team.md": {"80 GB", "95%"},
}


@pytest.mark.parametrize(
    "page", pages(), ids=lambda page: page.relative_to(figures.ROOT).as_posix()
)
def test_every_figure_is_what_its_result_says(page: Path) -> None:
    """If this fails: python -m benchmarks.figures --write."""
    assert [str(each) for each in differences(page)] == []
    text = page.read_text(encoding="utf-8")
    assert text.count("<!-- number ") == text.count("<!-- /number -->")
    assert text.count("<!-- number ") == len(MARKED.findall(text)), "a mark that cannot be read"
    assert text.count("<!-- table ") == len(TABLE.findall(text)), "a table that cannot be read"


def test_every_table_stands_in_a_page() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in pages())
    assert {found["name"] for found in TABLE.finditer(text)} == set(TABLES)


@pytest.mark.parametrize(
    "page", pages(), ids=lambda page: page.relative_to(figures.ROOT).as_posix()
)
def test_nothing_measured_is_typed_by_hand(page: Path) -> None:
    text = TABLE.sub("", MARKED.sub("", page.read_text(encoding="utf-8")))
    plain = re.sub(r"(?s:```.*?```)|^ {4}[^\n]*$|`[^`\n]*`", "", text, flags=re.MULTILINE)
    allowed = NO_MEASUREMENT.get(page.relative_to(figures.ROOT).as_posix(), set())
    assert set(MEASURED.findall(plain)) - allowed == set()


RESULT = {
    "bytes": 6_291_456,
    "cases": {"its steps": {"p50": 272, "p95": 552}},
    "rows": [{"part": "all", "n": 3}, {"part": "without bare brackets", "n": 1200}],
    "pass@1": 0.125,
}
PLACES = {
    "cases.its_steps.p50 {} ms": "272 ms",
    "cases.its_steps.p95 / cases.its_steps.p50 {:.1f} times": "2.0 times",
    "cases.its_steps.p95 - cases.its_steps.p50 {}": "280",
    "rows[part=without_bare_brackets].n {:,}": "1,200",
    "rows[part=all,n=3].n {}": "3",
    "rows.@count {}": "2",
    "bytes / 1048576 {:.0f} MiB": "6 MiB",
    "pass@1 {:.1%}": "12.5%",
}
NO_PLACES = {
    "cases.none.p50": "made has no .none",
    "rows[part=none].n": "made has no [part=none]",
    "rows[": "is no place",
    "pass@1.mean": "made has no .mean",
}


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    (tmp_path / "made.json").write_text(json.dumps(RESULT))
    monkeypatch.setattr(figures, "RESULTS", tmp_path)
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    figures.read_result.cache_clear()

    def write(mark: str) -> Path:
        text = f"| a | <!-- number {mark} -->old<!-- /number --> | 7 % |\n"
        (tmp_path / "README.md").write_text(text)
        return tmp_path / "README.md"

    return write


@pytest.mark.parametrize(("mark", "value"), PLACES.items())
def test_a_mark_is_found_and_written(
    mark: str, value: str, page: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = page(f"made {mark}")
    assert main([]) == 1
    assert f"README.md:1: 'old' should be '{value}'" in capsys.readouterr().out
    assert main(["--write"]) == 0
    text = path.read_text()
    assert f"-->{value}<!-- /number --> | 7 % |" in text
    assert (main([]), written(text)) == (0, text)


@pytest.mark.parametrize(("place", "words"), NO_PLACES.items())
def test_a_place_that_is_not_there(place: str, words: str) -> None:
    with pytest.raises(NoSuchNumber, match=re.escape(words)):
        look_up(RESULT, place, "made")


def test_a_result_that_is_not_there(
    page: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = page("nowhere a {}")
    before = path.read_text()
    assert main(["--write"]) == 1
    assert "there is no result nowhere" in capsys.readouterr().err
    assert path.read_text() == before


def test_a_table_is_written_whole_and_nothing_beside_it_is_lost() -> None:
    before = (
        "a\n<!-- table gates --><!-- /table -->\nb\n<!-- table gates -->\nold\n<!-- /table -->\nc\n"
    )
    text = written(before)
    table = f"<!-- table gates -->\n{TABLES['gates']()}\n<!-- /table -->"
    assert text == f"a\n{table}\nb\n{table}\nc\n"
    assert written(text) == text


def test_a_table_that_is_not_there() -> None:
    with pytest.raises(NoSuchNumber, match="there is no table nowhere"):
        written("<!-- table nowhere --><!-- /table -->")
