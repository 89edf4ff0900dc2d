"""Who runs what: the CPU the references, whatever is asked of it elsewhere."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from kernels import backend


def test_the_cpu_runs_references() -> None:
    assert not backend.uses_kernels(torch.zeros(1, dtype=torch.bfloat16))


@pytest.mark.parametrize(("forced", "serves"), [("", True), ("reference", False), ("triton", True)])
def test_a_cuda_device(forced: str, serves: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "FORCED", forced)
    monkeypatch.setattr(backend, "triton", object())
    assert backend.serves(torch.device("cuda")) is serves
    assert backend.serves(torch.device("cpu")) is (forced == "triton")


def test_what_wants_a_gradient_runs_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "FORCED", "triton")
    x = torch.zeros(1, dtype=torch.bfloat16)
    assert backend.uses_kernels(x, None)
    assert not backend.uses_kernels(x, x.clone().requires_grad_())
    assert not backend.uses_kernels(x.float())


def test_an_unknown_choice_is_refused() -> None:
    run = subprocess.run(
        [sys.executable, "-c", "import kernels.backend"],
        env={"INFILL_KERNELS": "fast"},
        capture_output=True,
        text=True,
    )
    assert "say reference or triton" in run.stderr


def test_without_triton_every_module_imports() -> None:
    code = (
        "import sys; sys.modules['triton'] = None\n"
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'triton' else find(name, *a)\n"
        "import kernels.shapes, kernels.compiled, engine.models"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
