"""Models: what every family offers (family.py), and the families, each registered by importing it
here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from engine.models import dense, diffusion_gemma  # noqa: F401
from engine.models.family import Model


def load_model(
    folder: str | Path,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Model[Any]:
    """The model in `folder` (Hugging Face layout). Raises engine.api.ModelMissing."""
    from engine.checkpoints.load import load  # it imports this package

    return load(Path(folder), device, dtype)
