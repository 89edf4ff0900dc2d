"""Against a real server, whose address is in INFILL_TEST_SERVER; several are parted by spaces.

What a model writes is its own: this holds what every server has to do for us.
"""

from __future__ import annotations

import os
import time

import pytest

from engine.api import Cancelled, Draft, EngineError, FillRequest, ModelMissing, Shape, Snippet
from engine.client.connect import connect
from engine.remote import load_remote

ADDRESSES = os.environ.get("INFILL_TEST_SERVER", "").split()
PATIENCE = 120.0  # seconds; a small machine may run the server, too

pytestmark = [
    pytest.mark.skipif(not ADDRESSES, reason="INFILL_TEST_SERVER names no real server"),
    pytest.mark.parametrize("address", ADDRESSES),
]

LINE = FillRequest(
    ("def add(a, b):\n    return ", "\n\n\nprint(add(1, 2))\n"),
    language="python",
    path="/home/me/sums.py",
    shape=Shape.LINE,
    context=(Snippet("UNIT = 3\n", "/home/me/units.py"),),
    max_tokens=24,
)
BLOCK = FillRequest(
    ("def fib(n):\n    ", "\n\n\nprint(fib(10))\n"),
    language="python",
    path="fib.py",
    shape=Shape.BLOCK,
    max_tokens=48,
)


def test_a_line_and_a_block(address: str) -> None:
    engine = load_remote(address)
    assert engine.info.way
    assert engine.info.why
    for request in (LINE, BLOCK):
        drafts: list[Draft] = []
        fill = engine.fill(request, drafts.append)
        (text,) = fill.texts
        assert "\n" not in text or request.shape is Shape.BLOCK
        assert not text or drafts[-1].texts[0].startswith(text)
        assert 0.0 <= fill.confidence <= 1.0
        assert "<|" not in text
        if engine.info.confidence == "not calibrated" and drafts:
            assert drafts[0].confidence


def test_the_same_again(address: str) -> None:
    """Greedy decoding; only a canvas on a vLLM cannot be seeded."""
    engine = load_remote(address)
    first, second = (engine.fill(LINE).texts for _ in range(2))
    assert first == second or engine.info.way == "pinned canvas"


def test_several_windows(address: str) -> None:
    with connect(address) as first, connect(address) as second:
        jobs = [window.submit(LINE) for window in (first, second, first)]
        texts = {job.future.result(PATIENCE).texts for job in jobs}
    assert texts


def test_a_cancel(address: str) -> None:
    """The next fill does not wait for what was left."""
    engine = load_remote(address)
    long = FillRequest(BLOCK.texts, language="python", max_tokens=400)
    drafts: list[Draft] = []
    with pytest.raises(Cancelled):
        engine.fill(long, drafts.append, lambda: True)
    began = time.monotonic()
    engine.fill(LINE)
    assert time.monotonic() - began < PATIENCE


def test_a_file_that_is_too_long(address: str) -> None:
    """Less of it is shown until it fits."""
    lines = "".join(f"value_{number} = compute({number})\n" for number in range(4000))
    request = FillRequest((f"{lines}value = ", f"\n{lines}"), shape=Shape.LINE, max_tokens=8)
    try:
        load_remote(address).fill(request)
    except EngineError as error:
        if "does not answer within" not in str(error):
            raise
        pytest.skip(f"too slow to read thousands of tokens: {error}")


def test_a_model_that_is_not_there(address: str) -> None:
    with pytest.raises(ModelMissing, match="it has"):
        load_remote(f"{address.partition('#')[0]}#no/such-model")
