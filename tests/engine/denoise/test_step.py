"""The step that a CUDA graph holds, uncaptured: it believes what the plain model believes."""

from __future__ import annotations

import pytest
import torch

from engine.denoise.canvas import Canvas, lay_out
from engine.denoise.sampler import entropy
from engine.denoise.step import Shape, Step, bucket_of
from engine.models.diffusion_gemma import Config, DiffusionGemma, Rope
from kernels.acceptance import Rule


def model() -> DiffusionGemma:
    torch.manual_seed(0)
    config = Config(
        vocab_size=61,
        hidden_size=32,
        intermediate_size=48,
        moe_intermediate_size=24,
        num_experts=4,
        top_k_experts=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        num_global_key_value_heads=1,
        global_head_dim=32,
        layer_types=("sliding_attention", "full_attention"),
        sliding_window=8,
        rope={"sliding_attention": Rope(1e4), "full_attention": Rope(1e6, 0.25)},
        canvas_length=16,
        max_position_embeddings=512,
    )
    made = DiffusionGemma(config).eval().requires_grad_(False)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return made


def test_it_believes_what_the_model_believes() -> None:
    plain = model()
    cache = plain.encode(torch.arange(21) % 61)
    words = {"eos": 1, "pad": 0, "end_of_text": False}
    layouts = [lay_out([5, 6], [], [7, 8, 9], [length], 12, **words) for length in (3, 6)]
    canvas = Canvas.of([layout for layout in layouts if layout], torch.device("cpu"))
    banned = torch.zeros(61, dtype=torch.bool)
    banned[:5] = True
    step = Step(plain, Shape.of(canvas, cache), Rule(0.1, 0.005, 61))
    step.load(canvas, cache, banned)
    signal = None
    pinned = torch.ones_like(canvas.ids, dtype=torch.bool).scatter(1, canvas.places, False)
    for number in (1, 2, 3):
        ids = step.ids.clone()
        logits = plain.decode(ids, cache, self_conditioning=signal, places=canvas.places)
        logits = logits.masked_fill(banned, -torch.inf)
        beliefs = step.run(number, 0.7, seed=number)
        assert torch.equal(beliefs.likeliest.view(2, -1), logits.argmax(dim=-1))
        torch.testing.assert_close(beliefs.entropy.view(2, -1), entropy(logits / 0.7))
        assert torch.equal(step.ids[pinned], canvas.ids[pinned])
        signal = step.signal.clone()
        known = plain.embed(step.ids)
        assert torch.equal(signal[pinned], known[pinned])
        believed = plain.soft_embedding(logits / 0.7)
        for row, last in enumerate(canvas.real.sum(dim=-1).tolist()):
            torch.testing.assert_close(signal[row, canvas.places[row, :last]], believed[row, :last])


@pytest.mark.parametrize(("length", "bucket"), [(0, 256), (256, 256), (257, 1024), (32769, 65536)])
def test_bucket(length: int, bucket: int) -> None:
    assert bucket_of(length) == bucket


def test_another_shape_is_refused() -> None:
    plain = model()
    cache = plain.encode(torch.arange(9))
    layout = lay_out([5], [], [7], [3], 12, eos=1, pad=0, end_of_text=False)
    assert layout is not None
    canvas = Canvas.of([layout], torch.device("cpu"))
    step = Step(plain, Shape(2, 12, 3, 256), Rule(0.1, 0.005, 61))
    with pytest.raises(ValueError, match="does not fit"):
        step.load(canvas, cache, torch.zeros(61, dtype=torch.bool))
