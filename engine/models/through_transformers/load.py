"""A model of `transformers`, made of a configuration, and with the weights of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from engine.api import ModelMissing
from engine.models.family import Model
from engine.models.through_transformers.block_diffusion import BlockDiffusion
from engine.models.through_transformers.config import Config, backbone_of, class_for_blocks
from engine.models.through_transformers.library import NAME, configuration, transformers
from engine.models.through_transformers.masked import MaskedLanguageModel


def build(config: Config) -> Model[Any]:
    """With weights of any value."""
    theirs, made = _class_and_config(config)
    inner = theirs._from_config(made)
    return _wrapped(config, inner)


def load(config: Config, folder: Path, device: torch.device, dtype: torch.dtype) -> Model[Any]:
    """With the weights of `folder`: safetensors, or the GGUF file that `config` names. Raises
    ModelMissing saying what `transformers` has against it."""
    theirs, made = _class_and_config(config)
    try:
        if config.gguf is not None:
            inner = _of_gguf(theirs, made, folder / config.gguf, dtype)
        else:
            inner = theirs.from_pretrained(
                folder,
                config=made,
                dtype=dtype,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
            )
    except Exception as error:  # whatever its readers raise
        brief = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelMissing(f"{folder}: {NAME} cannot load it ({brief}); fetch it again") from error
    model = _wrapped(config, inner.to(device).eval().requires_grad_(False))
    if isinstance(model, MaskedLanguageModel):
        model.check()
    return model


def _of_gguf(theirs: Any, made: Any, path: Path, dtype: torch.dtype) -> Any:
    """As `from_pretrained` reads a GGUF file, which wants another library for nothing but where the
    weights go. Raises ValueError naming a weight that the file lacks."""
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    inner = theirs._from_config(made, dtype=dtype)
    with torch.device("meta"):
        like = theirs._from_config(made)
    read = load_gguf_checkpoint(path, return_tensors=True, model_to_load=like, torch_dtype=dtype)
    absent = set(inner.load_state_dict(read["tensors"], strict=False).missing_keys)
    inner.tie_weights()
    if lacking := sorted(absent - set(inner.all_tied_weights_keys)):
        raise ValueError(f"it lacks {lacking[0]}")
    return inner


def _wrapped(config: Config, inner: Any) -> Model[Any]:
    return BlockDiffusion(config, inner) if config.masking is None else MaskedLanguageModel(
        config, inner
    )  # fmt: skip


def _class_and_config(config: Config) -> tuple[Any, Any]:
    """The class that `transformers` has for the model, and its configuration of it."""
    library = transformers()
    made = configuration(*backbone_of(config))
    if config.masking is not None:
        known = library.models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING
        theirs = known.get(type(made), None)
    else:
        theirs = class_for_blocks(config.document)
    if theirs is None:
        raise ModelMissing(
            f"{NAME} {library.__version__} has no class of a {made.model_type} that can be used"
            " here; choose another model, or a later version of it"
        )
    return theirs, made


__all__ = ["build", "load"]
