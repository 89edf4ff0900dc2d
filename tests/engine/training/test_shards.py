"""What is packed comes back whole, and nothing else passes for it."""

from __future__ import annotations

import lzma
import random
from pathlib import Path

import pytest

from engine.training import shards


@pytest.mark.parametrize("size", [0, 1, 99_999, 300_000])
def test_there_and_back(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "PART", 100_000)
    file = tmp_path / "state.safetensors"
    file.write_bytes(random.Random(size).randbytes(size))  # does not compress
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / f"{file.name}.009.xz").write_bytes(b"of an earlier, longer file")
    written = shards.pack(file, tmp_path / "parts")
    assert written == shards.parts(tmp_path / "parts", file.name)
    assert all(part.stat().st_size <= 100_000 for part in written)
    assert len(written) >= max(1, size // 100_000)
    back = shards.unpack(tmp_path / "parts", file.name, tmp_path / "back")
    assert back.read_bytes() == file.read_bytes()


def test_a_missing_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "PART", 1000)
    file = tmp_path / "train.jsonl"
    file.write_bytes(random.Random(0).randbytes(5000))
    shards.pack(file, tmp_path / "parts")[-1].unlink()
    with pytest.raises(lzma.LZMAError, match=r"the last part of train\.jsonl is missing"):
        shards.unpack(tmp_path / "parts", file.name, tmp_path / "back")
    assert not (tmp_path / "back").exists()
    with pytest.raises(FileNotFoundError, match="no part of other"):
        shards.unpack(tmp_path / "parts", "other", tmp_path / "back")
