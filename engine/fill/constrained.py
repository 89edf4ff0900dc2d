"""What the holes of a request may hold, as rows of tokens on its canvases and as texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from tokenizers import Tokenizer
from torch import Tensor

from engine.api import BadRequest, Constraint, EngineError, FillRequest
from engine.checkpoints.profile import Profile
from engine.constraint import Automaton, automaton_of
from engine.denoise.canvas import Layout
from engine.denoise.rules import Joint
from engine.fill.language import TokenLanguage
from engine.fill.lookup import Found
from engine.fill.prompt import Prompt, encode
from engine.fill.token_texts import TokenTexts

T = TypeVar("T")
Texts = dict[tuple[str, ...], T]  # by one text for each hole, with the pieces of its seam
MOST_CHOICES = 32  # that are ranked beside what the model writes; each costs a few tokens


@dataclass(frozen=True, slots=True)
class Limit:
    """Of one hole: its `constraint`, the automaton of its texts without the pieces that its seam
    took, and its rows of tokens with them; None where tokens of the model cannot write one, and the
    choices are only ranked. `usual` are the tokens that its choices have, written as
    the tokenizer cuts them, without those pieces; none where it has no choices."""

    constraint: Constraint
    automaton: Automaton
    language: TokenLanguage | None
    usual: tuple[int, ...]


class Limits:
    """Of all holes, None for one that may hold anything."""

    def __init__(
        self,
        request: FillRequest,
        prompt: Prompt,
        tokenizer: Tokenizer,
        profile: Profile,
        texts: TokenTexts,
        banned: Tensor,
    ) -> None:
        """`banned` [V] is True for tokens that no hole may have. Raises BadRequest for a constraint
        that cannot be understood, or allows nothing."""
        self._prompt, self._tokenizer, self._most = prompt, tokenizer, request.max_tokens
        banned = banned.clone()
        for token in (profile.tokens.slack, profile.tokens.expand):
            if token is not None:
                banned[token] = True  # of the text, which slack is no part of
        self._texts, self._banned, self._slack = texts, banned, profile.tokens.slack
        self.holes = tuple(
            None if each is None else self._limit(each, number)
            for number, each in enumerate(request.constraints)
        )

    def lengths(self, most: int) -> set[int]:
        """How many new tokens, 1 to `most`, all holes can have. Raises BadRequest where there is no
        such number for one of them."""
        possible = set(range(1, most + 1))
        for limit, seam in zip(self.holes, self._prompt.seams, strict=True):
            if limit is None:
                continue
            if limit.language is None and self._choices(most):
                continue
            found = [] if limit.language is None else limit.language.lengths(most + seam.tokens)
            if not found:
                raise BadRequest(
                    f"no text of at most {most} tokens is one that the constraint allows: raise"
                    " max_tokens, or allow a shorter one"
                )
            possible &= {length - seam.tokens for length in found}
        return possible

    @property
    def usual(self) -> set[int]:
        """Lengths in new tokens that are the usual ones of choices."""
        return {length for limit in self.holes if limit is not None for length in limit.usual}

    def joint(self, layouts: Sequence[Layout]) -> Joint:
        """For a canvas of each of `layouts`."""
        row = [None if limit is None else limit.language for limit in self.holes]
        return Joint([row for _ in layouts])

    def allow(self, texts: tuple[str, ...]) -> bool:
        """Whether the holes may hold these texts, with the pieces that their seams took."""
        return all(
            limit is None or limit.automaton.accepts(seam.cut(text))
            for limit, seam, text in zip(self.holes, self._prompt.seams, texts, strict=True)
        )

    def within(
        self, written: Texts[float], matches: Texts[Found], most_tokens: int
    ) -> tuple[Texts[float], Texts[Found]]:
        """What is allowed of what was written and what was looked up, and the choices beside it.
        Raises EngineError where that is nothing."""
        kept = {texts: p for texts, p in written.items() if self.allow(texts)}
        found = {texts: where for texts, where in matches.items() if self.allow(texts)}
        found = self._choices(most_tokens) | found
        if not kept and not found:
            raise EngineError("nothing that was written is allowed by the constraint; try again")
        return kept, found

    def _choices(self, most_tokens: int) -> dict[tuple[str, ...], Found]:
        """The choices of a single hole as candidates, where there are few."""
        limit, seam = self.holes[0], self._prompt.seams[0]
        if len(self.holes) > 1 or limit is None or len(limit.constraint.choices) > MOST_CHOICES:
            return {}
        return {
            (seam.left + text + seam.right,): Found(text, 0, 0)
            for text in limit.constraint.choices
            if len(encode(self._tokenizer, text)) <= most_tokens
        }

    def written(self, left: str) -> TokenLanguage | None:
        """What a causal pass may write into a single hole behind `left`, which it writes first."""
        limit = self.holes[0]
        if limit is None:
            return None
        automaton = automaton_of(limit.constraint, left)
        return TokenLanguage(automaton, self._texts, self._banned, None)

    def _limit(self, constraint: Constraint, number: int) -> Limit:
        seam = self._prompt.seams[number]
        usual = {
            len(encode(self._tokenizer, seam.left + text + seam.right)) - seam.tokens
            for text in constraint.choices
        }
        seamed = automaton_of(constraint, seam.left, seam.right)
        language = TokenLanguage(seamed, self._texts, self._banned, self._slack)
        return Limit(
            constraint,
            automaton_of(constraint),
            language if language.lengths(self._most + seam.tokens) else None,
            tuple(max(1, length) for length in usual),
        )


__all__ = ["Limit", "Limits"]
