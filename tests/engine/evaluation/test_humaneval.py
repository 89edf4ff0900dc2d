"""The four suites of HumanEval-Infilling in their form, with the embedded model.

The items are made for these tests; none is of a published suite.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from engine.evaluation import __main__ as evaluation
from engine.evaluation.methods import Filler
from engine.fill.load import load_engine

HEAD = (
    "from typing import List\n\n\n"
    "def evens(numbers: List[int]) -> List[int]:\n"
    '    """The even ones of numbers.\n    >>> evens([1, 2])\n    [2]\n    """\n'
)
BODY = (
    "    found = []\n",
    "    for number in numbers:\n",
    "        if number % 2 == 0:\n",
    "            found.append(number)\n",
    "    return found\n",
)
TEST = (
    "\n\ndef check(candidate):\n"
    "    assert candidate([1, 2, 4]) == [2, 4]\n"
    "    assert candidate([]) == []\n"
)
TEXT = HEAD + "".join(BODY)


def item(task: str, start: int, end: int) -> dict[str, str]:
    return {
        "task_id": task,
        "entry_point": "evens",
        "prompt": TEXT[:start],
        "suffix": TEXT[end:],
        "canonical_solution": TEXT[start:end],
        "test": TEST,
    }


def lines(task: str, first: int, last: int) -> dict[str, str]:
    starts = [len(HEAD) + sum(map(len, BODY[:n])) for n in range(len(BODY) + 1)]
    return item(task, starts[first], starts[last + 1])


SPAN = TEXT.index("% 2"), TEXT.index("(number)")
SUITES = {
    "SingleLineInfilling": lines("SingleLineInfilling/Made/0/L4", 4, 4),
    "MultiLineInfilling": lines("MultiLineInfilling/Made/0/L2_L3", 2, 3),
    "RandomSpanInfilling": item("RandomSpanInfilling/Made/0/1", *SPAN),
    "RandomSpanInfillingLight": item("RandomSpanInfillingLight/Made/0", *SPAN),
}


@pytest.fixture(scope="module")
def filler() -> Filler:
    return Filler(load_engine("embedded", "cpu"), steps=4)


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_from_file_to_report(
    name: str,
    filler: Filler,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = tmp_path / f"HumanEval-{name}.jsonl.gz"
    data.write_bytes(gzip.compress(json.dumps(SUITES[name]).encode()))
    monkeypatch.setenv("INFILL_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(evaluation, "_filler", lambda *_: filler)
    evaluation.main(["humaneval-infilling", "--data", str(data), "--execute"])
    told: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    rows = told[-1]["report"]
    assert [row["method"] for row in rows] == list(evaluation.USUAL_METHODS)
    for row in rows:
        for rate in ("pass@1", "exact", "similarity", "repeats_suffix", "parse_errors"):
            assert 0 <= row[rate]["low"] <= row[rate]["mean"] <= row[rate]["high"] <= 1, rate
            assert row[rate]["n"] == 1
        assert row["forwards"] > 0
        assert 0 < row["p50_seconds"] <= row["p95_seconds"]


def test_the_solutions_of_all_kinds_pass() -> None:
    """What is filled in is put where it was taken from, line breaks and all."""
    from engine.evaluation.measure import judge
    from engine.evaluation.suites import _humaneval

    for record in SUITES.values():
        read = _humaneval(record)
        assert judge(read, "oracle", read.solution, 1, 0.1, execute=True).passed
