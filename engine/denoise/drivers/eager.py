"""Looks as they come: one pass over the weights for all that wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from engine.denoise.loop import Answer, Question
from engine.models.family import Model


class Eager:
    """A Driver. It has no state: a question may come from any fill, in any company."""

    def __init__(self, model: Model[Any]) -> None:
        self._model = model

    @torch.no_grad()
    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        looks = [question.look for question in questions]
        if all(question.follows_from_beliefs for question in questions):
            beliefs = self._model.believe(looks, [question.banned for question in questions])
            if beliefs is not None:
                return [
                    question.decide_by(self._model, each)
                    for question, each in zip(questions, beliefs, strict=True)
                ]
        logits = self._model.look(looks)
        return [
            question.decide(self._model, each)
            for question, each in zip(questions, logits, strict=True)
        ]
