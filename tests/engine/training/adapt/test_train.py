"""Training: AdamW in parts, and a state to go on from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from engine.training.adapt.adapters import CANVAS_ADAPTER
from engine.training.adapt.model import TAUGHT
from engine.training.adapt.optimiser import State, measure_norm, update
from engine.training.adapt.settings import Settings
from engine.training.adapt.train import Run, train


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_parts_of_a_step_are_one_step_of_adamw(settings: Settings, processes: int) -> None:
    torch.manual_seed(0)
    state = State.new(1000, processes, torch.float32, torch.device("cpu"))
    state.master.copy_(torch.randn(1000))
    expected = torch.nn.Parameter(state.master.clone())
    adam = replace(settings.optimiser, weight_decay=0.1)
    reference = torch.optim.AdamW(
        [expected], lr=adam.rate, betas=adam.betas, weight_decay=adam.weight_decay
    )
    mean = state.master.clone()
    for step in range(3):
        state.gradients.copy_(torch.randn(processes, 1000))
        expected.grad = state.gradients.mean(0)
        torch.nn.utils.clip_grad_norm_([expected], adam.clip)
        reference.step()
        for rank in range(processes):
            measure_norm(state, rank)
        for rank in range(processes):
            update(state, rank, adam, 1.0, step)
        mean += (expected.detach() - mean) * max(adam.average, 1 / (step + 1))
    torch.testing.assert_close(state.master, expected.detach(), rtol=1e-5, atol=1e-6)
    assert state.weights.equal(state.master)
    torch.testing.assert_close(state.mean, mean, rtol=1e-5, atol=1e-6)


def run_of(settings: Settings, base: Path, corpus: Path, folder: Path, positions: int) -> Run:
    schedule = replace(settings.schedule, positions=positions)
    here = torch.device("cpu")
    return Run(replace(settings, schedule=schedule), base, corpus, folder, here, False, None, 1)


def test_it_learns_and_goes_on_where_it_stopped(
    settings: Settings, base: Path, corpus: Path, tmp_path: Path
) -> None:
    # The schedule looks only at what is done, as long as the end is far.
    far = replace(settings, schedule=replace(settings.schedule, decay_share=0.0))
    train(run_of(far, base, corpus, tmp_path / "whole", 4000))
    train(run_of(far, base, corpus, tmp_path / "parts", 2000))
    train(run_of(far, base, corpus, tmp_path / "parts", 4000))
    whole, parts = (load_file(tmp_path / name / "state.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    for name in whole:
        torch.testing.assert_close(whole[name], parts[name])
    logs = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").open()]
    assert [entry["step"] for entry in logs] == list(range(len(logs)))
    assert logs[-1]["slot"] < logs[0]["slot"]
    curve = [json.loads(line) for line in (tmp_path / "whole" / "curve.jsonl").open()]
    assert curve[0]["positions"] == 0


def test_a_snapshot_holds_what_was_learnt(
    settings: Settings,
    base: Path,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.training.adapt.train.MEASURE_EVERY", 1000)
    train(run_of(settings, base, corpus, tmp_path, 1500))
    (folder,) = tmp_path.glob("*M")
    stored = load_file(folder / CANVAS_ADAPTER)
    assert {tensor.dtype for tensor in stored.values()} == {torch.bfloat16}
    assert all(each.any() for each in stored.values())
    whole, before = (load_file(path / "model.safetensors") for path in (folder, base))
    changed = {name for name in before if not whole[name].equal(before[name].bfloat16())}
    assert changed == {"model.embed_tokens.weight"}
    rows = whole["model.embed_tokens.weight"] != before["model.embed_tokens.weight"].bfloat16()
    assert set(rows.any(-1).nonzero()[:, 0].tolist()) == set(TAUGHT)
    assert AutoModelForCausalLM.from_pretrained(folder)


def test_several_processes_need_a_cpu_and_an_even_share(
    settings: Settings, base: Path, corpus: Path, tmp_path: Path
) -> None:
    run = run_of(settings, base, corpus, tmp_path, 1000)
    with pytest.raises(ValueError, match="share a CPU"):
        train(replace(run, device=torch.device("meta"), processes=2))
    with pytest.raises(ValueError, match="do not part"):
        train(replace(run, processes=3))
