"""What the rest of the engine needs of a model, whatever its family.

A family is one folder or file beside this one. It says what its `config.json` means (an
Architecture, registered by `model_type`) and how a model of it is asked (a Model):

    encode    a prompt -> what is kept of it between keystrokes (a Context)
    look      canvases after such contexts -> logits of the positions that were asked for
    believe   the same, where the device reads a vocabulary without its logits -> what is likeliest
    signal    what a look believed -> the next look's self-conditioning, where there is any
    causal    where it is a language model too: likelihoods and continuations of text
    fixed     where it can: a look whose tensors never move, which a CUDA graph can hold

Nobody outside of a family's own files knows its classes or the fields of its configuration.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn

from engine.models.architecture import Architecture, Masked, StepSize, Work
from engine.models.branches import Branches
from kernels.vocabulary import Beliefs


class Context(Protocol):
    """What a model keeps of a prompt, for the looks and the prompts that come after it. It never
    changes: a longer or a shorter one is another."""

    @property
    def length(self) -> int:
        """Tokens of the prompt."""
        ...

    def crop(self, length: int) -> Self:
        """That of the first `length` tokens."""
        ...


C = TypeVar("C", bound=Context)
In = TypeVar("In", bound=Context, contravariant=True)

# How a look reads its prompt, where a family reads it together with the canvas: "read" in full;
# "keep" in full too, and what comes of it is kept for later looks; "reuse" what was kept.
PromptReading = Literal["read", "keep", "reuse"]


@dataclass(frozen=True, slots=True, eq=False)
class Look(Generic[C]):
    """What one denoising step asks of a model.

    `canvas` [B, C] are token ids, each row after the prompt of `context`; `positions` [B, M] are
    those that get logits; `signal` is what `Model.signal` made of the last look, None at the first.
    `lengths`: only so many tokens of each canvas are there, the rest is unseen; None for all.

    A family that computes something once for several steps (an approximate prefix cache) has a
    place for it: `memory` is one dictionary per fill, which nobody else looks into; `number` counts
    the looks of a fill from 1, `rows` [B] says which of its canvases are still there, and `prompt`
    whether what was kept may be used. A canvas of which nothing was kept may use another's.
    """

    canvas: Tensor
    context: C
    positions: Tensor
    signal: Tensor | None = None
    number: int = 1
    rows: Tensor | None = None
    memory: dict[str, Any] = field(default_factory=dict)
    lengths: tuple[int, ...] | None = None
    prompt: PromptReading = "read"


class Causal(Protocol[C]):
    """A pass in which every token sees what is before it alone, so that each position predicts the
    token after it.

    `grain`: it is quickest where its tokens are a multiple of it; padding is the caller's.
    """

    @property
    def device(self) -> torch.device: ...

    @property
    def grain(self) -> int: ...

    def read_ahead(self, ids: Tensor, place: int, context: C, /) -> C:
        """The context with `ids` [T] besides, the first of them at position `place`: text that
        stands behind what is to be written, and is read before it."""
        ...

    def score_branches(
        self,
        branches: Branches,
        place: int,
        context: C,
        at: Sequence[int],
        tokens: Sequence[int],
        /,
    ) -> Tensor:
        """The log-probability [N] of each of `tokens` [N] behind place `at` [N] of `branches.ids`,
        where a token comes after the context and those before it in its own row, the first of which
        is at position `place`."""
        ...

    def score_tree(
        self, ids: Tensor, positions: Tensor, sees: Tensor, context: C, /
    ) -> tuple[Tensor, C]:
        """Next-token logits [T, V] of `ids` [T], and the context with all of them behind what it
        holds.

        `positions` [P + T] are those of what the context holds (P) and of `ids`; `sees` [T, P + T]
        is True where the token is to look.
        """
        ...


@dataclass(frozen=True, slots=True)
class FixedSize:
    """Of a FixedLook: canvases side by side, their width, the positions of each that get logits at
    most, and the tokens of a prompt at most."""

    batch: int
    canvas: int
    positions: int
    bucket: int


class FixedLook(Protocol[In]):
    """A look at canvases of one size whose tensors never move, so that a CUDA graph can hold it.

    `ids` [B, C], `positions` [B, M] and `signal` (the next look's self-conditioning) are
    there to be written. Nothing but `load` reads what is not on the device.
    """

    ids: Tensor
    positions: Tensor
    signal: Tensor

    def load(self, context: In, /) -> None:
        """Look after this prompt from now on."""
        ...

    def believe(self, first: bool, temperature: Tensor, seed: Tensor, banned: Tensor, /) -> Beliefs:
        """Of all positions, [B * M] each: as kernels/vocabulary.py has it. The `first` look reads
        no signal; `temperature` [1], `seed` [1]; `banned` [V] or [B * M, V]."""
        ...

    def listen(self, beliefs: Beliefs, real: Tensor, /) -> None:
        """Write the signal that `beliefs` give after the canvas that `ids` are now; `real` [B, M]
        as in Model.signal."""
        ...


class Model(nn.Module, ABC, Generic[C]):
    """A model with its weights, for inference. Its methods belong to one thread.

    `multiplies_int8`: its layers, as its family prepares them for a CPU, take weights in INT8.
    """

    config: Architecture
    multiplies_int8 = False

    @property
    def canvas_adapter(self) -> str | None:
        """The file, beside the weights, of what is added to them for canvases; None where one set
        of weights reads all. The loader makes a second model with it, see `read_canvases_by`."""
        return None

    def read_canvases_by(self, other: Self, /) -> None:
        """From now on canvases, and what is written behind a prompt, are read by `other`: the same
        model, with what `canvas_adapter` adds."""
        raise NotImplementedError

    @property
    @abstractmethod
    def device(self) -> torch.device: ...

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """Of its activations."""
        ...

    @abstractmethod
    def encode(self, ids: Tensor, context: C | None = None, /) -> C:
        """What is kept of the prompt `ids` [T], after what `context` holds. A prompt that is
        encoded piece by piece is kept as one that was encoded at once, but for rounding."""
        ...

    @abstractmethod
    def look(self, looks: Sequence[Look[C]], /) -> list[Tensor]:
        """Logits [B, M, V] in float32 for each of `looks`, whose widths and prompts may differ:
        what one pass over the weights can answer together. Pinned positions are read like others.

        Raises ValueError for `lengths` where the family's canvases have none.
        """
        ...

    def log_probability(self, look: Look[C], tokens: Tensor, /) -> Tensor:
        """The log-probability [B, M] of `tokens` [B, M] at the positions that `look` asks for."""
        log_p = self.look([look])[0].log_softmax(dim=-1)
        return log_p.gather(-1, tokens[..., None]).squeeze(-1)

    def believe(
        self, looks: Sequence[Look[C]], banned: Sequence[Tensor], /
    ) -> list[Beliefs] | None:
        """What `look` would give, read as kernels/vocabulary.py has it, [B * M] for each of `looks`
        at temperature 1, with its tokens of `banned` ([V], or [B, M, V]) left out: the logits
        themselves never reach memory. None where the family or the device has nothing for it.
        """
        return None

    def signal(
        self, beliefs: Tensor, canvas: Tensor, positions: Tensor, real: Tensor, /
    ) -> Tensor | None:
        """The next look's self-conditioning: of `beliefs` [B, M, V], the logits at `positions`
        [B, M] of `canvas` [B, C] ids, where `real` [B, M] is True; of all other positions exactly
        what stands there. None where a family has none.
        """
        return None

    @property
    def causal(self) -> Causal[C] | None:
        """None where the family is no language model: then rank has less evidence, and no line is
        continued."""
        return None

    def fixed(self, size: FixedSize, /) -> FixedLook[C] | None:
        """None where the family has no such look."""
        return None


@dataclass(frozen=True, slots=True)
class Family:
    """How one kind of model is made.

    `read` says what the contents of a `config.json` of this `model_type` mean, to which the loader
    adds under "added_tokens" what the tokenizer's files add to the vocabulary, ids by text, and
    under "generation_config" the contents of the file of that name; it raises ValueError naming the
    key that is missing, is not understood, or asks for what the family does not do.
    `build` makes a model of an `architecture` of this class, with weights of any value, on torch's
    default device. `prepare` gives the same model as its device runs it fastest, once its weights
    are there; what it was given may be used up. `load` makes one with the weights of a folder,
    where the family reads them itself; it raises ModelMissing.
    """

    model_type: str
    architecture: type
    read: Callable[[Mapping[str, Any]], Architecture]
    build: Callable[[Any], Model[Any]]
    prepare: Callable[[Any], Model[Any]] | None = None
    load: Callable[[Any, Path, torch.device, torch.dtype], Model[Any]] | None = None


@dataclass(frozen=True, slots=True)
class Runtime:
    """Another library that can run models, slower than a family of ours would, as a family.

    `knows` says whether it may read a `config.json`; `family.read` then says what that means.
    """

    family: Family
    knows: Callable[[Mapping[str, Any]], bool]


_FAMILIES: dict[str, Family] = {}
_RUNTIMES: dict[str, Runtime] = {}
_REFUSED: dict[str, str] = {}


def register(family: Family) -> None:
    """Make a family known by its `model_type`."""
    _FAMILIES[family.model_type] = family


def register_runtime(name: str, runtime: Runtime) -> None:
    """Make a library known by its name: for models that no family is registered for, and for any
    that are asked for by way of it."""
    _RUNTIMES[name] = runtime


def runtimes() -> tuple[str, ...]:
    """Those that are known."""
    return tuple(sorted(_RUNTIMES))


def refuse(model_type: str, reason: str) -> None:
    """Make it known why models of this type cannot be used."""
    _REFUSED[model_type] = reason


def model_types() -> tuple[str, ...]:
    """Those that are known."""
    return tuple(sorted(_FAMILIES))


def architecture_of(
    document: Mapping[str, Any], model_type: str = "", runtime: str | None = None
) -> Architecture:
    """What the contents of a `config.json` mean. `model_type` stands in for one that it lacks;
    `runtime` names the library that is to run it, None for a family of ours where there is one.

    Raises LookupError where nothing can run it, ValueError as the family's reader, or with the
    reason where models of this type are known to be of no use here.
    """
    named = document.get("model_type", model_type)
    if named in _REFUSED:
        raise ValueError(f"model_type = {named!r} is not supported: {_REFUSED[named]}")
    if runtime is None and named in _FAMILIES:
        return _FAMILIES[named].read(document)
    for name, each in _RUNTIMES.items():
        if name == runtime or (runtime is None and each.knows(document)):
            return each.family.read(document)
    raise LookupError(f"no family is registered for a {named} model")


def build(architecture: Architecture) -> Model[Any]:
    """A model with weights of any value, on torch's default device."""
    return _family_of(architecture).build(architecture)


def unset_embedding(count: int, size: int) -> nn.Embedding:
    """With a weight [count, size] of any value: drawing a random one on the meta device, as torch
    does by itself, would import its compiler, which takes longer than reading a small model."""
    return nn.Embedding(count, size, _weight=torch.empty(count, size))


def prepared(model: Model[Any]) -> Model[Any]:
    """The same model as its device runs it fastest; `model` may be used up."""
    prepare = _family_of(model.config).prepare
    return model if prepare is None else prepare(model)


def loader_of(architecture: Architecture) -> Callable[..., Model[Any]] | None:
    """`Family.load` of the family of `architecture`, None where its weights are read for it."""
    return _family_of(architecture).load


def _family_of(architecture: Architecture) -> Family:
    every = (*_FAMILIES.values(), *(runtime.family for runtime in _RUNTIMES.values()))
    return next(family for family in every if family.architecture is type(architecture))


__all__ = [
    "Architecture",
    "Causal",
    "Context",
    "Family",
    "FixedLook",
    "FixedSize",
    "Look",
    "Masked",
    "Model",
    "PromptReading",
    "Runtime",
    "StepSize",
    "Work",
    "architecture_of",
    "build",
    "loader_of",
    "model_types",
    "prepared",
    "refuse",
    "register",
    "register_runtime",
    "runtimes",
    "unset_embedding",
]
