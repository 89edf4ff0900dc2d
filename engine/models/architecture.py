"""A model's shape: all that is known of it before a weight is read, and what a use of it takes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol, Self


@dataclass(frozen=True, slots=True)
class StepSize:
    """A step: `candidates` canvases of `canvas` tokens, `open` of each to be resolved, after
    `context` tokens; and whether it reads what the step before believed."""

    candidates: int
    canvas: int
    open: int
    context: int
    self_conditioning: bool = True

    @property
    def tokens(self) -> int:
        return self.candidates * self.canvas


@dataclass(frozen=True, slots=True)
class Work:
    """Bytes that a step must read, and operations that it must do."""

    bytes: float
    operations: float

    def __add__(self, other: Work) -> Work:
        return Work(self.bytes + other.bytes, self.operations + other.operations)


@dataclass(frozen=True, slots=True)
class Masked:
    """What a model that was taught to fill masks says of it.

    `mask` stands where a token is unknown; `slack` fills what a hole has too much of; `expand`
    becomes two masks; None where there is no such token. With `shift` a token is told by the
    position before it, so that a text needs something before its first hole. `keeps_prompt`: what
    is read of a prompt is the same for every canvas after it; else a prompt costs as much as a
    canvas, at every look. `length` is the longest text in tokens.
    """

    mask: int
    slack: int | None
    expand: int | None
    shift: bool
    keeps_prompt: bool
    length: int


class Architecture(Protocol):
    """A model's shape, as its `config.json` gives it: all that is known before a weight is read."""

    @property
    def vocab_size(self) -> int: ...

    @property
    def masked(self) -> Masked | None:
        """None where noise is no mask."""
        ...

    def given(self, stored: Collection[str]) -> Self:
        """The same shape, where the names of the tensors that a checkpoint stores say more of it
        than its `config.json` does."""
        ...

    def stored_as(self, name: str) -> tuple[str, ...]:
        """The names under which checkpoints store the weight `name` of the model, best first."""
        ...

    def parts_of(self, name: str) -> tuple[str, ...]:
        """For a weight of stacked experts [E, .., ..]: the matrices that its rows are made of, as
        they are called where experts are stored one by one. () for any other weight."""
        ...

    def context_bytes(self, tokens: int, item: int) -> int:
        """Of the Context of `tokens`, its numbers `item` bytes each."""
        ...

    def kept_bytes(self, step: StepSize, item: int) -> int:
        """Of what a fill keeps of its prompt from one look to the next, where `PromptReading` lets
        it: besides the Context."""
        ...

    def activation_bytes(self, step: StepSize, item: int) -> int:
        """That the widest pass of a fill holds besides logits: a look, or encoding the prompt."""
        ...

    def weight_work(self, name: str, shape: tuple[int, ...], stored: float, step: StepSize) -> Work:
        """Of a step with the weight `name` of this shape, in `stored` bytes."""
        ...

    def attention_work(self, step: StepSize, item: int) -> Work:
        """Of a step with the keys and values of prompt and canvas."""
        ...
