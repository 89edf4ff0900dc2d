"""Model families, one file each."""

from __future__ import annotations

from pathlib import Path

import torch

from engine.models.diffusion_gemma import DiffusionGemma


def load_model(
    folder: str | Path,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> DiffusionGemma:
    """The model in `folder` (Hugging Face layout). Raises engine.api.ModelMissing."""
    from engine.checkpoints.load import load  # it imports this package

    return load(Path(folder), device, dtype)
