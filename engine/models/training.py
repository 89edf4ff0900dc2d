"""What training a model from nothing needs of its family, beside what filling does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from engine.models.family import Architecture, Model

GRAIN = 32  # what a canvas may see of its chunk ends at a multiple of it


@dataclass(frozen=True, slots=True)
class Training:
    """How models of one family are trained. The passes can be differentiated, and compiled.

    document    a shape, in the words of config.json -> the contents of a `config.json`
    initialise  gives a model its first weights, by a seed
    joint       (model, chunk [B, T], canvas [B, K, C], start [B, K], signal [B * K, C, H] or None)
                -> final hidden states of the chunks [B, T, H], read causally, and of the canvases
                [B * K, C, H], which see the first `start` tokens of their chunk (at most `reach`)
                and themselves
    causal      (model, chunk [B, T]) -> final hidden states [B, T, H] of the chunks alone
    signal      (model, hidden [R, C, H], canvas [R, C], pinned [R, C]) -> the self-conditioning
                [R, C, H] that a look with these hidden states leaves
    head        a model -> the matrix [V, H] of its logits, and the cap of these
    weights_met a model -> how many weights each position is multiplied by
    published   weights by the names of files -> all that other readers of the family want there

    `apart` are parts of the names of matrices that are trained as vectors are, and `exact` of those
    that are never quantised.
    """

    document: Callable[[Mapping[str, Any]], dict[str, Any]]
    initialise: Callable[[Any, int], None]
    joint: Callable[[Any, Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]
    causal: Callable[[Any, Tensor], Tensor]
    signal: Callable[[Any, Tensor, Tensor, Tensor], Tensor]
    head: Callable[[Any], tuple[Tensor, float]]
    weights_met: Callable[[Any], float]
    published: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
    apart: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()


def reach(index: int, count: int, length: int) -> int:
    """How many tokens of its chunk the canvas `index` of `count` may have before it.

    The canvases of a chunk start one in each of `count` equal parts of it: what no canvas of a part
    can see, none of them has to multiply.
    """
    return min(length, -(-length * (index + 1) // (count * GRAIN)) * GRAIN)


_TRAININGS: dict[str, tuple[type, Training]] = {}


def register_training(model_type: str, architecture: type, training: Training) -> None:
    """Make known how models of this type, whose shape is an `architecture`, are trained."""
    _TRAININGS[model_type] = architecture, training


def training_of_type(model_type: str) -> Training:
    """Raises LookupError where models of this type are not trained from nothing."""
    if model_type not in _TRAININGS:
        raise LookupError(f"a {model_type} model is not trained from nothing")
    return _TRAININGS[model_type][1]


def training_of(model: Model[Any] | Architecture) -> Training:
    """As `training_of_type`, of a model or its shape."""
    shape = model.config if isinstance(model, Model) else model
    for architecture, training in _TRAININGS.values():
        if isinstance(shape, architecture):
            return training
    raise LookupError(f"a model of shape {type(shape).__name__} is not trained from nothing")


__all__ = ["Training", "reach", "register_training", "training_of", "training_of_type"]
