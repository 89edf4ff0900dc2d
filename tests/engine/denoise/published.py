"""The published samplers of masked models, written down plainly: one text, a list of tokens.

From the descriptions and the code of Dream and Open-dLLM (most certain first, P2), dLLM (how many
tokens a step chooses) and DreamOn (holes that grow and shrink).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.denoise.sampler import Draws
from tests.engine.denoise.toy import DELETE, EXPAND, MASK

Logits = Callable[[list[int]], Tensor]


@dataclass(frozen=True, slots=True)
class Plain:
    order: str
    steps: int
    temperature: float = 0.0
    top_p: float = 1.0
    position_temperature: float = 0.0
    rounding: str = "down"
    tokens_per_step: int | None = None


def believe(logits: Tensor, how: Plain, draws: Draws) -> tuple[Tensor, Tensor]:
    """Tokens [M] and how certain they are [M], of `logits` [M, V]."""
    if how.temperature > 0:
        logits = logits / how.temperature
    if how.top_p < 1:
        logits = logits.clone()
        for row in logits:
            ranked = row.argsort(descending=True)
            sums = row.softmax(-1)[ranked].cumsum(-1)
            for token, before in zip(ranked[1:], sums[:-1], strict=True):
                if before > how.top_p:
                    row[token] = -torch.inf
    p = logits.softmax(-1)
    if how.temperature > 0:
        race = draws.race(1, *logits.shape)[0]
        tokens = torch.stack([(race[at] / p[at]).argmin() for at in range(len(p))])
    else:
        tokens = p.argmax(-1)
    if how.order == "margin":
        best = p.sort(-1, descending=True).values
        return tokens, best[:, 0] - best[:, 1]
    if how.order == "entropy":
        return tokens, (p * p.clamp_min(1e-10).log()).sum(-1)
    return tokens, p[range(len(tokens)), tokens]


def even_shares(masked: int, how: Plain) -> list[int]:
    """How many tokens each step chooses; steps that choose none are left out, as in dLLM."""
    counts = []
    if how.rounding == "nearest":
        for step in range(how.steps, 0, -1):
            count = round(masked * (1 - ((step - 1) / how.steps) / (step / how.steps)))
            counts.append(min(count, masked))
            masked -= counts[-1]
    else:
        times = torch.linspace(1, 1e-3, how.steps + 1)
        for i in range(how.steps):
            share = masked * (1 - times[i + 1] / times[i]) if i < how.steps - 1 else masked
            counts.append(int(share))
            masked -= counts[-1]
    return [count for count in counts if count]


def most_certain(model: Logits, text: list[int], how: Plain, draws: Draws) -> list[int]:
    """Every mask of `text` resolved, the most certain first."""
    text = list(text)
    slots = [at for at, token in enumerate(text) if token == MASK]
    counts = even_shares(len(slots), how)
    if how.tokens_per_step is not None:
        counts = [how.tokens_per_step] * how.steps
    for step, count in enumerate(counts, 1):
        tokens, certain = believe(model(text)[slots], how, draws)
        if how.position_temperature > 0:
            race = draws.race(1, len(slots))[0]
            certain = certain / how.position_temperature - race.log()
        masked = [m for m, at in enumerate(slots) if text[at] == MASK]
        if step == how.steps:
            count = len(masked)
        for m in sorted(masked, key=lambda m: -float(certain[m]))[:count]:
            text[slots[m]] = int(tokens[m])
        if MASK not in text:
            break
    return text


def path_planning(model: Logits, text: list[int], how: Plain, draws: Draws) -> list[int]:
    """P2: of all slots the least certain are masked, again too. Steps that would leave everything
    masked are left out."""
    text = list(text)
    slots = [at for at, token in enumerate(text) if token == MASK]
    for step in range(1, how.steps + 1):
        left = int(torch.tensor(float(len(slots))) * (1 - step / how.steps))
        if left == len(slots):
            continue
        was_masked = [text[at] == MASK for at in slots]
        tokens, certain = believe(model(text)[slots], how, draws)
        # Of equally certain ones the first stay: the published sort leaves it open.
        doubtful = set(sorted(range(len(slots)), key=lambda m: (float(certain[m]), -m))[:left])
        for m, at in enumerate(slots):
            if m in doubtful:
                text[at] = MASK
            elif was_masked[m]:
                text[at] = int(tokens[m])
        if MASK not in text:
            break
    return text


def dream_on(
    model: Logits,
    before: list[int],
    length: int,
    after: list[int],
    how: Plain,
    draws: Draws,
    most: int,
    budget: int,
) -> list[int]:
    """The middle between `before` and `after`, which begins as `length` masks and comes to `most`
    tokens at most, by at most `budget` expansions."""
    middle = [MASK] * length
    for step in range(1, how.steps + 1):
        masked = [at for at, token in enumerate(middle) if token == MASK]
        if not masked:
            break
        logits = model(before + middle + after)[len(before) : len(before) + len(middle)].clone()
        if len(middle) >= most or budget <= 0 or step == how.steps:
            logits[:, EXPAND] = -torch.inf
        tokens, certain = believe(logits, how, draws)
        count = how.tokens_per_step if step < how.steps else len(masked)
        for at in sorted(masked, key=lambda at: -float(certain[at]))[:count]:
            middle[at] = int(tokens[at])
        if DELETE in middle:
            first = middle.index(DELETE)
            middle = [
                DELETE if at >= first and at in masked else token for at, token in enumerate(middle)
            ]
        written = []
        room = most - len(middle) + middle.count(DELETE)
        for token in middle:
            if token == EXPAND and budget > 0 and room > 0:
                written += [MASK, MASK]
                budget, room = budget - 1, room - 1
            elif token == EXPAND:
                written.append(MASK)
            elif token != DELETE:
                written.append(token)
        middle = written
    return middle
