"""A language model of `transformers` that was taught to fill masks.

Its own attention is causal. A mask of four dimensions, which `transformers` passes on as it is,
lets it read prompt and canvas in both directions, or the prompt causally and the canvas in both.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.api import ModelMissing
from engine.models.dense import Text
from engine.models.family import Look
from engine.models.through_transformers.wrapped import Wrapped

TRIAL = 8  # tokens of the text that shows whether it reads in both directions


class MaskedLanguageModel(Wrapped):
    @torch.no_grad()
    def check(self) -> None:
        """Raise ModelMissing where what comes after a token does not reach it: there are models
        that see nothing but what is before, whatever mask they are given, or take none like it."""
        ids = torch.arange(TRIAL, device=self.device) % self.config.vocab_size
        other = ids.clone()
        other[-1] = (other[-1] + 1) % self.config.vocab_size
        nothing, first = Text(ids[:0]), torch.zeros(1, 1, dtype=torch.long, device=self.device)
        looks: list[Look[Text]] = [Look(each[None], nothing, first + 1) for each in (ids, other)]
        try:
            is_blind = torch.equal(*self.look(looks))
        except (IndexError, RuntimeError, TypeError, ValueError):
            is_blind = True
        if is_blind:
            raise ModelMissing(
                f"a {self.config.document['model_type']} model of transformers does not see what"
                " follows the gap; choose a model whose attention is bidirectional"
            )

    def _look(self, look: Look[Text]) -> Tensor:
        masking = self.config.masking
        assert masking is not None
        texts = torch.cat((look.context.ids.expand(len(look.canvas), -1), look.canvas), dim=1)
        sees = self._sees(look.context.length, texts.shape[1], masking.attention == "causal_prefix")
        at = look.context.length + look.positions
        if masking.shift:
            at = (at - 1).clamp_min(0)
        logits: Tensor = self.inner(input_ids=texts, attention_mask=sees, use_cache=False).logits
        wanted: Tensor = logits.gather(1, at[..., None].expand(-1, -1, logits.shape[-1])).float()
        return wanted

    def _sees(self, prompt: int, length: int, is_causal: bool) -> Tensor:
        """[1, 1, T, T], what is added to the scores of a text of `prompt` tokens and a canvas."""
        hidden = torch.zeros(length, length, dtype=torch.bool, device=self.device)
        if is_causal:
            hidden[:prompt] = ~torch.ones_like(hidden[:prompt]).tril()
        least = torch.finfo(self.dtype).min
        return torch.zeros(hidden.shape, dtype=self.dtype, device=self.device).masked_fill_(
            hidden, least
        )[None, None]


__all__ = ["MaskedLanguageModel"]
