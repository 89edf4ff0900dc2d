"""What `transformers` can run here, by a model's `config.json`."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.models.dense.config import HEAD, Masking
from engine.models.dense.masking import masking_of
from engine.models.family import Masked, StepSize, Work
from engine.models.through_transformers.library import NAME, configuration, transformers

BLOCK_DIFFUSION = "ForBlockDiffusion"
A2D = "a2d-"
# Of a class that a release brings along, the one of `transformers` that computes the same.
SAME_AS = {"Dream": "qwen2"}
# Said by a release of its own class, or read by us alone: nothing that the class takes.
NOT_ITS = ("added_tokens", "architectures", "auto_map", "generation_config", "gguf", "infill",
           "model_type", "transformers_version")  # fmt: skip
UNTOLD_LENGTH = 2048  # of a model that has no positions


@dataclass(frozen=True, slots=True)
class Config:
    """A model as `transformers` is told of it: `contents` is its `config.json` as JSON. `masking`
    is None for block diffusion. What is counted, is counted as of a plain transformer."""

    contents: str
    masking: Masking | None
    vocab_size: int
    hidden_size: int
    layers: int
    heads: int
    length: int
    gguf: str | None = None  # the file that holds its weights, where that is one

    @property
    def document(self) -> dict[str, Any]:
        return dict(json.loads(self.contents))

    @property
    def masked(self) -> Masked | None:
        given = self.masking
        if given is None or given.mask is None:
            return None
        # Whatever it is told of a prompt, it reads it with every canvas.
        return Masked(given.mask, given.slack, given.expand, given.shift, False, self.length)

    def given(self, stored: Collection[str]) -> Config:
        """A head that is stored counts, whatever `config.json` says of it."""
        document = self.document
        if self.masking is None or HEAD not in stored or not document.get("tie_word_embeddings"):
            return self
        untied = {**document, "tie_word_embeddings": False}
        return replace(self, contents=json.dumps(untied))

    def stored_as(self, name: str) -> tuple[str, ...]:
        return (name,)

    def parts_of(self, name: str) -> tuple[str, ...]:
        return ()

    def context_bytes(self, tokens: int, item: int) -> int:
        return 8 * tokens

    def activation_bytes(self, step: StepSize, item: int) -> int:
        """Of a look: states and an MLP's inside, one layer's scores, and the keys and values that
        block diffusion keeps during a fill, for each canvas."""
        row = step.context + step.canvas
        tokens = step.candidates * row
        kept = 0 if self.masking else 2 * self.layers * self.hidden_size * tokens
        scores = 4 * self.heads * step.candidates * row * row
        return (16 * self.hidden_size * tokens + kept) * item + scores

    def kept_bytes(self, step: StepSize, item: int) -> int:
        """Nothing: every look reads the whole prompt."""
        return 0

    def weight_work(self, name: str, shape: tuple[int, ...], stored: float, step: StepSize) -> Work:
        tokens = step.candidates * (step.context + step.canvas)
        return Work(stored, 2.0 * math.prod(shape) * tokens if len(shape) > 1 else 0.0)

    def attention_work(self, step: StepSize, item: int) -> Work:
        row = step.context + step.canvas
        return Work(0.0, 4.0 * self.layers * self.hidden_size * step.candidates * row * row)


def knows(document: Mapping[str, Any]) -> bool:
    """Whether a model of no family of ours may be for it: a *ForBlockDiffusion, an A2D of any
    backbone, or one whose `infill` says how it fills gaps. The library is not asked yet."""
    named = str(document.get("model_type", ""))
    return _is_block_diffusion(document) or named.startswith(A2D) or "infill" in document


def read(document: Mapping[str, Any]) -> Config:
    """Raises ValueError as engine.models.family.Family has it, ModelMissing where the library is
    not there or has no such model, LookupError where it has no such block diffusion."""
    try:
        masking = None
        if not _is_block_diffusion(document):
            masking = masking_of(str(document["model_type"]), document)
        elif class_for_blocks(document) is None:
            raise LookupError(f"{NAME} has no class for it")
        contents = {name: value for name, value in document.items() if name != "added_tokens"}
        # Asked of the library: each kind of model has other names for these.
        made = configuration(*_named(contents)).get_text_config()
        return Config(
            contents=json.dumps(contents),
            masking=masking,
            vocab_size=int(made.vocab_size),
            hidden_size=int(made.hidden_size),
            layers=int(made.num_hidden_layers),
            heads=int(getattr(made, "num_attention_heads", 1)),
            length=int(getattr(made, "max_position_embeddings", UNTOLD_LENGTH)),
            gguf=document.get("gguf"),
        )
    except KeyError as missing:
        raise ValueError(f"{missing} is missing") from None
    except (TypeError, AttributeError) as error:
        named = document.get("model_type")
        raise ValueError(f"{NAME} makes no {named} model of it ({error})") from None


def backbone_of(config: Config) -> tuple[str, dict[str, Any]]:
    """The `model_type` that `transformers` knows the model by, and what its configuration takes."""
    return _named(config.document)


def _named(document: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    named = str(document["model_type"])
    named = SAME_AS.get(named, named.removeprefix(A2D))
    return named, {name: value for name, value in document.items() if name not in NOT_ITS}


def class_for_blocks(document: Mapping[str, Any]) -> Any:
    """The *ForBlockDiffusion of the library for a model of this type; None where it has none."""
    library = transformers()
    for name in document.get("architectures") or ():
        found = getattr(library, str(name), None)
        if found is not None and found.config_class.model_type == document.get("model_type"):
            return found
    return None


def _is_block_diffusion(document: Mapping[str, Any]) -> bool:
    classes = document.get("architectures") or ()
    return any(str(each).endswith(BLOCK_DIFFUSION) for each in classes)


__all__ = ["Config", "backbone_of", "class_for_blocks", "knows", "read"]
