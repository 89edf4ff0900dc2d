"""Our dense models against those of `transformers`, on random weights, with a mask of four
dimensions that says who looks at whom."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.models.branches import Branches
from engine.models.family import Look, prepared
from tests.engine.models.backbones import (
    BACKBONES,
    BY_NAME,
    Backbone,
    canvas_logits,
    infill,
    logits_of,
    ours,
    reference,
)

WAYS = {
    "causal prefix": infill("causal_prefix"),
    "bidirectional": infill("bidirectional"),
    "bidirectional, shifted": infill("bidirectional", shift=True),
}
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-5}  # norms and angles stay in float32


@dataclass(frozen=True, slots=True)
class Shape:
    """Prompts encoded in `pieces` each; after each of them `canvases` of `width` tokens; all of
    them in one look."""

    name: str
    pieces: tuple[tuple[int, ...], ...]
    canvases: tuple[int, ...]
    width: tuple[int, ...]


SHAPES = [
    Shape("one canvas", ((20,),), (1,), (12,)),
    Shape("three canvases", ((20,),), (3,), (12,)),
    Shape("a canvas of one token", ((20,),), (1,), (1,)),
    Shape("a prompt of one token", ((1,),), (2,), (5,)),
    Shape("no prompt", ((0,),), (2,), (9,)),
    Shape("a prompt in pieces", ((13, 1, 30),), (2,), (16,)),
    Shape("the grain exactly", ((32,),), (2,), (32,)),
    Shape("several prompts", ((20,), (0,), (40, 7)), (1, 3, 2), (12, 5, 33)),
]


@pytest.mark.parametrize("fast", [False, True], ids=["plain", "prepared"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("backbone", BACKBONES, ids=str)
def test_every_backbone_equals_transformers(
    backbone: Backbone, way: str, fast: bool, tmp_path: Path
) -> None:
    check(backbone, way, SHAPES[1], torch.float32, fast, tmp_path)


@pytest.mark.parametrize("fast", [False, True], ids=["plain", "prepared"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_every_shape_equals_transformers(
    shape: Shape, way: str, dtype: torch.dtype, fast: bool, tmp_path: Path
) -> None:
    check(BY_NAME["qwen2"], way, shape, dtype, fast, tmp_path)


@torch.no_grad()
def check(
    backbone: Backbone, way: str, shape: Shape, dtype: torch.dtype, fast: bool, folder: Path
) -> None:
    theirs = reference(backbone, dtype)
    model = ours(theirs, folder, WAYS[way], dtype)
    model = prepared(model) if fast else model
    looks, expected = [], []
    for seed, (pieces, canvases, width) in enumerate(
        zip(shape.pieces, shape.canvases, shape.width, strict=True)
    ):
        draw = torch.Generator().manual_seed(seed)
        prompt = torch.randint(97, (sum(pieces),), generator=draw)
        canvas = torch.randint(97, (canvases, width), generator=draw)
        at = torch.randint(width, (canvases, 1 + width // 2), generator=draw)
        looks.append(Look(canvas, encoded(model, prompt, pieces), at))
        logits = canvas_logits(theirs, prompt, canvas, WAYS[way])
        expected.append(logits.gather(1, at[..., None].expand(-1, -1, 97)))
    found = model.look(looks)
    assert [each.dtype for each in found] == [torch.float32] * len(looks)
    for mine, its in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, its.float(), atol=TOLERANCE[dtype], rtol=1e-5)


def encoded(model: Any, prompt: Tensor, pieces: tuple[int, ...]) -> Any:
    context = None
    for piece in prompt.split(pieces):
        context = model.encode(piece, context)
    assert context is not None
    assert context.length == len(prompt)
    return context


@pytest.mark.parametrize("fast", [False, True], ids=["plain", "prepared"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("backbone", BACKBONES, ids=str)
@torch.no_grad()
def test_the_causal_pass_is_a_language_models(
    backbone: Backbone, dtype: torch.dtype, fast: bool, tmp_path: Path
) -> None:
    theirs = reference(backbone, dtype)
    model = ours(theirs, tmp_path, WAYS["causal prefix"], dtype)
    model = prepared(model) if fast else model
    ids = torch.randint(97, (41,), generator=torch.Generator().manual_seed(1))
    expected = logits_of(theirs, ids[None], torch.ones(41, 41, dtype=torch.bool).tril())[0]
    for past in (0, 1, 17):
        found = model.causal.score(ids[past:], model.encode(ids[:past]))
        torch.testing.assert_close(found, expected[past:].float(), atol=TOLERANCE[dtype], rtol=1e-5)


BRANCHES = [
    ("all of one beginning", 9, [[5, 6, 7, 8], [5, 6, 9], [5, 6, 7, 9, 10, 11]]),
    ("one is another's beginning", 9, [[5, 6], [5, 6, 7]]),
    ("nothing in common", 9, [[5, 6, 7], [8, 9]]),
    ("longer than the grain", 30, [[5, *range(20, 60)], [5, *range(40, 80)]]),
    ("after nothing", 0, [[5, 6, 7], [5, 9]]),
]


@pytest.mark.parametrize("ahead", [[], [70, 71, 72]], ids=["", "reads ahead"])
@pytest.mark.parametrize("fast", [False, True], ids=["plain", "prepared"])
@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3"])
@pytest.mark.parametrize(("case", "past", "rows"), BRANCHES, ids=[each[0] for each in BRANCHES])
@torch.no_grad()
def test_texts_that_branch_score_as_if_alone(
    case: str,
    past: int,
    rows: list[list[int]],
    name: str,
    fast: bool,
    ahead: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.models.scores.SLICE", 4)  # so that there are several
    theirs = reference(BY_NAME[name])
    model = ours(theirs, tmp_path, WAYS["causal prefix"])
    model = prepared(model) if fast else model
    causal, before = model.causal, torch.arange(past) % 97
    context = model.encode(before)
    behind = past + 50  # where the text begins that is read ahead
    if ahead:
        context = causal.read_ahead(torch.tensor(ahead), behind, context)
    branches = Branches.of(rows, pad=0, grain=causal.grain, device=model.device)
    at = [place for path in branches.paths for place in path[:-1]]
    tokens = [token for row in rows for token in row[1:]]
    found = iter(causal.score_branches(branches, past, context, at, tokens))
    for row in rows:
        text = torch.cat((before, torch.tensor([*ahead, *row])))
        sees = torch.ones(len(text), len(text), dtype=torch.bool).tril()
        places = [*range(past), *range(behind, behind + len(ahead)), *range(past, past + len(row))]
        logits = logits_of(theirs, text[None], sees, torch.tensor([places]))
        alone = logits[0, past + len(ahead) :].log_softmax(dim=-1)
        for place, token in enumerate(row[1:]):
            torch.testing.assert_close(next(found), alone[place, token], atol=1e-4, rtol=0)


@pytest.mark.parametrize("fast", [False, True], ids=["plain", "prepared"])
@torch.no_grad()
def test_a_tree_grows_token_by_token(fast: bool, tmp_path: Path) -> None:
    """Two texts after one prompt, each step adding a token to both: what beams do."""
    theirs = reference(BY_NAME["llama"])
    model = ours(theirs, tmp_path, WAYS["causal prefix"])
    model = prepared(model) if fast else model
    before, texts = torch.arange(11), [[20, 21, 22], [30, 31, 32]]
    context = model.encode(before)
    positions, owner = list(range(11)), [-1] * 11
    for depth in range(3):
        ids = torch.tensor([text[depth] for text in texts])
        positions += [11 + depth] * 2
        owner += [0, 1]
        sees = torch.tensor([[who in (-1, row) for who in owner] for row in (0, 1)])
        logits, context = model.causal.score_tree(ids, torch.tensor(positions), sees, context)
        assert context.length == len(positions)
        for row, text in enumerate(texts):
            whole = torch.cat((before, torch.tensor(text[: depth + 1])))
            lower = torch.ones(len(whole), len(whole), dtype=torch.bool).tril()
            its = logits_of(theirs, whole[None], lower)[0, -1]
            torch.testing.assert_close(logits[row], its, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("way", WAYS)
@torch.no_grad()
def test_a_prompt_goes_back_to_any_point(way: str, tmp_path: Path) -> None:
    model = ours(reference(BY_NAME["llama"]), tmp_path, WAYS[way])
    prompt, canvas = torch.arange(40), torch.arange(6)[None]
    at = torch.arange(6)[None]
    cropped = model.encode(prompt[20:33], model.encode(prompt).crop(20))
    plain = model.encode(prompt[:33])
    both = model.look([Look(canvas, cropped, at), Look(canvas, plain, at)])
    torch.testing.assert_close(both[0], both[1], atol=1e-4, rtol=0)
