"""Our DiffusionGemma against the one in `transformers`, on random weights.

`transformers` keeps only the last window - 1 keys of a sliding layer, we keep them all: where KV is
compared, it is over the keys that both have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DiffusionGemmaForBlockDiffusion, DynamicCache

from engine.checkpoints.load import load_model
from engine.models.diffusion_gemma import SLIDING, DiffusionGemma, KVCache

TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Case:
    """A prompt encoded in `pieces`, then `canvases` of `canvas` tokens denoised after it."""

    name: str
    pieces: tuple[int, ...]
    canvases: int = 1
    canvas: int = 12
    conditioned: bool = False
    variant: str = "routed"


# The window of every variant but one is 8, canvas_length 12.
CASES = [
    Case("prompt of one token", pieces=(1,)),
    Case("prompt one short of the window", pieces=(7,)),
    Case("prompt as long as the window", pieces=(8,)),
    Case("prompt one over the window", pieces=(9,)),
    Case("prompt of many windows", pieces=(61,)),
    Case("self-conditioned", pieces=(20,), conditioned=True),
    Case("three canvases", pieces=(20,), canvases=3),
    Case("three canvases, self-conditioned", pieces=(20,), canvases=3, conditioned=True),
    Case("short canvas", pieces=(20,), canvas=5),
    Case("canvas of one token", pieces=(20,), canvas=1, conditioned=True),
    Case("canvas longer than the window and canvas_length", pieces=(20,), canvas=17),
    Case("encoded in two pieces", pieces=(13, 7)),
    Case("a piece ends at the window", pieces=(8, 12), conditioned=True),
    Case("pieces that cross the window", pieces=(3, 1, 9, 17), canvases=3),
    Case("token by token", pieces=(1,) * 11),
    Case("dense path, all used", (20,), 3, conditioned=True, variant="two experts, both used"),
    Case("dense path, some used", (5, 15), 3, conditioned=True, variant="four experts, two used"),
    Case("one expert", (20,), variant="one expert", conditioned=True),
    Case("no grouping of heads", (20,), variant="no grouping of heads"),
    Case("kv heads alike", (20,), variant="kv heads alike"),
    Case("layer types alike", (20,), variant="both layer types alike"),
    Case("three sliding layers", (9, 15), 3, variant="three sliding layers in a row"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_equals_transformers(case: Case, oracle: Callable[[str], Any]) -> None:
    check(case, oracle(case.variant).reference, oracle(case.variant).ours())


@torch.no_grad()
def check(case: Case, reference: Any, ours: DiffusionGemma) -> None:
    prompt, canvas, beliefs = inputs(case, ours)

    cache = DynamicCache(config=reference.config.text_config)
    rows = prompt.expand(case.canvases, -1)
    encoded = reference.model.encoder(input_ids=rows, past_key_values=cache)
    our_cache = encode(ours, prompt, case.pieces)
    assert our_cache.length == prompt.shape[1]
    for index, layer in enumerate(cache.layers):
        kept = layer.keys.shape[2]
        assert_close(our_cache.keys[index][:, :, -kept:], layer.keys[:1], f"keys of {index}")
        assert_close(our_cache.values[index][:, :, -kept:], layer.values[:1], f"values of {index}")

    expected = reference(
        decoder_input_ids=canvas, past_key_values=cache, self_conditioning_logits=beliefs
    ).logits
    assert_close(ours.decode(canvas, our_cache, beliefs), expected, "logits")

    cap = reference.final_logit_softcapping
    causal = torch.tanh(reference.lm_head(encoded.last_hidden_state) / cap) * cap
    assert_close(ours.score(rows), causal, "causal logits")
    first = case.pieces[0]
    after_first = ours.score(rows[:, first:], our_cache.crop(first))
    assert_close(after_first, causal[:, first:], "causal logits after a cache")


def inputs(case: Case, model: DiffusionGemma) -> tuple[Tensor, Tensor, Tensor | None]:
    """A prompt [1, T], canvases [B, C] and what the last step believed, the same at every call."""
    generator = torch.Generator().manual_seed(1)
    vocabulary = model.config.vocab_size
    prompt = torch.randint(vocabulary, (1, sum(case.pieces)), generator=generator)
    canvas = torch.randint(vocabulary, (case.canvases, case.canvas), generator=generator)
    beliefs = torch.randn(*canvas.shape, vocabulary, generator=generator) * 3
    return prompt, canvas, beliefs if case.conditioned else None


def encode(model: DiffusionGemma, prompt: Tensor, pieces: tuple[int, ...]) -> KVCache:
    cache = None
    for piece in prompt.split(list(pieces), dim=1):
        cache = model.encode(piece, cache)
    assert cache is not None
    return cache


def assert_close(ours: Tensor, theirs: Tensor, what: str) -> None:
    assert ours.shape == theirs.shape, what
    difference = (ours - theirs).abs().max().item() if ours.numel() else 0.0
    assert difference <= TOLERANCE, f"{what} differ by {difference:.1e}"


BFLOAT16_CASES = [
    Case("no routing", (20,), 3, conditioned=True, variant="one expert"),
    Case("dense path, all used", (20,), 3, conditioned=True, variant="two experts, both used"),
    Case("dense path, some used", (13, 7), 3, variant="four experts, two used"),
    Case("routed", (13, 7), 3, conditioned=True),
]


@pytest.mark.parametrize("case", BFLOAT16_CASES, ids=lambda case: case.name)
@torch.no_grad()
def test_bfloat16_errs_as_transformers_does(case: Case, oracle: Callable[[str], Any]) -> None:
    """Rounding to bfloat16 moves our logits no further from float32 than it moves theirs.

    In the median: where rounding sends a token to another expert, in either, its logits jump.
    """
    exact, ours = oracle(case.variant).ours(), oracle(case.variant).ours(torch.bfloat16)
    theirs = DiffusionGemmaForBlockDiffusion.from_pretrained(
        oracle(case.variant).folder, dtype=torch.bfloat16
    )
    prompt, canvas, beliefs = inputs(case, exact)
    expected = exact.decode(canvas, exact.encode(prompt), beliefs)

    our_logits = ours.decode(canvas, encode(ours, prompt, case.pieces), beliefs)
    cache = DynamicCache(config=theirs.config.text_config)
    theirs.model.encoder(input_ids=prompt.expand(case.canvases, -1), past_key_values=cache)
    their_logits = theirs(
        decoder_input_ids=canvas, past_key_values=cache, self_conditioning_logits=beliefs
    ).logits

    our_error = (our_logits - expected).abs().median()
    their_error = (their_logits - expected).abs().median()
    assert their_error < 0.02 * expected.abs().max(), "too rough to compare"
    assert our_error <= 1.25 * their_error


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("case", [CASES[0], CASES[13], CASES[15]], ids=lambda case: case.name)
@torch.no_grad()
def test_cuda_equals_cpu(case: Case, oracle: Callable[[str], Any]) -> None:
    here, there = oracle(case.variant).ours(), oracle(case.variant).ours(device="cuda")
    prompt, canvas, beliefs = inputs(case, here)
    expected = here.decode(canvas, here.encode(prompt), beliefs)
    cache = encode(there, prompt.cuda(), case.pieces)
    logits = there.decode(canvas.cuda(), cache, None if beliefs is None else beliefs.cuda())
    assert_close(logits.cpu(), expected, "logits")


@pytest.mark.parametrize(
    ("back", "seen"), [(1, True), (7, True), (8, False), (20, False)], ids=lambda value: str(value)
)
@torch.no_grad()
def test_canvas_sees_the_last_window_less_one_keys_of_sliding_layers(
    back: int, seen: bool, oracle: Callable[[str], Any]
) -> None:
    """Every canvas position sees the same ones: the key `back` tokens before the canvas counts for
    all of them or for none."""
    model = oracle("routed").ours()
    prompt, canvas, _ = inputs(Case("", pieces=(20,), canvas=12), model)
    cache = model.encode(prompt)
    keys = [
        disturbed(key, back) if kind == SLIDING else key
        for key, kind in zip(cache.keys, model.config.layer_types, strict=True)
    ]
    before = model.decode(canvas, cache)
    after = model.decode(canvas, KVCache(tuple(keys), cache.values))
    moved = (after != before).any(dim=-1)
    assert moved.all() if seen else not moved.any()


def disturbed(key: Tensor, back: int) -> Tensor:
    key = key.clone()
    key[:, :, -back] += 3.0
    return key


@torch.no_grad()
def test_a_cropped_cache_is_that_of_the_shorter_prompt(oracle: Callable[[str], Any]) -> None:
    model = oracle("routed").ours()
    prompt, canvas, _ = inputs(Case("", pieces=(30,)), model)
    cropped = model.encode(prompt).crop(11)
    assert_close(
        model.decode(canvas, cropped), model.decode(canvas, model.encode(prompt[:, :11])), "logits"
    )
    assert_close(
        model.decode(canvas, model.encode(prompt[0, 11:], cropped)),
        model.decode(canvas, model.encode(prompt)),
        "logits after the cropped cache grew again",
    )


@torch.no_grad()
def test_soft_embeddings_condition_as_their_logits_do(oracle: Callable[[str], Any]) -> None:
    model = oracle("routed").ours()
    prompt, canvas, beliefs = inputs(Case("", pieces=(9,), canvases=3, conditioned=True), model)
    assert beliefs is not None
    cache = model.encode(prompt)
    by_embedding = model.decode(canvas, cache, self_conditioning=model.soft_embedding(beliefs))
    assert torch.equal(by_embedding, model.decode(canvas, cache, beliefs))


@torch.no_grad()
def test_canvases_of_a_batch_do_not_see_each_other(oracle: Callable[[str], Any]) -> None:
    model = oracle("routed").ours()
    prompt, canvas, beliefs = inputs(Case("", pieces=(20,), canvases=3, conditioned=True), model)
    assert beliefs is not None
    cache = model.encode(prompt)
    together = model.decode(canvas, cache, beliefs)
    for row in range(3):
        alone = model.decode(canvas[row : row + 1], cache, beliefs[row : row + 1])
        assert_close(together[row : row + 1], alone, f"row {row}")


@torch.no_grad()
def test_no_tokens_add_nothing(oracle: Callable[[str], Any]) -> None:
    model = oracle("routed").ours()
    prompt, canvas, _ = inputs(Case("", pieces=(9,)), model)
    cache = model.encode(prompt)
    nothing = prompt[:, :0]
    assert model.encode(nothing).length == 0
    assert model.encode(nothing, cache).length == 9
    assert_close(
        model.decode(canvas, model.encode(prompt, model.encode(nothing))),
        model.decode(canvas, cache),
        "logits",
    )
    assert model.decode(canvas, model.encode(nothing)).isfinite().all()


def test_encode_refuses_a_batch(oracle: Callable[[str], Any]) -> None:
    with pytest.raises(ValueError, match="one prompt"):
        oracle("routed").ours().encode(torch.zeros(2, 3, dtype=torch.long))


def test_load_model_takes_a_path_as_text(oracle: Callable[[str], Any]) -> None:
    model = load_model(str(oracle("routed").folder), "cpu", torch.bfloat16)
    assert (model.dtype, model.device.type) == (torch.bfloat16, "cpu")
    assert not any(parameter.requires_grad for parameter in model.parameters())
