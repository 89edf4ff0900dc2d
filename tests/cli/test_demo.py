"""`infill-ls demo`: real code of others, found where it is installed and left as it is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.api import Shape
from engine.evaluation.splits import HELD_OUT, split_of
from lsp_server.commands import demo
from lsp_server.gap import with_lf
from tests.cli.conftest import Infill

LINE, BLOCK = demo.SITES


@pytest.mark.parametrize("site", demo.SITES, ids=lambda site: site.file)
def test_the_gaps_are_there(site: demo.Site) -> None:
    gap = site.find()
    assert gap.shape == (Shape.LINE if site is LINE else Shape.BLOCK)
    hidden = with_lf(gap.replaced)
    assert hidden.strip()
    assert (hidden.count("\n") + 1 in range(2, 8)) == (site is BLOCK)


@pytest.mark.parametrize("site", demo.SITES, ids=lambda site: site.file)
def test_no_model_has_learnt_from_them(site: demo.Site) -> None:
    assert split_of(site.distribution) in HELD_OUT


@pytest.mark.parametrize("width", ["80", "140"])
def test_right_and_wrong_are_both_told(
    infill: Infill, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    hidden = with_lf(BLOCK.find().replaced)
    infill.answer({"path": BLOCK.file, "text": hidden}, {"text": "wrong", "confidence": 0.25})
    before = {site.file: site.find().document.text for site in demo.SITES}
    outcome = infill("demo")
    assert outcome.code == 0
    assert outcome.err == ""
    assert "as the model fills it: not the same" in outcome.out
    assert "as the model fills it: the same" in outcome.out
    assert outcome.out.endswith("1 of 2 filled exactly as their authors wrote them.\n")
    assert {site.file: site.find().document.text for site in demo.SITES} == before
    assert all(
        with_lf(site.find().replaced) not in "".join(request.texts)
        for site, request in zip(demo.SITES, infill.engine.requests, strict=True)
    )


def test_code_that_has_moved_is_said(infill: Infill, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = demo.Site("rich", "rich/_stack.py", "a line", after="def shove(self", before="\n")
    monkeypatch.setattr(demo, "SITES", (moved,))
    outcome = infill("demo")
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert "rich/_stack.py of rich" in outcome.err
    assert "make demo" in outcome.err


EMBEDDED = sorted(Path(demo.__file__).parents[2].glob("engine/embedded/model*.safetensors"))


@pytest.mark.skipif(not EMBEDDED, reason="the embedded model is not here")
def test_the_embedded_model_runs_the_demo() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "lsp_server", "demo"], capture_output=True, text=True, timeout=300
    )
    assert run.stderr == ""
    assert run.returncode == 0
    assert re.search(r"\n[012] of 2 filled exactly as their authors wrote them\.\n$", run.stdout)
