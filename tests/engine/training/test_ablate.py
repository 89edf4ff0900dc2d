"""Rows that change what they say, on the same texts, measured by the same questions."""

from __future__ import annotations

import json
import signal
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.training import ablate as ablation
from engine.training.ablate import TABLE, Row, ablate, changed, write_rows
from engine.training.settings import Settings
from engine.training.source import Source, write_sources
from engine.training.train import Run

SOURCES = [path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))]


def test_every_row_of_the_table_is_a_setting() -> None:
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    small = changed(Settings.read(), table["scale"])
    for name, changes in table["rows"].items():
        assert (changed(small, changes) == small) is (name == "baseline"), name


def test_a_name_that_is_no_setting() -> None:
    with pytest.raises(ValueError, match=r"noise\.volume is no setting"):
        changed(Settings.read(), {"noise.volume": 1})


@pytest.fixture
def signals() -> Iterator[None]:
    """Training listens to SIGTERM; afterwards it is pytest's again."""
    kept = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, kept)


@pytest.mark.usefixtures("signals")
def test_rows(tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "ablations.toml"
    table.write_text(
        '[scale]\n"model.hidden_size" = 16\n[rows.baseline]\n'
        '[rows.frozen]\n"optimiser.matrix_rate" = 0.0\n"optimiser.other_rate" = 0.0\n'
        '[rows.bytes]\n"model.vocab_size" = 300\n'
    )
    monkeypatch.setattr(ablation, "TABLE", table)
    monkeypatch.setattr(ablation, "MEASURED", 2)
    sources = [Source("attrs", f"{n}.py", text) for n, text in enumerate(SOURCES)]
    for name in ("train", "held_out"):
        write_sources(sources, tmp_path / f"{name}.jsonl")
    schedule = replace(tiny.settings.schedule, causal_share=0.5)
    settings = replace(tiny.settings, schedule=schedule)
    cpu = torch.device("cpu")
    run = Run(settings, tmp_path, tmp_path / "work", tiny.tokenizer_path, cpu, False, None, 1)
    reported: list[Row] = []
    rows = ablate(run, 6, report=reported.append)
    assert reported == rows
    assert [row.name for row in rows] == ["baseline", "frozen", "bytes"]
    assert rows[0].gain == 0.0
    assert rows[1].gain == pytest.approx(rows[0].slot_loss - rows[1].slot_loss, abs=1e-3)
    assert rows[1].causal_loss > rows[0].causal_loss  # what does not learn knows less
    write_rows(rows, tmp_path / "rows.json")
    assert [row["steps"] for row in json.loads((tmp_path / "rows.json").read_text())] == [6, 6, 6]
    # Untrained alike, but a token of 300 says less than one of 4096: more of them for a text.
    assert rows[2].parameters < rows[0].parameters
    assert rows[2].causal_loss > 1.2 * rows[0].causal_loss
    with pytest.raises(ValueError, match="no row nothing"):
        ablate(run, 6, ("nothing",))
