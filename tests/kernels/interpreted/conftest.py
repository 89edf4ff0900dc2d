"""These tests run kernels in Triton's interpreter, which has to be chosen before Triton is
imported: `test_interpreted.py`, a folder up, runs them in a process of their own."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch

if os.environ.get("TRITON_INTERPRET") != "1":
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(autouse=True)
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fresh memory holds NaN, or a number that is no index: what a kernel forgets to write, or
    reads before it was written, shows."""

    def poison(make: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def made(*arguments: Any, **options: Any) -> torch.Tensor:
            out = make(*arguments, **options)
            if out.dtype in (torch.bfloat16, torch.float32):
                return out.fill_(torch.nan)
            return out.fill_(101)

        return made

    monkeypatch.setattr(torch, "empty", poison(torch.empty))
    monkeypatch.setattr(torch, "empty_like", poison(torch.empty_like))
    monkeypatch.setattr(torch.Tensor, "new_empty", poison(torch.Tensor.new_empty))


@pytest.fixture(autouse=True)
def seeded(request: pytest.FixtureRequest) -> None:
    torch.manual_seed(len(request.node.name))
