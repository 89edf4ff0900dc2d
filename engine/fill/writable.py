"""What may be written into a hole: no special token, no line break into a line, and at a healed
seam only what fits it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor

from engine.api import Constraint, Shape
from engine.checkpoints.profile import Profile
from engine.denoise.canvas import Canvas, Layout
from engine.fill.drafts import UNFINISHED
from engine.fill.seams import Seam, Vocabulary
from engine.fill.structure import LINE_BREAK
from engine.fill.token_texts import TokenTexts


class Writable:
    """The tokens of a model, sorted by where they may stand.

    `texts[id]` is a token's text, None for one that is special, has none or is half a character.
    `vocabulary` knows the texts that a seam may be healed with; None where seams do not heal.
    """

    def __init__(
        self, tokenizer: Tokenizer, size: int, profile: Profile, device: torch.device
    ) -> None:
        texts = _token_texts(tokenizer, size, profile)
        breaks = [bool(text and LINE_BREAK.search(text)) for text in texts]
        self._breaks = torch.tensor(breaks, device=device)
        self._special = torch.tensor([text is None for text in texts], device=device)
        for token in (profile.tokens.slack, profile.tokens.expand):
            if token is not None:
                self._special[token] = False
        whole = [None if text and UNFINISHED in text else text for text in texts]
        self.texts = TokenTexts(whole, device)
        self.vocabulary = None
        if profile.canvas.heal:
            # A line break that came with a healed piece would make a line of a hole two.
            self.vocabulary = Vocabulary(
                [None if broken else text for text, broken in zip(whole, breaks, strict=True)]
            )

    def everywhere(self, shape: Shape) -> Tensor:
        """[V], what may be written nowhere."""
        return self._special | self._breaks if shape is Shape.LINE else self._special

    def banned(
        self,
        shape: Shape,
        seams: Sequence[Seam],
        layouts: Sequence[Layout],
        canvas: Canvas,
        constraints: Sequence[Constraint | None],
    ) -> Tensor:
        """What may not be written: [V] everywhere, or [B, M, V] where seams heal. The pieces that
        the seam of a hole with a constraint took are part of that constraint."""
        banned = self.everywhere(shape)
        healed = [
            seam if constraint is None else Seam()
            for seam, constraint in zip(seams, constraints, strict=True)
        ]
        if self.vocabulary is None or not any(seam.tokens for seam in healed):
            return banned
        places = banned.expand(*canvas.places.shape, -1).clone()
        for row, layout in enumerate(layouts):
            for (start, end), seam in zip(layout.spans, healed, strict=True):
                if seam.left:
                    places[row, start] |= _all_but(self.vocabulary.beginning(seam.left), banned)
                if seam.right:
                    places[row, end - 1] |= _all_but(self.vocabulary.ending(seam.right), banned)
        return places


def _token_texts(tokenizer: Tokenizer, size: int, profile: Profile) -> list[str | None]:
    """The text of every id of the model; None for one that must never reach a buffer: it is special
    or has no text."""
    known = tokenizer.get_vocab_size()
    special = {
        token for token, added in tokenizer.get_added_tokens_decoder().items() if added.special
    }
    special |= {*profile.tokens.never, *(profile.tokens.noise or ())}
    written = [
        token
        for token in range(profile.tokens.first_text, min(known, size))
        if token not in special
    ]
    texts: list[str | None] = [None] * size
    decoded = tokenizer.decode_batch([[token] for token in written], skip_special_tokens=False)
    for token, text in zip(written, decoded, strict=True):
        texts[token] = text
    return texts


def _all_but(tokens: Sequence[int], like: Tensor) -> Tensor:
    """[V], True for all ids but `tokens`."""
    chosen = torch.ones_like(like)
    chosen[list(tokens)] = False
    return chosen
